"""The same steps as a plain shell script, as somebody writes it who installs by hand once."""

import shlex
from collections.abc import Iterator, Sequence
from typing import assert_never

from mattermost_host.ops.administrator import CURL
from mattermost_host.ops.entries import Absent, Directory, File, Link
from mattermost_host.ops.release_scripts import COMPRESSED
from mattermost_host.ops.release_state import RELEASES
from tests.bench.items import (
    ADMINISTRATOR,
    Account,
    Fact,
    Item,
    Lasting,
    Packages,
    Parameter,
    UnitUp,
)

TARBALL = "/root/release.tar.gz"
HEAD = """set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -y -q update
apt-get -y -q --no-install-recommends install"""
END = "END-OF-FILE"


def script(items: Sequence[Item], socket: str, administrator: str, url: str) -> str:
    """The script, which expects ``TARBALL`` on the host and ends when ``url`` answers there.

    ``administrator`` is the JSON of the first user, made by the server's local ``socket``.
    """
    names = [name for item in items if isinstance(item, Packages) for name in item.names]
    lines = [f"{HEAD} {' '.join(names)}"]
    for item in items:
        if isinstance(item, Fact) and item.name == ADMINISTRATOR:
            lines += _administrator(socket, administrator)
        else:
            lines += _lines(item)
    address = f"{url.removeprefix('https://')}:443:127.0.0.1"
    ping = f"curl -fsk --resolve {address} {url}/api/v4/system/ping"
    lines.append(f"until {ping}; do sleep 0.2; done")
    return "\n".join(lines)


def _lines(item: Item) -> Iterator[str]:
    match item:
        case File():
            owner = f"chown {item.user}:{item.group} {item.path}; chmod {item.mode} {item.path}"
            text = item.data.decode().removesuffix("\n")
            yield f"(umask 077; cat > {item.path}) <<'{END}'\n{text}\n{END}\n{owner}"
        case Directory() if item.path.startswith(f"{RELEASES}/"):
            yield _unpack(item.path)
        case Directory():
            yield f"mkdir -p {item.path}; chown {item.user}:{item.group} {item.path}"
            yield f"chmod {item.mode} {item.path}"
        case Link():
            yield f"ln -sfn {item.target} {item.path}"
        case Absent():
            yield f"rm -rf {item.path}"
        case UnitUp():
            yield f"systemctl daemon-reload; systemctl enable -q {item.name}"
            yield f"systemctl restart {item.name}"
        case Account():
            yield f"useradd -r -U -d {item.home} -M -s {item.shell} {item.user}"
        case Parameter():
            yield f"sysctl -q -w {shlex.quote(f'{item.name}={item.value}')}"
        case Lasting() | Packages():
            return
        case Fact():
            yield item.repair
        case _:
            assert_never(item)


def _unpack(folder: str) -> str:
    return f"""sha256sum {TARBALL}
mkdir -p {folder}
tar -xzf {TARBALL} -C {folder} --strip-components=1 --no-same-owner
chown -R root:root {folder}; chmod -R u=rwX,go=rX {folder}
find {folder}/client -type f -size +1k -regextype posix-extended \\
  -regex '.*\\.({COMPRESSED})' -print0 | xargs -0 -r -n 32 -P 2 gzip -9 -k -f -n
rm {TARBALL}; sync -f {folder}"""


def _administrator(socket: str, administrator: str) -> Iterator[str]:
    users = "http://local/api/v4/users"
    curl = f"{CURL} {socket} --fail-with-body"
    json = "-H 'Content-Type: application/json'"
    yield f"{curl} {json} -o /dev/null --data-binary @- {users} <<'{END}'\n{administrator}\n{END}"
