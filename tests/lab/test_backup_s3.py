"""Backups in a bucket of S3: made, told, away for a while, proven, restored on an empty host."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mattermost_host.certificates.authority import new_authority
from mattermost_host.ops.pgbackrest_state import MARK
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.kept import post_with_file, read_back, restored
from tests.lab.runbook import inline, typed
from tests.lab.s3 import NAME, PORT, S3
from tests.lab.shell import wait_until

PGBACKREST = "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost"
PSQL = "cd / && runuser -u postgres -- psql -XAtq -d mattermost"
CONFIGURATION = "/etc/pgbackrest/pgbackrest.conf"
METRICS = "/var/lib/prometheus/node-exporter"
READY = "ls /var/lib/postgresql/*/main/pg_wal/archive_status | grep -c ready$"


@dataclass(frozen=True)
class Backed:
    """A site that is backed up into a bucket."""

    site: Deployment
    s3: S3


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def backed(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory, request: Any
) -> Iterator[Backed]:
    folder = tmp_path_factory.mktemp("s3")
    s3 = S3(lab)
    host = lab.up("chat", suite=request.param)
    place: dict[str, Any] = {**s3.settings(folder), "keep_full": 1}
    site = Deployment(lab, host, folder, release, backup=place)
    site.secrets_file.touch(mode=0o600)
    site.secrets_file.write_text(s3.secrets, encoding="utf-8")
    site.deploy()
    yield Backed(site, s3)
    for one in (*lab.hosts.values(),):
        lab.down(one)


@pytest.fixture
def bare(lab: Lab, release: Path, tmp_path: Path) -> Iterator[Backed]:
    """A host on which nothing is installed, described as one that is backed up."""
    s3 = S3(lab)
    host = lab.up("bare")
    site = Deployment(lab, host, tmp_path, release, backup=s3.settings(tmp_path))
    site.secrets_file.touch(mode=0o600)
    site.secrets_file.write_text(s3.secrets, encoding="utf-8")
    yield Backed(site, s3)
    for one in (host, s3.host):
        lab.down(one)


def test_a_wrong_bucket_is_told_before_a_bare_host_is_touched(bare: Backed) -> None:
    """By preflight, plan, apply and a deploy; each mistake has its own sentence."""
    site, right = bare.site, dict(bare.site.site["backup"])
    packages = "dpkg-query -W | sha256sum; ls -d /etc/mattermost-host 2>/dev/null"
    before = bare.site.host.run(packages, check=False).stdout
    at = f"{NAME}:{PORT}:"

    def told(words: str, *, secrets: str = bare.s3.secrets, **wrong: str) -> None:
        site.site["backup"] = {**right, **wrong}
        site.write()
        site.secrets_file.write_text(secrets, encoding="utf-8")
        said = site.run("mattermost-host", "preflight", str(site.inventory), check=False)
        assert said.status == 1
        assert words in said.words

    told(f"{at} there is no bucket elsewhere", to="s3://elsewhere/chat")
    key, secret = bare.s3.access_key, bare.s3.secret_key
    told(f"{at} the access key is not known", secrets=bare.s3.secrets.replace(f'"{key}"', '"no"'))
    told(f"{at} the bucket backups is in another region (us-east-1)", region="eu-1")
    told("s3.test:22: it does not speak TLS", endpoint=f"https://{NAME}:22")
    told(f"{NAME}:9001: it cannot be reached from the host", endpoint=f"https://{NAME}:9001")
    other = site.inventory.with_name("other.pem")
    other.write_text(new_authority("other", datetime.now(UTC)).certificate, encoding="utf-8")
    told(f"{at} its certificate is not trusted (unable to get local", ca_certificate=str(other))
    wrong = f"{at} the secret key is not that of the access key"
    told(wrong, secrets=bare.s3.secrets.replace(secret, "wrong"))
    for command in ("plan", "apply"):
        more = ["--yes"] if command == "apply" else []
        said = site.run("mattermost-host", command, str(site.inventory), *more, check=False)
        assert said.status == 1
        assert wrong in said.words
        assert "Correct backup_s3_secret_key in" in said.words
    assert wrong in site.deploy(check=False).words
    assert not bare.s3.host.run("find /srv/s3/backups -type f").stdout
    assert site.host.run(packages, check=False).stdout == before
    site.site["backup"] = right
    site.write()
    site.secrets_file.write_text(bare.s3.secrets, encoding="utf-8")
    forbid = "echo AllowTcpForwarding no >/etc/ssh/sshd_config.d/forwarding.conf"
    for prepared in ("true", f"{forbid} && systemctl reload ssh"):
        site.host.run(prepared)
        wait_until(lambda: not site.host.run("true", check=False).returncode, 30, "sshd answers")
        said = site.run("mattermost-host", "preflight", "-v", str(site.inventory))
        assert "s3://backups/chat opens" in said.words
        assert "the repository of backups is not begun" in said.words


def _info(site: Deployment) -> dict[str, Any]:
    (stanza,) = json.loads(site.host.run(f"{PGBACKREST} info --output=json").stdout)
    told: dict[str, Any] = stanza
    return told


def _archived(site: Deployment) -> None:
    site.host.run(f"{PSQL} -c 'select pg_switch_wal()'")
    ready = lambda: site.host.run(READY, check=False).stdout.strip() == "0"  # noqa: E731
    wait_until(ready, 60, "all is archived")


def test_a_second_run_changes_nothing_and_the_verification_holds(backed: Backed) -> None:
    assert backed.site.deploy().changed == ()
    backed.site.verify("--journey")
    assert _info(backed.site)["status"]["code"] == 0
    assert _info(backed.site)["cipher"] == "aes-256-cbc"
    assert "backup.info" in backed.s3.host.run("find /srv/s3 -name backup.info").stdout
    assert backed.s3.host.run("ls /srv/s3/backups/chat/mattermost-host/files/snapshots").stdout


def test_no_secret_is_in_another_file_a_journal_or_a_command(backed: Backed) -> None:
    host, secrets = backed.site.host, backed.site.secrets
    for name in ("backup_key", "backup_s3_secret_key"):
        host.write("/run/secret", secrets[name])
        found = host.run("grep -rslF -f /run/secret /etc /var/log /var/lib /srv /run/log; true")
        assert set(found.stdout.split()) <= {
            CONFIGURATION,
            "/etc/mattermost-host/backup.key",
            "/etc/mattermost-host/restic.env",
        }
        assert secrets[name] not in host.run("journalctl -o cat --no-pager").stdout
    host.run("rm /run/secret")
    other = host.run("runuser -u mattermost -- cat /etc/mattermost-host/restic.env", check=False)
    assert other.returncode


def test_another_hosts_repository_is_refused_and_a_failure_told(backed: Backed) -> None:
    """By backups, restores, plans and deploys; at once in the journal and in the metrics."""
    site, host = backed.site, backed.site.host
    host.run(f"mkdir -p {METRICS} && chown nobody: {METRICS}")
    host.run(f"echo '0b other' | ({PGBACKREST} repo-put --raw {MARK})")
    assert host.run("systemctl start mattermost-backup", check=False).returncode
    told = "journalctl -p 2 -o cat --no-pager -t echo"
    said = "mattermost-backup-database.service failed"
    wait_until(lambda: said in host.run(told, check=False).stdout, 20, "the failure is told")
    assert _metrics(site)["failed", "mattermost-backup-database.service"] == 1
    verified = site.run("mattermost-host", "verify", str(site.inventory), check=False)
    for words in ("belongs to another host (other)", "failed (mattermost-backup-database.service)"):
        assert words in verified.words
    for command in ("preflight", "plan"):
        shown = site.run("mattermost-host", command, str(site.inventory), check=False)
        assert "the repository of backups belongs to another host (other)" in shown.words
        assert "Two hosts in one would make both unusable" in shown.words
        assert "repo-rm mattermost-host-owner" in shown.words
    assert "belongs to another host (other)" in site.deploy(check=False).words
    refused = site.run("mattermost-host", "restore", str(site.inventory), "--yes", check=False)
    assert "the repository belongs to another host (other)" in refused.words
    assert "Nothing was changed" in refused.words
    host.run(
        inline(
            "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost"
            " repo-rm mattermost-host-owner"
        )
    )
    assert site.deploy().changed
    assert site.deploy().changed == ()
    host.run("systemctl start mattermost-host-backup-metrics")
    metrics = _metrics(site)
    assert metrics["failed", "mattermost-backup-database.service"] == 0
    assert metrics["finished_timestamp_seconds", "backup"] > 1_700_000_000
    assert metrics["size_bytes", "files"] > 0
    assert metrics["size_bytes", "database"] > 100_000
    assert metrics["wal_segments_waiting", ""] < 12
    mode = host.run(f"stat -c '%a %U' {METRICS}/mattermost-host-backup.prom").stdout
    assert mode.split() == ["644", "nobody"]


def _metrics(site: Deployment) -> dict[tuple[str, str], float]:
    text = site.host.read(f"{METRICS}/mattermost-host-backup.prom")
    return {
        (
            family.name.removeprefix("mattermost_host_backup_"),
            "".join(one.labels.values()),
        ): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_a_service_that_is_away_is_told_and_the_site_goes_on(backed: Backed) -> None:
    """Refused, then silent; waiting changes are given up before the disk is full."""
    site, host = backed.site, backed.site.host
    host.run(f"sed -i 's/^archive-push-queue-max=.*/archive-push-queue-max=32MiB/' {CONFIGURATION}")
    backed.s3.stop()
    write = f"{PSQL} -c 'create table if not exists waste (t text); insert into waste values (1); "
    for _ in range(8):
        host.run(f"{write} ' -c 'select pg_switch_wal()'")
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    print(plan.output)
    assert "can't be read" in plan.words
    assert site.status() == 200
    site.lab.cut(host, backed.s3.host)
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
    backed.s3.start()
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


def test_it_comes_back_on_the_same_host(backed: Backed) -> None:
    site = backed.site
    kept = post_with_file(site)
    site.run("mattermost-host", "backup", str(site.inventory))
    when = site.host.run("sleep 2; date -u '+%Y-%m-%d %H:%M:%S UTC'; sleep 2").stdout.strip()
    site.host.run(
        f"{PSQL} -c \"delete from posts where id = '{kept.post}'\";"
        " find /var/lib/mattermost/data -name kept.bin -delete"
    )
    said = site.run(*typed("Restore", site, words={"$WHEN": when}), "--yes")
    print(said.output)
    assert "everything holds" in said.words
    read_back(site, kept)
    assert site.deploy().changed == ()
    # The backups of the line that was left are kept as long as the old state is.
    assert _full(site) >= 2
    _back_up(site)
    assert _full(site) >= 2
    site.host.run("rm -r /var/lib/postgresql/*/main.before-restore-*")
    _back_up(site)
    assert _full(site) == 1


def _full(site: Deployment) -> int:
    return [one["type"] for one in _info(site)["backup"]].count("full")


def _back_up(site: Deployment) -> None:
    site.host.run("systemctl start mattermost-backup")


def test_it_comes_back_on_an_empty_host(backed: Backed) -> None:
    site, lab = backed.site, backed.site.lab
    kept = post_with_file(site, "last")
    site.run("mattermost-host", "backup", str(site.inventory))
    _archived(site)
    lost, suite = site.host, site.host.suite
    lab.crash(lost)
    spare = lab.up("spare", suite=suite)
    lab.resolve(site.name, spare)
    lab.resolve("s3.test", backed.s3.host)
    site.host = spare
    site.write()
    place = site.site["backup"]["to"]
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    assert "the repository of backups belongs to another host (chat)" in plan.words
    assert "run `mattermost-host restore --from` with this one" in plan.words
    assert spare.run("ls /etc/mattermost-host", check=False).returncode, "nothing was touched"
    refused = restored(site, place, check=False)
    assert "holds a repository already" in refused
    assert "Nothing was changed" in refused
    site.site["backup"] = {**site.site["backup"], "to": f"{place}-2"}
    site.write()
    refused = restored(site, "s3://backups/nothing", check=False)
    assert "holds no repository" in refused
    said = site.run(*typed("Back up to S3", site), "--yes")
    print(said.output)
    assert "replaced: nothing" in said.words
    assert "everything holds" in said.words
    read_back(site, kept)
    assert site.deploy().changed == ()
    site.verify()
