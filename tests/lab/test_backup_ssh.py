"""Backups on another host, by SFTP, in an account that can do nothing else."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.kept import post_with_file, read_back, restored
from tests.lab.runbook import inline, script, typed
from tests.lab.shell import run, wait_until

PGBACKREST = "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost"
PSQL = "cd / && runuser -u postgres -- psql -XAtq -d mattermost"
CONFIGURATION = "/etc/pgbackrest/pgbackrest.conf"
READY = "ls /var/lib/postgresql/*/main/pg_wal/archive_status | grep -c ready$"
NAME, PORT, USER = "backup.test", 2222, "chat"
ROOT = "/srv/sftp"


@dataclass(frozen=True)
class Backed:
    """A site that is backed up on another host."""

    site: Deployment
    other: LabHost


def _account(host: LabHost, public_key: str) -> None:
    """The runbook's, with a port of its own."""
    host.write("/etc/ssh/sshd_config.d/ports.conf", f"Port 22\nPort {PORT}\n")
    host.write("/root/backup-key.pub", public_key)
    host.run("ssh-keygen -A && systemctl restart ssh")
    host.run(f"set -e\ncd /root\n{script('Back up to another host')}")
    # While sshd reads its settings again, it refuses connections.
    wait_until(lambda: not host.run("true", check=False).returncode, 30, "sshd answers again")


@pytest.fixture(scope="module")
def bare(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Backed:
    """A host on which nothing is installed yet, described as one that is backed up."""
    folder = tmp_path_factory.mktemp("ssh")
    other = lab.up("other")
    lab.resolve(NAME, other)
    made = inline("ssh-keygen -t ed25519 -N '' -C backups -f backup-key")
    run(shlex.split(made), cwd=folder)
    _account(other, (folder / "backup-key.pub").read_text(encoding="utf-8"))
    shown = "for one in /etc/ssh/ssh_host_*_key; do ssh-keygen -y -f $one; done"
    keys = other.run(shown).stdout.splitlines()
    assert len(keys) == 3
    host = lab.up("chat", suite="trixie")
    place = {"to": f"sftp://{USER}@{NAME}:{PORT}/backups", "host_keys": keys}
    site = Deployment(lab, host, folder, release, backup=place)
    _opened_by(site, folder / "backup-key")
    return Backed(site, other)


@pytest.fixture(scope="module")
def backed(bare: Backed) -> Backed:
    """The same, deployed."""
    bare.site.deploy()
    return bare


def _opened_by(site: Deployment, key: Path) -> None:
    site.secrets_file.touch(mode=0o600)
    text = f'backup_ssh_key = """\n{key.read_text(encoding="utf-8")}"""\n'
    site.secrets_file.write_text(text, encoding="utf-8")


def test_a_wrong_host_is_told_before_a_bare_host_is_touched(bare: Backed, tmp_path: Path) -> None:
    """By preflight, plan, apply and a deploy; each mistake has its own sentence."""
    site, right = bare.site, dict(bare.site.site["backup"])
    packages = "dpkg-query -W | sha256sum; ls -d /etc/mattermost-host 2>/dev/null"
    before = site.host.run(packages, check=False).stdout
    at = f"[{NAME}]:{PORT}:"

    def told(words: str, **wrong: object) -> None:
        site.site["backup"] = {**right, **wrong}
        site.write()
        said = site.run("mattermost-host", "preflight", str(site.inventory), check=False)
        assert said.status == 1
        assert words in said.words

    login = f"sftp://{USER}@{NAME}"
    told("it cannot be reached from the host", to=f"{login}:{PORT + 1}/backups")
    told("it cannot be reached from the host", to=f"sftp://{USER}@nowhere.test/backups")
    told(f"{at} there is no /elsewhere, and {USER} may not", to=f"{login}:{PORT}/elsewhere")
    told(f"{at} it does not let root in with", to=f"sftp://root@{NAME}:{PORT}/backups")
    keys = [one for one in right["host_keys"] if "ecdsa" not in one]
    told("is of a type that backup.host_keys has none of", host_keys=keys)
    for kind, name in (("ecdsa", "host"), ("ed25519", "opens")):
        run(shlex.split(f"ssh-keygen -q -t {kind} -N '' -f {name}"), cwd=tmp_path)
    other_key = (tmp_path / "host.pub").read_text(encoding="utf-8").strip()
    wrong = f"{at} it shows another host key than backup.host_keys has"
    told(wrong, host_keys=[*keys, other_key])
    for command in ("plan", "apply"):
        more = ["--yes"] if command == "apply" else []
        said = site.run("mattermost-host", command, str(site.inventory), *more, check=False)
        assert said.status == 1
        assert wrong in said.words
    assert wrong in site.deploy(check=False).words
    _opened_by(site, tmp_path / "opens")
    told(f"{at} it does not let {USER} in with backup_ssh_key")
    assert site.host.run(packages, check=False).stdout == before
    assert not bare.other.run(f"find {ROOT} -type f").stdout
    _opened_by(site, site.inventory.with_name("backup-key"))
    site.site["backup"] = right
    site.write()
    said = site.run("mattermost-host", "preflight", "-v", str(site.inventory))
    assert f"{right['to']} opens" in said.words


def _info(site: Deployment) -> dict[str, Any]:
    (stanza,) = json.loads(site.host.run(f"{PGBACKREST} info --output=json").stdout)
    told: dict[str, Any] = stanza
    return told


def test_a_second_run_changes_nothing_and_the_verification_holds(backed: Backed) -> None:
    assert backed.site.deploy().changed == ()
    backed.site.verify("--journey")
    assert _info(backed.site)["status"]["code"] == 0
    assert _info(backed.site)["cipher"] == "aes-256-cbc"
    assert backed.other.run(f"ls {ROOT}/backups/mattermost-host/files/snapshots").stdout


def test_the_key_is_in_two_closed_files(backed: Backed) -> None:
    host = backed.site.host
    found = host.run(
        "sed -n 3p /etc/mattermost-host/backup-ssh.key >/run/line;"
        " grep -rslF -f /run/line /etc /var/log /var/lib /run/log; rm /run/line"
    ).stdout.split()
    assert sorted(found) == ["/etc/mattermost-host/backup-ssh.key", "/etc/pgbackrest/ssh.key"]
    modes = host.run(f"stat -c '%a %U %G' {' '.join(sorted(found))}").stdout.splitlines()
    assert modes == ["600 root root", "640 root postgres"]


def test_a_host_with_another_key_gets_nothing(backed: Backed) -> None:
    """Somebody in between: it is told, and nothing is sent there."""
    site, host = backed.site, backed.site.host
    known = "/etc/mattermost-host/backup-known-hosts"
    name = f"[{NAME}]:{PORT}"
    host.run(
        "for type in ed25519 ecdsa rsa; do ssh-keygen -q -N '' -t $type -f /run/$type; done;"
        f' for file in /run/ed25519 /run/ecdsa /run/rsa; do echo "{name} $(cat $file.pub)"; done'
        f" >{known}"
    )
    assert host.run("systemctl start mattermost-backup", check=False).returncode
    # restic does not always wait for what its ssh has to say.
    asked = "cd / && . /etc/mattermost-host/restic.env && restic snapshots"
    said = "Host key verification failed"
    wait_until(lambda: said in host.run(asked, check=False).stderr, 60, "ssh says why")
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    print(plan.output)
    assert "the repository of backups can't be read" in plan.words
    site.deploy()
    host.run("systemctl start mattermost-backup")
    assert site.deploy().changed == ()


def test_a_host_that_is_away_is_told_and_the_site_goes_on(backed: Backed) -> None:
    """Refused, then silent; waiting changes are given up before the disk is full."""
    site, host = backed.site, backed.site.host
    host.run(f"sed -i 's/^archive-push-queue-max=.*/archive-push-queue-max=32MiB/' {CONFIGURATION}")
    site.lab.cut(host, backed.other)
    write = f"{PSQL} -c 'create table if not exists waste (t text); insert into waste values (1); "
    for _ in range(8):
        host.run(f"{write} ' -c 'select pg_switch_wal()'")
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    print(plan.output)
    assert "can't be read" in plan.words
    verified = site.run("mattermost-host", "verify", str(site.inventory), check=False)
    print(verified.output)
    assert "one that is archived into" in verified.words
    given_up = lambda: int(host.run(READY, check=False).stdout or 0) <= 3  # noqa: E731
    wait_until(given_up, 400, "changes are given up")
    assert "dropped WAL file" in host.run("cat /var/log/postgresql/*.log").stdout
    assert site.status() == 200
    site.lab.heal()
    host.run(f"{PSQL} -c 'drop table waste'")
    site.deploy()
    host.run("systemctl start mattermost-backup")
    assert _info(site)["backup"][-1]["type"] == "full"
    assert site.deploy().changed == ()


def test_a_drill_proves_it(backed: Backed) -> None:
    post_with_file(backed.site, "drilled")
    backed.site.run("mattermost-host", "backup", str(backed.site.inventory))
    said = backed.site.run("mattermost-host", "drill", str(backed.site.inventory))
    print(said.output)
    assert "the backups are proven" in said.words


def test_it_comes_back_on_an_empty_host(backed: Backed) -> None:
    site, lab = backed.site, backed.site.lab
    kept = post_with_file(site, "last")
    site.run("mattermost-host", "backup", str(site.inventory))
    site.host.run(f"{PSQL} -c 'select pg_switch_wal()'")
    ready = lambda: site.host.run(READY, check=False).stdout.strip() == "0"  # noqa: E731
    wait_until(ready, 60, "all is archived")
    lab.crash(site.host)
    spare = lab.up("spare", suite="trixie")
    lab.resolve(site.name, spare)
    site.host = spare
    site.write()
    place = site.site["backup"]["to"]
    refused = restored(site, place, check=False)
    assert "holds a repository already" in refused
    assert "Nothing was changed" in refused
    site.site["backup"] = {**site.site["backup"], "to": f"{place}/second"}
    site.write()
    said = site.run(
        *typed(
            "Back up to another host", site, 1, {"sftp://chat@backup.example.com/backups": place}
        ),
        "--yes",
    )
    print(said.output)
    assert "replaced: nothing" in said.words
    assert "everything holds" in said.words
    read_back(site, kept)
    assert site.deploy().changed == ()
    site.verify()
