"""What the image of the look-alike is made of."""

from pathlib import Path

from tests.lab.recipe import MINIMAL, Recipe

FOLDER = Path(__file__).parent / "image"

PACKAGES = (
    *MINIMAL,
    "dnf",
    "dnf-plugins-core",
    "python3-dnf",
    "rpm",
    "createrepo-c",
    "firewalld",
    "nftables",
    "logrotate",
    "curl",
    "procps",
)

# Nothing of Debian's package manager is left to be used by mistake, and no tool of the build.
REMOVED = (
    *("etc/apt", "var/lib/apt", "var/cache/apt", "var/lib/dpkg"),
    *("usr/bin/apt*", "usr/bin/deb-*", "usr/bin/debconf*", "usr/bin/dpkg*", "usr/sbin/dpkg-*"),
    *("usr/sbin/adduser", "usr/sbin/addgroup", "usr/sbin/deluser", "usr/sbin/delgroup"),
    *("usr/sbin/update-rc.d", "usr/sbin/invoke-rc.d", "usr/sbin/service"),
    *("etc/init.d", "etc/rc*.d", "etc/cron.*/*", "etc/default/*"),
    *("usr/lib/systemd/system/apt-*", "usr/lib/systemd/system/dpkg-*"),
    *("usr/lib/systemd/system/e2scrub*", "etc/systemd/system/*/apt-*"),
    *("etc/systemd/system/*/dpkg-*", "etc/systemd/system/*/e2scrub*"),
    *("usr/sbin/update-ca-certificates", "usr/local/share/ca-certificates/*"),
    *("usr/bin/rpmbuild", "usr/bin/createrepo_c", "usr/bin/modifyrepo_c"),
    *("usr/bin/tar", "usr/sbin/semanage"),
)

RECIPE = Recipe(
    debian="bookworm",
    packages=PACKAGES,
    setup="bash /build/image/setup.sh",
    files=FOLDER,
    removed=REMOVED,
    also=("trixie",),
)
