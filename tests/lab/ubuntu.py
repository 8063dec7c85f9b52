"""A look-alike of Ubuntu: a Debian host with Ubuntu's name, sources, defaults and usual tools.

What differs for the product is there and real, from Debian's archive: needrestart that restarts by
itself, unattended-upgrades, cloud-init with a datasource, ufw installed and inactive; certbot as a
snap is a stand-in. PostgreSQL is Debian's own, packed anew under the major version of the release.
The kernel, AppArmor, netplan and Ubuntu's builds are not there: only a real host has those.
"""

import re

from mattermost_host.knowledge import platforms
from tests.lab.hosts import LabHost

RELEASES = ("22.04", "24.04")
CODE_NAMES = {"22.04": "jammy", "24.04": "noble"}
HAS = {"bookworm": 15}
"""Major version of PostgreSQL in the Debian that wears the clothes."""

TOOLS = "needrestart unattended-upgrades cloud-init ufw dpkg-dev"

OS_RELEASE = """PRETTY_NAME="Ubuntu {release} LTS (look-alike)"
NAME="Ubuntu"
VERSION_ID="{release}"
VERSION="{release} LTS"
VERSION_CODENAME={code_name}
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME={code_name}
"""

# As a cloud's image has it; nothing of it may lock the lab out.
USER_DATA = """#cloud-config
disable_root: false
preserve_hostname: true
ssh_deletekeys: false
manage_etc_hosts: false
users: []
locale: false
apt: {preserve_sources_list: true}
"""

FILES = {
    "/var/lib/cloud/seed/nocloud/meta-data": "instance-id: look-alike\n",
    "/var/lib/cloud/seed/nocloud/user-data": USER_DATA,
    "/etc/cloud/cloud.cfg.d/90_dpkg.cfg": "datasource_list: [ NoCloud, None ]\n",
    "/etc/cloud/cloud.cfg.d/99-network.cfg": "network: {config: disabled}\n",
    # What 24.04 does after each apt run; 22.04 asks.
    "/etc/needrestart/conf.d/ubuntu.conf": "$nrconf{restart} = 'a';\n",
    "/etc/apt/apt.conf.d/20auto-upgrades": (
        'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
    ),
    "/etc/sudoers.d/ubuntu": "Defaults use_pty\n",
    "/etc/update-motd.d/50-landscape-sysinfo": "#!/bin/sh\necho 'System load: 0.0'\n",
    # Debian's 15 under the name of 14 would be given a parameter that 15 does not know; one whose
    # folder can't be made is left out.
    "/etc/postgresql-common/createcluster.d/look-alike.conf": "stats_temp_directory = '/none/x'\n",
    "/snap/bin/certbot": "#!/bin/sh\necho 'certbot of a snap'\n",
}

PACK = """set -eu
cd /srv/look-alike
for package in postgresql-{has} postgresql-client-{has}; do
  apt-get -q download $package
  rm -rf made; dpkg-deb -R ${{package}}_*.deb made; rm ${{package}}_*.deb made/DEBIAN/md5sums
  sed -i -E 's/^Version: .*/Version: {wants}.0-0ubuntu0/
    /^(Package|Depends|Provides):/ s/postgresql-(client-|contrib-)?{has}/postgresql-\\1{wants}/g
  ' made/DEBIAN/control
  [ ! -e made/DEBIAN/templates ] || sed -i 's/postgresql-{has}/postgresql-{wants}/' made/DEBIAN/*
  for folder in lib share; do
    [ ! -d made/usr/$folder/postgresql/{has} ] ||
      mv made/usr/$folder/postgresql/{has} made/usr/$folder/postgresql/{wants}
  done
  mv made/usr/share/doc/$package made/usr/share/doc/$package-again
  # The programs look for their files where they were built for.
  case $package in postgresql-{has})
    ln -s {wants} made/usr/share/postgresql/{has}; mkdir -p made/usr/lib/postgresql/{has}
    ln -s ../{wants}/lib made/usr/lib/postgresql/{has}/lib
  esac
  dpkg-deb -Zgzip -z1 -b made . >/dev/null
done
rm -rf made; mkdir -p made/DEBIAN
printf 'Package: postgresql\\nVersion: {wants}+257\\nArchitecture: all\\nMaintainer: look-alike\\n\
Depends: postgresql-{wants}\\nDescription: PostgreSQL of the release\\n' >made/DEBIAN/control
dpkg-deb -b made . >/dev/null; rm -rf made
dpkg-scanpackages . >Packages 2>/dev/null
"""


def dress(host: LabHost, release: str) -> str:
    """Make a fresh Debian host a look-alike of Ubuntu ``release``; systemd's word for its boot."""
    row = platforms.find("ubuntu", release)
    assert row and row.postgresql
    host.run(f"apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install {TOOLS}")
    folders = {path.rpartition("/")[0] for path in FILES}
    host.run(f"mkdir -p /srv/look-alike {' '.join(sorted(folders))}")
    host.run(PACK.format(has=HAS[host.suite], wants=row.postgresql))
    for path, text in FILES.items():
        host.write(path, text)
    host.run("chmod 755 /snap/bin/certbot /etc/update-motd.d/*; ln -s /snap/bin/certbot /usr/bin/")
    # A greeting at each login, scripts included.
    host.run("sed -i '1i echo \"Welcome to Ubuntu\"' /home/admin/.bashrc")
    _name_sources(host, release)
    named = {"release": release, "code_name": CODE_NAMES[release]}
    host.run("rm /etc/os-release")
    host.write("/etc/os-release", OS_RELEASE.format(**named))
    host.run("apt-get -q update")
    return host.reboot()


def _name_sources(host: LabHost, release: str) -> None:
    """The sources in one file, as 24.04 has them; 22.04 has them in sources.list."""
    lines = host.run("cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list", check=False).stdout
    found = re.findall(r"^deb \[signed-by=(\S+)\] (\S+) (\S+) main", lines, re.M)
    assert found, lines
    host.run("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
    local = "deb [trusted=yes] file:/srv/look-alike ./\n"
    if release == "22.04":
        host.write("/etc/apt/sources.list", lines + local)
        return
    stanzas = [
        f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nSigned-By: {key}\n"
        for key, uri, suite in found
    ]
    host.write("/etc/apt/sources.list.d/ubuntu.sources", "\n".join(stanzas))
    host.write("/etc/apt/sources.list", local)
