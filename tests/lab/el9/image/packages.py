"""Runs inside the root while it is made: builds the RPMs and the repositories from them.

The packages of the base system only claim files that the image has already: the database of
rpm then answers as on Enterprise Linux, and removing such a package removes its files.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BUILD = Path("/build")
FILES = BUILD / "image"
RPMS = BUILD / "rpm" / "RPMS"
REPOSITORIES = Path("/usr/share/look-alike/repositories")
# What rpm would find out from the files: nothing, or Debian's libraries become dependencies.
ATTRIBUTES = BUILD / "attributes"
ARCH = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
MODULE_VERSION = "9040020240101000000"
CONTEXT = "rhel9"


@dataclass(frozen=True)
class Stream:
    """One stream of a module, or (stream empty) the package outside of modules."""

    module: str
    stream: str
    number: str
    profiles: dict[str, list[str]]
    payload: str = "payload"

    @property
    def marker(self) -> str:
        """What the release of its packages says of the module."""
        return f".module+el9+{self.stream.replace('.', '_')}" if self.stream else ""


_DATABASE = {"server": ["postgresql-server"], "client": ["postgresql"]}
_WEB = {"common": ["nginx", "nginx-filesystem"]}
STREAMS = (
    Stream("postgresql", "", "13.16", {}),
    Stream("postgresql", "15", "15.8", _DATABASE),
    Stream("postgresql", "16", "16.4", _DATABASE),
    Stream("nginx", "", "1.20.1", {}),
    Stream("nginx", "1.22", "1.22.1", _WEB),
    Stream("nginx", "1.24", "1.24.0", _WEB),
    Stream("nginx", "1.26", "1.26.3", _WEB, payload="payload-trixie"),
)

LIBSELINUX_UTILS = " ".join(
    f"/usr/sbin/{tool}"
    for tool in ("getenforce", "setenforce", "selinuxenabled", "getsebool", "matchpathcon")
)
POLICYCOREUTILS = "/usr/sbin/restorecon /usr/sbin/setfiles /usr/sbin/setsebool /usr/sbin/sestatus"

# Package, the Debian package with its version, and files it owns. The rest of what such a package
# has is in the image as well, owned by nobody.
BASE: tuple[tuple[str, str, str], ...] = (
    ("bash", "bash", "/usr/bin/bash /usr/bin/sh"),
    ("ca-certificates", "ca-certificates", "/usr/bin/update-ca-trust"),
    ("coreutils", "coreutils", "/usr/bin/cat /usr/bin/ls /usr/bin/stat /usr/bin/timeout"),
    ("crypto-policies", "base-files", "/etc/crypto-policies/config"),
    ("crypto-policies-scripts", "base-files", "/usr/bin/update-crypto-policies"),
    ("curl", "curl", "/usr/bin/curl"),
    ("dbus", "dbus", "/usr/bin/dbus-daemon"),
    ("dnf", "dnf", "/usr/bin/dnf /usr/bin/yum"),
    ("dnf-plugins-core", "dnf-plugins-core", ""),
    ("filesystem", "base-files", ""),
    ("findutils", "findutils", "/usr/bin/find /usr/bin/xargs"),
    ("firewalld", "firewalld", "/usr/sbin/firewalld /usr/bin/firewall-cmd"),
    ("firewalld-filesystem", "firewalld", ""),
    ("gawk", "mawk", ""),
    ("glibc", "libc6", ""),
    ("glibc-common", "libc6", "/usr/bin/locale /usr/bin/getent"),
    ("glibc-minimal-langpack", "libc6", ""),
    ("grep", "grep", "/usr/bin/grep"),
    ("gzip", "gzip", "/usr/bin/gzip"),
    ("hostname", "hostname", "/usr/bin/hostname"),
    ("iproute", "iproute2", "/usr/sbin/ip /usr/sbin/ss"),
    ("libselinux-utils", "selinux-utils", LIBSELINUX_UTILS),
    ("logrotate", "logrotate", "/usr/sbin/logrotate"),
    ("nftables", "nftables", "/usr/sbin/nft"),
    ("openssh", "openssh-server", "/usr/bin/ssh-keygen"),
    ("openssh-clients", "openssh-client", "/usr/bin/ssh /usr/bin/scp"),
    ("openssh-server", "openssh-server", "/usr/sbin/sshd /usr/lib/systemd/system/sshd.service"),
    ("openssl", "openssl", "/usr/bin/openssl"),
    ("policycoreutils", "policycoreutils", POLICYCOREUTILS),
    ("policycoreutils-python-utils", "policycoreutils-python-utils", "/usr/sbin/semanage"),
    ("polkit", "polkitd", ""),
    ("procps-ng", "procps", "/usr/bin/ps /usr/sbin/sysctl"),
    ("python3", "python3", "/usr/bin/python3"),
    ("python3-dnf", "python3-dnf", ""),
    ("python3-dnf-plugins-core", "dnf-plugins-core", ""),
    ("python3-firewall", "python3-firewall", ""),
    ("python3-libselinux", "python3-selinux", ""),
    ("python3-libs", "python3", ""),
    ("python3-nftables", "python3-nftables", ""),
    ("python3-rpm", "python3-rpm", ""),
    ("rpm", "rpm", "/usr/bin/rpm"),
    ("sed", "sed", "/usr/bin/sed"),
    ("selinux-policy", "selinux-policy-default", "/etc/selinux/config"),
    ("selinux-policy-targeted", "selinux-policy-default", ""),
    ("setup", "base-passwd", ""),
    ("shadow-utils", "passwd", "/usr/sbin/useradd /usr/sbin/groupadd"),
    ("sudo", "sudo", "/usr/bin/sudo"),
    ("systemd", "systemd", "/usr/bin/systemctl"),
    ("systemd-libs", "libsystemd0", ""),
    ("tzdata", "tzdata", ""),
    ("util-linux", "util-linux", "/usr/bin/mount /usr/bin/su"),
    ("which", "debianutils", "/usr/bin/which"),
    ("yum", "dnf", ""),
)
PROVIDES = {
    "bash": "/bin/sh /usr/bin/sh /bin/bash",
    "rocky-release": "system-release = 9.4 system-release(releasever) = 9 redhat-release = 9.4",
}


def main() -> None:
    """Build all packages, and the repositories with them."""
    for repository in ("BaseOS", "AppStream", "extras", "EPEL"):
        (REPOSITORIES / repository / "Packages").mkdir(parents=True, exist_ok=True)
    ATTRIBUTES.mkdir()
    (ATTRIBUTES / "none.attr").write_text("%__none_path ^/nowhere$\n")
    _base()
    _rpmbuild("tools", "", {"glibc": _upstream("libc6")})
    _move("epel-release", "extras")
    _move("", "BaseOS")
    _rpmbuild("certbot", "", {})
    _move("", "EPEL")
    documents = [document for one in STREAMS if (document := _stream(one))]
    for folder in REPOSITORIES.iterdir():
        _run("createrepo_c", "--quiet", str(folder))
    modules = BUILD / "modules.yaml"
    modules.write_text("".join(documents))
    data = REPOSITORIES / "AppStream" / "repodata"
    _run("modifyrepo_c", "--mdtype=modules", str(modules), str(data))


def _stream(one: Stream) -> str:
    """Build its packages; its document for the repository's modules."""
    defines = {"stream": one.stream or "13", "number": one.number}
    defines["payload"] = str(BUILD / one.payload)
    if one.stream:
        defines["module"] = one.marker
        defines["label"] = f"{one.module}:{one.stream}:{MODULE_VERSION}:{CONTEXT}"
    _rpmbuild(one.module, one.stream, defines)
    built = _move("", "AppStream")
    if not one.stream:
        return ""
    profiles = "".join(
        f"    {profile}:\n      rpms:\n" + "".join(f"      - {rpm}\n" for rpm in rpms)
        for profile, rpms in one.profiles.items()
    )
    artifacts = "".join(f"    - {_nevra(path)}\n" for path in sorted(built))
    return f"""---
document: modulemd
version: 2
data:
  name: {one.module}
  stream: "{one.stream}"
  version: {MODULE_VERSION}
  context: {CONTEXT}
  arch: {ARCH}
  summary: {one.module} {one.stream} of the look-alike
  description: >-
    Debian's binaries in the paths of Enterprise Linux.
  license:
    module:
    - MIT
  dependencies:
  - requires:
      platform: [el9]
  profiles:
{profiles}  artifacts:
    rpms:
{artifacts}...
"""


def _base() -> None:
    """The packages of the base system, as one spec file."""
    rows = [(*row, PROVIDES.get(row[0], "")) for row in BASE]
    release = "/etc/os-release /etc/redhat-release /etc/yum.repos.d/rocky.repo"
    rows.append(("rocky-release", "9.4", release, PROVIDES["rocky-release"]))
    text = "Name: base\nVersion: 1\nRelease: 1%{dist}\nSummary: x\nLicense: x\n%description\n-\n"
    install = "%install\n"
    for name, debian, files, provides in rows:
        version = debian if debian[0].isdigit() else _upstream(debian)
        provided = f"Provides: {provides}\n" if provides else ""
        text += f"%package -n {name}\nVersion: {version}\nSummary: {name} of the look-alike\n"
        text += f"{provided}%description -n {name}\nClaims files of the image.\n"
        text += f"%files -n {name}\n" + "".join(f"{path}\n" for path in files.split())
        for path in files.split():
            install += f"mkdir -p %{{buildroot}}{Path(path).parent}\n"
            install += f"cp -a {path} %{{buildroot}}{path}\n"
    spec = BUILD / "base.spec"
    spec.write_text(text + install)
    _rpmbuild("base", "", {}, spec)


def _upstream(debian: str) -> str:
    """The version of an installed Debian package without Debian's part."""
    asked = ["dpkg-query", "-W", "-f", "${Version}", debian]
    full = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    version = full.split(":", 1)[-1].split("-")[0].split("+")[0]
    return version.replace("~", ".")


def _rpmbuild(name: str, stream: str, defines: dict[str, str], spec: Path | None = None) -> None:
    always = {
        "_topdir": str(BUILD / "rpm"),
        "dist": ".el9",
        "payload": str(BUILD / "payload"),
        "ours": str(FILES / "files"),
        "debug_package": "%{nil}",
        "__os_install_post": "%{nil}",
        "_fileattrsdir": str(ATTRIBUTES),
        "_binary_payload": "w1.zstdio",
        "_build_id_links": "none",
    }
    words = [part for key, value in (always | defines).items() for part in _define(key, value)]
    _run("rpmbuild", "-bb", "--quiet", *words, str(spec or FILES / "specs" / f"{name}.spec"))


def _define(key: str, value: str) -> tuple[str, str]:
    return "--define", f"{key} {value}"


def _move(name: str, repository: str) -> list[Path]:
    """Put what was built (of one name, or all) into a repository."""
    moved = []
    for path in RPMS.rglob(f"{name}*.rpm"):
        target = REPOSITORIES / repository / "Packages" / path.name
        shutil.move(path, target)
        moved.append(target)
    return moved


def _nevra(path: Path) -> str:
    form = "%{NAME}-%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}.%{ARCH}"
    asked = ["rpm", "-qp", "--nosignature", "--qf", form, str(path)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
