"""When leaders are moved: the program, run with a Patroni and an etcd that only answer."""

import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mattermost_host.ops import database_watch
from mattermost_host.ops.database_watch import Watched
from mattermost_host.ops.patroni_state import Way
from tests.unit.parsers import complaints_of_systemd, exposure

MEMBERS = {name: f"https://10.0.0.{number}:8008" for number, name in enumerate("abc", 1)}
WATCHED = Watched(
    name="a",
    folder="/var/lib/postgresql/17",
    way=Way(MEMBERS["a"], "/ca.pem", "/host.pem", "/key.pem"),
    members=MEMBERS,
    etcd_url="https://10.0.0.1:2379",
    etcd_access="/etc/mattermost-host/etcd/etcdctl.env",
)
FAKES = {
    # The last argument is the URL; what is sent is noted.
    "curl": """for url do :; done
case " $* " in *" --key $CREDENTIALS_DIRECTORY/host-key "*) ;; *) exit 9 ;; esac
case "$*" in *--data*) echo "$*" | sed "s/.*--data //" >>"$FAKE/sent" ;; esac
answer=$FAKE/$(echo "${url#https://}" | tr /: __)
[ -e "$answer" ] || exit 22
case "$*" in *"-o /dev/null"*) ;; *) cat "$answer" ;; esac
""",
    "stat": """read -r free rest <"$FAKE/disk"
echo "$rest" >"$FAKE/disk"
echo 1048576 $TOTAL $free
""",
    "sleep": '[ "$(wc -w <"$FAKE/disk")" != 0 ] || kill $PPID\n',
    "etcdctl": """case "$*" in
*status*) cat "$FAKE/voters" ;;
*) echo "etcdctl $* as $ETCDCTL_USER with $ETCDCTL_KEY" >>"$FAKE/sent"; echo transferred ;;
esac
""",
}
PAUSED, FAILSAFE = {"pause": True}, {"failsafe_mode_is_active": True}
HANDED_TO_B = """{"leader": "a", "candidate": "b"} https://10.0.0.1:8008/switchover"""
VOTERS = (
    "https://10.0.0.1:2379, aa, 3.5.16, 20 kB, true, false, 2, 9, 9, \n"
    "https://10.0.0.2:2379, bb, 3.5.16, 20 kB, false, true, 2, 9, 9, \n"
    "https://10.0.0.3:2379, cc, 3.5.16, 20 kB, false, false, 2, 9, 9, \n"
)


@dataclass(frozen=True)
class Situation:
    """What the program finds, at each of its looks."""

    free: tuple[int, ...] = (500,)
    """MiB, at one look after the other."""
    total: int = 1000
    leads: bool = True
    ample: str = "abc"
    follow: str = "bc"
    state: tuple[tuple[str, bool], ...] = ()
    etcds_leader: str = "2"
    voters: str = VOTERS
    answers: bool = True


def _answers(found: Situation) -> dict[str, str]:
    marks = dict.fromkeys(found.ample, "ample")
    local = "10.0.0.1_8008"
    files = {
        f"{local}_patroni": json.dumps({"state": "running", **dict(found.state)}),
        f"{local}_config": json.dumps({"ttl": 20, "room": marks}),
        f"{local}_switchover": "Successfully switched over",
        "10.0.0.1_2379_v3_maintenance_status": json.dumps(
            {"header": {"cluster_id": "2", "member_id": "1"}, "leader": found.etcds_leader}
        ),
    }
    if found.leads:
        files[f"{local}_primary"] = ""
    for name in found.follow:
        files[f"{MEMBERS[name].removeprefix('https://').replace(':', '_')}_quorum"] = ""
    return files if found.answers else {}


def _looked(folder: Path, found: Situation, watched: Watched = WATCHED) -> tuple[str, list[str]]:
    """What the program said, and what it sent."""
    programs, fake, run = (folder / name for name in ("programs", "fake", "run"))
    for one in (programs, fake, run):
        one.mkdir()
    for name, text in FAKES.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}")
        (programs / name).chmod(0o755)
    for name, text in _answers(found).items():
        (fake / name).write_text(text)
    (fake / "voters").write_text(found.voters)
    (fake / "disk").write_text(" ".join(map(str, found.free)) + "\n")
    (fake / "sent").touch()
    (fake / "etcdctl.env").write_text("ETCDCTL_USER=root:secret\nETCDCTL_KEY=/not/mine\n")
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "FAKE": str(fake),
        "TOTAL": str(found.total),
        "CREDENTIALS_DIRECTORY": str(fake),
        "RUNTIME_DIRECTORY": str(run),
    }
    done = subprocess.run(
        ["sh", "-c", database_watch.program(watched)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert (run / "looked").exists()
    return done.stdout, (fake / "sent").read_text().splitlines()


def _changes(sent: list[str]) -> list[str]:
    """What was sent except for questions."""
    return [one for one in sent if not one.startswith("{} ")]


def test_with_room_it_does_nothing(tmp_path: Path) -> None:
    said, sent = _looked(tmp_path, Situation())
    assert (said, _changes(sent)) == ("", [])


def test_a_leader_whose_disk_is_nearly_full_hands_over_once(tmp_path: Path) -> None:
    said, sent = _looked(tmp_path, Situation(free=(49, 49, 49, 49), ample="bc"))
    assert _changes(sent) == [HANDED_TO_B]
    assert said.splitlines() == [
        "<2>49 of 1000 MiB are free in /var/lib/postgresql/17: "
        "b, which has more room, is asked to lead the database",
        "<4>Patroni's answer: Successfully switched over",
    ]


def test_what_patroni_refused_is_asked_again_after_a_minute(tmp_path: Path) -> None:
    _, sent = _looked(tmp_path, Situation(free=(49,) * 8, ample="bc"))
    assert _changes(sent) == [HANDED_TO_B] * 2


@pytest.mark.parametrize(
    ("free", "total", "moves"),
    [
        ((49, 49), 1000, True),
        # Of a small disk four segments, of a large one the share.
        ((65, 65), 1000, False),
        ((63, 63), 400, True),
        ((4_999, 4_999), 100_000, True),
        ((5_001, 5_001), 100_000, False),
        # 2,000 MiB in ten seconds are 12,000 in a minute.
        ((13_000, 11_000, 9_000), 100_000, True),
        ((16_500, 14_500, 12_500), 100_000, False),
        # One look is not enough: a burst ends.
        ((49,), 1000, False),
        ((13_000, 11_000, 11_000, 9_000), 100_000, False),
        # What becomes free is no hurry.
        ((9_000, 11_000, 13_000), 100_000, False),
    ],
)
def test_nearly_full(tmp_path: Path, free: tuple[int, ...], total: int, moves: bool) -> None:
    _, sent = _looked(tmp_path, Situation(free=free, total=total))
    assert (HANDED_TO_B in sent) is moves


@pytest.mark.parametrize(
    ("ample", "follow", "to"),
    [("c", "bc", "c"), ("bc", "c", "c"), ("ab", "c", ""), ("a", "bc", ""), ("", "", "")],
)
def test_only_a_follower_with_ample_room_is_asked(
    tmp_path: Path, ample: str, follow: str, to: str
) -> None:
    said, sent = _looked(tmp_path, Situation((10, 10, 10), ample=ample, follow=follow))
    asked = [one.partition("} ")[0] + "}" for one in sent if "switchover" in one]
    assert "".join(json.loads(one)["candidate"] for one in asked) == to
    # Where nobody has room the leader stays, and says it once, loudly.
    sentence = "no member that follows has more room: this one goes on leading until"
    assert said.count(sentence) == (not to)
    assert said.startswith("<2>10 of 1000 MiB are free")


def test_it_is_said_again_after_ten_minutes(tmp_path: Path) -> None:
    said, _ = _looked(tmp_path, Situation((10,) * 62, ample=""))
    assert said.count("no member that follows has more room") == 2


@pytest.mark.parametrize(
    ("free", "ample", "told"),
    [
        (192, "bc", '{"room": {"a": "ample"}}'),
        (192, "abc", ""),
        # Between twice and three times the least it stays as it is.
        (191, "bc", ""),
        (128, "abc", ""),
        (127, "abc", '{"room": {"a": null}}'),
        (63, "bc", ""),
    ],
)
def test_what_a_follower_tells_of_its_room(
    tmp_path: Path, free: int, ample: str, told: str
) -> None:
    said, sent = _looked(tmp_path, Situation((free,), leads=False, ample=ample))
    assert sent == ([f"{told} https://10.0.0.1:8008/config"] if told else [])
    assert ("this member is not asked to lead" in said) is (free < 64)


def test_while_patroni_is_paused_it_does_nothing(tmp_path: Path) -> None:
    found = Situation((10, 10, 10), state=tuple(PAUSED.items()), etcds_leader="1")
    assert _looked(tmp_path, found) == ("", [])


def test_without_etcd_it_asks_nobody_and_says_so(tmp_path: Path) -> None:
    said, sent = _looked(tmp_path, Situation((10, 10, 10), state=tuple(FAILSAFE.items())))
    assert not [one for one in sent if "switchover" in one]
    assert said.count("while etcd does not answer no other member can lead: free space now") == 1


def test_without_patroni_it_does_nothing(tmp_path: Path) -> None:
    assert _looked(tmp_path, Situation((10, 10, 10), answers=False)) == ("", [])


def test_etcds_leader_goes_to_another_voter_that_answers_and_votes(tmp_path: Path) -> None:
    said, sent = _looked(tmp_path, Situation((500, 500), etcds_leader="1"))
    (moved,) = _changes(sent)
    key = tmp_path / "fake/host-key"
    assert moved.startswith("etcdctl ")
    assert moved.endswith(f" move-leader cc as root:secret with {key}")
    assert said == "transferred\n"


def test_etcds_leader_stays_where_nobody_else_can_lead(tmp_path: Path) -> None:
    alone = VOTERS.splitlines(keepends=True)[0]
    said, sent = _looked(tmp_path, Situation((500,) * 8, etcds_leader="1", voters=alone))
    assert _changes(sent) == []
    assert said == "<4>etcd is led on the host of the database, and no other voter takes over\n"


def test_a_follower_leaves_etcds_leader_alone(tmp_path: Path) -> None:
    assert _looked(tmp_path, Situation(leads=False, etcds_leader="1")) == ("", [])


def test_a_host_without_a_voter_knows_nothing_of_etcd() -> None:
    watched = replace(WATCHED, etcd_access="")
    assert "etcdctl" not in database_watch.program(watched)
    files = {one.path: one for one in database_watch.entries(watched)}
    assert "etcdctl.env" not in str(vars(files[database_watch.UNIT_FILE])["content"])


def test_a_folder_that_can_not_be_measured(tmp_path: Path) -> None:
    """It is said, nothing is done, and the verification sees no sign of a look."""
    text = database_watch.program(WATCHED).replace("sleep 10", "exit")
    run = subprocess.run(
        ["sh", "-c", text.replace(WATCHED.folder, str(tmp_path / "none"))],
        env={**os.environ, "RUNTIME_DIRECTORY": str(tmp_path), "CREDENTIALS_DIRECTORY": "/"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.stdout.startswith(f"<3>the free space of {tmp_path}/none could not be measured")
    assert not (tmp_path / "looked").exists()


def test_its_sandbox(tmp_path: Path) -> None:
    (text,) = (
        str(vars(one)["content"])
        for one in database_watch.entries(WATCHED)
        if one.path == database_watch.UNIT_FILE
    )
    unit = tmp_path / database_watch.UNIT
    unit.write_text(text.replace(database_watch.PROGRAM, "/bin/true"))
    assert complaints_of_systemd(unit) == []
    assert exposure(unit) <= (database_watch.unit().max_exposure or 0)
    # Both secrets are handed to an account that can't read the files.
    assert "DynamicUser=yes\n" in text
    assert f"LoadCredential=host-key:{WATCHED.way.key}\n" in text
    assert f"LoadCredential=etcdctl.env:{WATCHED.etcd_access}\n" in text
