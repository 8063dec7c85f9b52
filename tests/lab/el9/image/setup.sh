# Runs once inside the root, by its own shell: makes a look-alike of Enterprise Linux of a Debian.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
mkdir -p /build/payload /build/debs
cd /build/debs
apt-get update -qq
apt-get install -qq --no-install-recommends libpq5 libxslt1.1 \
    policycoreutils policycoreutils-python-utils selinux-utils selinux-policy-default >/dev/null
apt-get download -qq -o APT::Sandbox::User=root \
    postgresql-15 postgresql-client-15 nginx nginx-common libnginx-mod-stream \
    chrony brotli tar locales
for package in *.deb; do dpkg-deb -x "$package" /build/payload; done
# A newer NGINX, whose binary runs with the libraries of this suite.
mkdir /build/payload-trixie /build/debs-trixie
cp /build/trixie.list /etc/apt/sources.list.d/trixie.list
apt-get update -qq
cd /build/debs-trixie
apt-get download -qq -o APT::Sandbox::User=root nginx/trixie nginx-common/trixie \
    libnginx-mod-stream/trixie
for package in *.deb; do dpkg-deb -x "$package" /build/payload-trixie; done
rm /etc/apt/sources.list.d/trixie.list
apt-get update -qq
# certbot, with what it imports and the image has not.
mkdir -p /build/certbot /build/certbot-debs/partial
apt-get install -qq --no-install-recommends --download-only -o APT::Sandbox::User=root \
    -o Dir::Cache::archives=/build/certbot-debs certbot >/dev/null
for package in /build/certbot-debs/*.deb; do dpkg-deb -x "$package" /build/certbot; done
# A small compiler, and a linker that can say that the stack is not executable.
mkdir -p /build/tcc /build/tcc-debs/partial
apt-get install -qq --no-install-recommends --download-only -o APT::Sandbox::User=root \
    -o Dir::Cache::archives=/build/tcc-debs tcc binutils >/dev/null
for package in /build/tcc-debs/*.deb; do dpkg-deb -x "$package" /build/tcc; done

# Users and groups as they are there.
for user in www-data backup list irc proxy uucp news man; do userdel "$user" || :; done 2>/dev/null
sed -i '/^_apt:/d' /etc/passwd /etc/shadow  # it may be at work
for group in www-data backup list irc proxy uucp news sudo src fax voice staff plugdev; do
    groupdel "$group" || :
done 2>/dev/null
groupmod -n nobody nogroup
for renumbered in cdrom:11 mail:12 dialout:18 floppy:19 utmp:22 tape:33 video:39 audio:63 kmem:9; do
    name=${renumbered%:*} new=${renumbered#*:}
    old=$(getent group "$name" | cut -d: -f3)
    groupmod -g "$new" "$name"
    find / -xdev -gid "$old" -not -path '/proc/*' -exec chgrp -h "$name" {} +
done
# There is no group shadow: what asks for passwords is root's.
find / -xdev -group shadow -not -path '/proc/*' -exec chgrp root {} + -exec chmod u+s {} +
chmod 000 /etc/shadow /etc/gshadow /etc/shadow- /etc/gshadow-
groupdel shadow
groupadd --gid 10 wheel
groupmod -n sshd _ssh
useradd --create-home --shell /bin/bash --groups wheel admin
chmod 700 /home/admin
sed -i 's/^HOME_MODE.*/HOME_MODE 0700/; s/^UMASK.*/UMASK 022/' /etc/login.defs

# Files as they are there.
cp -a "$(readlink -f /usr/bin/which)" /build/which
rm -f /usr/bin/which /usr/lib/systemd/system/ssh.service /usr/lib/systemd/system/ssh.socket \
    /usr/lib/systemd/system/rescue-ssh.target /etc/systemd/system/sshd.service \
    /etc/systemd/system/multi-user.target.wants/ssh.service /etc/nftables.conf
mv /build/which /usr/bin/which
chmod -R u=rwX,go=rX /build/image/files/root
cp -rT --no-preserve=ownership /build/image/files/root /
chmod 0440 /etc/sudoers /etc/sudoers.d/admin
chmod 0600 /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*
rm -f /etc/ssh/ssh_host_* /etc/debian_version /etc/issue* /etc/update-motd.d/*
ln -sf redhat-release /etc/system-release
ln -sf redhat-release /etc/rocky-release
ln -sf bash /usr/bin/sh
ln -sf dnf /usr/bin/yum
[ -e /usr/sbin/ss ] || ln -s ../bin/ss /usr/sbin/ss
mkdir -p /usr/libexec/openssh
ln -s /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server
mkdir -p /etc/pki/tls/certs /etc/pki/ca-trust/source/anchors /etc/pki/ca-trust/extracted/pem
cp /usr/local/share/ca-certificates/*.crt /etc/pki/ca-trust/source/anchors/ 2>/dev/null || :
update-ca-trust
ln -s /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/pki/tls/certs/ca-bundle.crt
# Debian's programs look for their own name of the bundle.
ln -s ca-bundle.crt /etc/pki/tls/certs/ca-certificates.crt
rm -rf /etc/ssl/certs
ln -s /etc/pki/tls/certs /etc/ssl/certs
# OpenSSL follows the system-wide policy: by its own file, and by a name that Debian's does not know.
sed '/^\[openssl_init\]/a ssl_conf = ssl_module' /etc/ssl/openssl.cnf > /etc/pki/tls/openssl.cnf
cat >> /etc/pki/tls/openssl.cnf <<'END'

[ssl_module]
system_default = crypto_policy

[crypto_policy]
.include = /etc/crypto-policies/back-ends/opensslcnf.config
END
ln -sf /etc/pki/tls/openssl.cnf /etc/ssl/openssl.cnf
update-crypto-policies --set DEFAULT >/dev/null
cd /build/tcc
usr/bin/tcc -B "$(echo usr/lib/*/tcc)" -c -o profile.o /build/image/files/openssl/profile.c
LD_LIBRARY_PATH=$(echo /build/tcc/usr/lib/*-linux-gnu) $(echo usr/bin/*-linux-gnu-ld) -shared \
    -z noexecstack -o /usr/libexec/look-alike/openssl-profile.so profile.o
echo /usr/libexec/look-alike/openssl-profile.so > /etc/ld.so.preload

# SELinux: the policy under Enterprise Linux's name, tools that need no kernel as they are, and a
# stand-in for the others. No unknown user is talked about at every change.
mv /etc/selinux/default /etc/selinux/targeted
mv /var/lib/selinux/default /var/lib/selinux/targeted
sed -i '/^sddm:/d' /etc/selinux/targeted/seusers /var/lib/selinux/targeted/active/seusers*
mv /usr/sbin/matchpathcon /usr/libexec/look-alike/matchpathcon
for tool in getenforce setenforce selinuxenabled getsebool setsebool sestatus restorecon matchpathcon; do
    ln -sf ../libexec/look-alike/selinux-tool /usr/sbin/$tool
done
# The kernel has no SELinux: Debian would mark the root to be labelled anew, and then boot for that.
ln -sf /dev/null /etc/systemd/system/selinux-autorelabel-mark.service
rm -f /usr/bin/sestatus

python3 /build/image/packages.py
# Plugins that Enterprise Linux has in packages of their own.
for plugin in local post-transaction-actions versionlock leaves show_leaves; do
    rm -rf /etc/dnf/plugins/$plugin.* /usr/lib/python3/dist-packages/dnf-plugins/$plugin.py
done
mkdir -p /etc/rpm
for file in system-auth password-auth; do
    for kind in auth account password session; do
        echo "$kind include common-$kind"
    done > /etc/pam.d/$file
done
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros
dnf -q -y --releasever=9 --setopt=tsflags=noscripts install bash rocky-release
dnf -q -y install $(dnf -q --disablerepo='*' --enablerepo=baseos repoquery --qf '%{name}' |
    grep -vxE 'brotli|tar|glibc-langpack-en|policycoreutils-python-utils')
dnf clean all >/dev/null
systemctl enable firewalld.service sshd.service systemd-networkd.service
systemctl disable nftables.service

rm -rf /build
# Labels as after an installation.
setfiles -F /etc/selinux/targeted/contexts/files/file_contexts \
    /bin /boot /etc /home /lib /lib64 /media /mnt /opt /root /sbin /srv /usr /var
