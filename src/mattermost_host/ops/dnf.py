"""Shell commands for dnf and rpm: query and install packages."""

from collections.abc import Iterable, Sequence

from mattermost_host.ops.patience import alone, locked

METADATA_MAX_AGE_S = 3600
LOCK_EXIT_STATUS = 200
"""dnf's exit status for a lock that another process holds, with exit_on_lock."""
AGAIN = ("reinstall", "upgrade")
"""reinstall fails if the repository no longer has the version; upgrade then replaces it."""
LOCKED = locked("dnf", "dnf-automatic")
UNFINISHED = "/var/lib/mattermost-host.packages"
"""Exists while our dnf runs, and after a power cut. rpm does not sync the files that it writes, so
its database may list packages whose files are empty.
"""
UNKNOWN_KEY = (
    "The packages of that repository are signed with a key that this host does not know, and keys "
    "are not taken from the network unseen. Compare its fingerprint with the one that its "
    "publisher names and import it with rpm --import, or disable the repository."
)

# With -y dnf imports every key that a repository names. Keys from the network are not imported:
# such a repository works if rpm knows its key already, and is skipped otherwise. Its gpgkey is an
# empty file, because dnf refuses a repository without any while rpm knows no key.
PREPARED = rf"""{alone("dnf", f"[ $status -eq {LOCK_EXIT_STATUS} ]", LOCKED)}
unseen=$(cat /etc/yum.repos.d/*.repo 2>/dev/null | awk '
  /^[^ \t]/ {{ of_key = /^gpgkey[ \t]*=/ }}
  /^\[[A-Za-z0-9_.:-]+\]/ {{ id = $0; gsub(/^\[|\].*/, "", id) }}
  of_key && /(https?|ftp):/ && !seen[id]++ {{
    print "--setopt=" id ".gpgkey=file:///dev/null --setopt=" id ".skip_if_unavailable=1"
  }}')
set -f
dnf="dnf -y -q --setopt=exit_on_lock=True --setopt=install_weak_deps=False"
dnf="$dnf --setopt=*.metadata_expire={METADATA_MAX_AGE_S} $unseen"
again() {{
  since=$(stat -c %Y {UNFINISHED})
  found=$(rpm -qa --qf '%{{INSTALLTIME}} %{{NAME}}\n' |
    awk -v since="$since" '$1 >= since && $2 != "gpg-pubkey" {{ print $2 }}')
  [ -z "$found" ] || {" || ".join(f"patiently $dnf {how} $found" for how in AGAIN)}
}}
if [ -e {UNFINISHED} ]; then again; else : >{UNFINISHED}; sync {UNFINISHED}; fi
failed=0"""
FINISHED = f"""case ${{said:-}} in
  *'GPG keys listed for '*'are not correct for this'* | *'Public key for '*' is not installed'*)
    echo '{UNKNOWN_KEY}' >&2 ;;
esac
sync
rm -f {UNFINISHED}
exit $failed"""


def installation(packages: Sequence[str], modules: Sequence[str]) -> str:
    """Shell script that changes ``modules`` (``module enable nginx:1.24``), then installs.

    What an earlier run left unfinished is reinstalled first.
    """
    asked = [*modules, *([f"install {' '.join(packages)}"] if packages else [])]
    return _script(f"patiently $dnf {one}" for one in asked)


def installed_again(package: str) -> str:
    """Shell command that restores the files of a package, of its version or a newer one."""
    return _script([" || ".join(f"patiently $dnf {how} {package}" for how in AGAIN)])


def _script(steps: Iterable[str]) -> str:
    guarded = [f"[ $failed -ne 0 ] || {one} || failed=$?" for one in steps]
    return "\n".join([PREPARED, *guarded, FINISHED])


def query(names: Sequence[str]) -> str:
    """Shell command that prints name, ``installed`` and version of each installed package.

    rpm reports missing ones on the same output.
    """
    return (
        f"rpm -q --qf '%{{NAME}} installed %{{VERSION}}-%{{RELEASE}}\\n' {' '.join(names)}\n"
        f"[ ! -e {UNFINISHED} ] || echo 'unfinished installed 0'"
    )
