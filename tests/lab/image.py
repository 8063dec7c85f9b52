"""Root images of the test hosts: one for a Debian suite, or a look-alike made of one, made once.

`python -m tests.lab.image` makes those that are missing.
"""

import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.lab import apt, places
from tests.lab.el9.recipe import RECIPE as EL9
from tests.lab.recipe import MINIMAL, Recipe
from tests.lab.shell import run

SUITES = ("bookworm", "trixie", "bullseye")

# Runs once inside the root, by its own shell.
SETUP = """set -e
useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/admin
chmod 0440 /etc/sudoers.d/admin
rm -f /etc/ssh/ssh_host_*  # each host gets its own
systemctl enable systemd-networkd.service ssh.service
# A background update would hold apt's lock at a moment of its own choosing.
systemctl mask apt-daily.timer apt-daily-upgrade.timer
update-ca-certificates
"""

# Of the names that are no Debian suite.
LOOK_ALIKES = {"el9": EL9}

# If this process is killed, mmdebstrap goes with it, and with that what it mounted in the root:
# a later build removes the folder, and must not find this machine's /sys or /proc in there.
_TIED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "private"),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
)


def ensure(suite: str) -> Path:
    """The root of `suite`, made now if it is missing or its recipe has changed."""
    recipe = LOOK_ALIKES.get(suite) or Recipe(suite, MINIMAL, SETUP)
    lines, options = apt.sources(recipe.debian), apt.options()
    further = [apt.sources(also) for also in recipe.also]
    digest = recipe.digest(lines, options, *further, *apt.authentication().values())
    root = places.images() / f"{suite}-{digest}"
    if root.is_dir():
        return root
    with places.locked(places.images() / f"{suite}.lock"):
        if not root.is_dir():
            _build(recipe, root, lines, options)
    return root


def _build(recipe: Recipe, root: Path, lines: str, options: str) -> None:
    start = time.monotonic()
    suite, _, _ = root.name.rpartition("-")
    print(f"lab: making the root image of {suite} (a minute or two, once) ...", file=sys.stderr)
    unfinished = root.parent / f"{suite}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        extra, source_list, conf = Path(work, "extra"), Path(work, "lab.list"), Path(work, "conf")
        _write_extra(extra)
        source_list.write_text(lines)
        for also in recipe.also:
            Path(work, f"{also}.list").write_text(apt.sources(also))
        conf.write_text(options + 'APT::Keep-Downloaded-Packages "true";\n')
        run(
            [
                *_TIED,
                "mmdebstrap",
                "--quiet",
                "--mode=root",
                "--variant=minbase",
                f"--include={','.join(recipe.packages)}",
                f"--aptopt={conf}",
                "--dpkgopt=force-unsafe-io",
                f'--setup-hook=cp -rT {extra} "$1"',
                *_copied(recipe, work),
                f'--customize-hook=chroot "$1" sh -c {shlex.quote(recipe.setup)}',
                recipe.debian,
                str(unfinished),
                str(source_list),
            ],
            timeout=1800,
        )
    for pattern in recipe.removed:
        for path in unfinished.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    unfinished.rename(root)
    print(f"lab: {suite} made in {time.monotonic() - start:.0f} s", file=sys.stderr)


def _copied(recipe: Recipe, work: str) -> list[str]:
    """Options that bring the recipe's own files and lists into the root while it is made."""
    if not recipe.files:
        return []
    source, target = shlex.quote(str(recipe.files)), f'"$1"/build/{recipe.files.name}'
    lists = "".join(f'; cp {work}/{also}.list "$1"/build/' for also in recipe.also)
    return [f'--customize-hook=mkdir -p "$1"/build; cp -rT {source} {target}{lists}']


def _write_extra(extra: Path) -> None:
    """What this machine's apt trusts and logs in with, as files of the new root."""
    logins = extra / "etc/apt/auth.conf.d"
    trusted = extra / "usr/local/share/ca-certificates"
    for folder in (logins, trusted):
        folder.mkdir(parents=True)
    for name, text in apt.authentication().items():
        (logins / name).touch(mode=0o600)
        (logins / name).write_text(text)
    for certificate in apt.certificates():
        shutil.copy(certificate, trusted / certificate.name)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SUITES:
        ensure(wanted)
