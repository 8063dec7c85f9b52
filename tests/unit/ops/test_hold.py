"""Users held back: the shell is shell, and knows requests from WebSockets."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mattermost_host.ops import hold

HOLD = hold.Hold(("127.0.0.1", 8065), "www-data")
CONNECTIONS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F81 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 1 1
   1: 0100007F:B001 0100007F:1F81 01 00000000:00000000 00:00000000 00000000    33        0 1 1
   2: 0100007F:1F81 0100007F:B001 01 00000000:00000000 00:00000000 00000000   999        0 1 1
   3: 0200007F:B002 0100007F:1F81 01 00000000:00000000 00:00000000 00000000    33        0 1 1
   4: 0100007F:B003 0100007F:1F81 06 00000000:00000000 00:00000000 00000000     0        0 1 1
   5: 0100007F:B004 0100007F:1F91 01 00000000:00000000 00:00000000 00000000    33        0 1 1
"""


def _run(script: str) -> subprocess.CompletedProcess[str]:
    whole = f'set -u\nsay() {{ echo "$*"; }}\n{HOLD.functions()}\n{script}'
    return subprocess.run(["dash", "-s"], input=whole, text=True, capture_output=True, check=False)


def test_only_nginx_s_open_requests_to_the_server_count(tmp_path: Path) -> None:
    place = tmp_path / "tcp"
    place.write_text(CONNECTIONS)
    script = HOLD.functions().replace("/proc/net/tcp", str(place))
    done = subprocess.run(
        ["dash", "-s"], input=f"{script}\nrequests", text=True, capture_output=True, check=True
    )
    assert done.stdout == "0100007F:B001\n"


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        (["", ""], ""),
        (["a b", "c d"], ""),
        (["a b", "b c", "c", ""], ""),
        (["a b", "b c", "b", "b"], "Requests that took longer than 0 s and are cut now: 1.\n"),
    ],
)
def test_what_two_looks_have_seen_is_waited_for(looks: list[str], said: str) -> None:
    seconds = 0 if said else 60
    cases = "".join(f"{at}) echo {look} ;; " for at, look in enumerate(looks))
    script = (
        "count=$(mktemp); sleep() { :; }; grow_up() { :; }\n"
        "requests() { at=$(wc -l <$count); echo >>$count;"
        f" case $at in {cases} *) ;; esac; }}\n"
        f"drain {seconds}; rm $count"
    )
    done = _run(script)
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


@pytest.mark.parametrize(("age", "slept"), [(3, "18\n"), (20, "1\n"), (21, ""), (4000, "")])
def test_a_young_server_is_given_time(tmp_path: Path, age: int, slept: str) -> None:
    uptime = tmp_path / "uptime"
    uptime.write_text("5000.25 9000.00\n")
    script = HOLD.functions().replace("/proc/uptime", str(uptime))
    since = (5000 - age) * 1_000_000
    fakes = f'systemctl() {{ echo {since}; }}; sleep() {{ echo "$1"; }}'
    done = subprocess.run(
        ["dash", "-s"],
        input=f"{script}\n{fakes}\ngrow_up",
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == slept


def test_websockets_are_told_apart_where_the_server_is_on_the_host() -> None:
    assert hold.websockets_from(["127.0.0.1:8065"]) == "127.0.0.2"
    assert hold.websockets_from(["10.0.0.1:8065", "127.0.0.1:8065"]) == ""


@pytest.mark.skipif(shutil.which("nft") is None, reason="no nft on this machine")
def test_the_rules_are_nftables_own() -> None:
    for verdict in ("drop", "reject with tcp reset"):
        done = _run(f"nft() {{ command nft -c \"$@\"; }}\npackets 90 '{verdict}'")
        assert (done.returncode, done.stderr) == (0, "")
