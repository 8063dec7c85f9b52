"""A look-alike of Enterprise Linux 9 in the lab: ``lab.up("el", suite="el9")``.

Debian 12 underneath, with the real dnf, rpm, modularity, firewalld and systemd of Debian's archive,
and with packages that the image's own build makes around Debian's binaries in the paths, users and
units of Enterprise Linux. It is not Enterprise Linux: what holds here is not yet proved there.
`states` makes what an administrator may have left: a fixed stream, no subscription, firewalld
stopped, another identity.

What it has, and how far it is the real thing:

====================  ==========================================================================
os-release            Rocky Linux 9.4 with VARIANT="look-alike"
dnf, rpm              Debian's own (4.14, 4.18); repositories baseos, appstream and extras as
                      file: below /usr/share/look-alike/repositories, unsigned (gpgcheck=0)
rpm's database        knows the base system; each such package claims a few of its files
postgresql-server     13.16 outside of modules, streams 15 and 16; all of them are Debian's
                      PostgreSQL 15, and say so when asked: only the package says 13 or 16.
                      No module has a default profile: module install NAME:STREAM/PROFILE
postgresql-setup      --initdb as there; no --upgrade
nginx                 1.20.1 outside of modules, streams 1.22 and 1.24: all are Debian's 1.22;
                      stream 1.26 is Debian 13's 1.26.
                      Compiled in: no default user, folders below /var/lib/nginx instead of
                      /var/lib/nginx/tmp, modules through a link from /usr/lib/nginx/modules
firewalld             Debian's, real, running; zone public with ssh, cockpit, dhcpv6-client. No
                      NetworkManager, so no interface is bound to a zone by itself
nftables.service      as there, disabled
SELinux               see below; nothing is enforced
certbot               Debian's in epel, which epel-release brings; with certbot-renew.timer
chrony                chronyd.service, /etc/chrony.conf; a container may not set the clock, so its
                      condition is not met
sshd.service          Debian's server under that name; /usr/libexec/openssh/sftp-server
locales               C only, until glibc-langpack-en
tar, brotli           to be installed, as there
certificates          /etc/pki/tls/certs, update-ca-trust (PEM anchors only)
crypto-policies       DEFAULT, LEGACY, FUTURE and FIPS, by a stand-in of update-crypto-policies; no
                      subpolicy has an effect. OpenSSL follows them, nothing else does. Debian's
                      does not know PROFILE=SYSTEM: /etc/ld.so.preload names a library of the
                      image's own, which reads the list from the file that the real one reads.
                      The kernel is never in FIPS mode, and there is no provider of OpenSSL for it
network               systemd-networkd, as on all hosts of the lab
package manager       of Debian: nothing of it is left
====================  ==========================================================================

SELinux: the policy is Debian's (of the same reference policy as Enterprise Linux's, with fewer
types, ports and booleans: 5432 only is postgresql_port_t, 9000 is no http_port_t, /root is no
admin_home_t). semanage (to be installed, policycoreutils-python-utils), matchpathcon, setfiles,
semodule, chcon and `ls -Z` are the real ones, and all files have the labels of the policy as real
extended attributes. getenforce, setenforce, selinuxenabled, sestatus, getsebool, setsebool and
restorecon are stand-ins: mode and running booleans are files in /run/look-alike, gone with a boot;
restorecon calls the real library. No kernel labels what is new: a new file has no label (`ls -Z`
says ?) until restorecon or matchpathcon -V asks; it then gets the type of the folder it stands in.
So a file that was made elsewhere and renamed into place has the right type here, and the wrong one
on Enterprise Linux. Processes have no context.

PostgreSQL's compiled default for its sockets is Debian's (/var/run/postgresql only); the second
one in /tmp is a line of the sample configuration here. Groups have the numbers of Enterprise
Linux, there is no group shadow and no www-data, `admin` is in wheel, and /bin/sh is bash.
"""
