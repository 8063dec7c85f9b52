"""Drift on schedule: a control machine with systemd looks after a site on another host."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.control import CHECKOUT, COMMAND, Control
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.shell import wait_until
from tests.lab.watch import LISTENERS, MAILED, METRICS, POSTED, Watch

ENVIRONMENT = "/etc/mattermost-host/mattermost.env"


SYSCTL = "/etc/sysctl.d/60-mattermost-host.conf"


OPENED = "nft add rule inet mattermost_host input tcp dport 5432 accept"


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site that works, and tells of drift."""
    folder = tmp_path_factory.mktemp("schedule")
    mail = {"recipients": ["ops@example.com"]}
    made = Deployment(lab, lab.up("drifting"), folder, release, drift={"mail": mail})
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def watch(lab: Lab, deployment: Deployment) -> Iterator[Watch]:
    """A control machine that is told of the site, with a timer."""
    control = Control(lab.up("control"), deployment)
    host = control.host
    secret = 'drift_webhook = "http://127.0.0.1:8080/hooks/c0ffee"\n'
    control.write("chat.secrets.toml", secret + control.read("chat.secrets.toml"))
    host.write("/srv/listeners.py", LISTENERS)
    host.run(f"mkdir -p {METRICS}; systemd-run --quiet --unit listeners python3 /srv/listeners.py")
    made = Watch(control)
    made.schedule("--heal", "safe")
    yield made


@pytest.fixture(autouse=True)
def _quiet(watch: Watch) -> None:
    """What was told before is not this test's."""
    watch.host.run(f"rm -f {POSTED} {MAILED} /tmp/broken")


def test_the_timer_waits_for_its_hour(watch: Watch) -> None:
    listed = watch.host.run(f"systemctl list-timers --no-legend {watch.unit}.timer").stdout
    assert re.search(r" 03:0\d:\d\d ", listed), listed
    assert watch.host.run(f"systemctl is-enabled {watch.unit}.timer").stdout.strip() == "enabled"


def test_no_drift(watch: Watch) -> None:
    seen = watch.look()
    assert (seen.status, seen.result) == (0, "success"), seen.journal
    assert seen.said(6, "chat: everything matches the inventory"), seen.journal
    assert watch.metrics()['status{site="chat"}'] == "0.0"
    assert watch.history()[-1]["status"] == 0
    assert watch.posts() == []
    folder = "/var/lib/mattermost-host/drift/chat-*"
    modes = watch.host.run(f"stat -c %a:%U {folder} {folder}/history.jsonl").stdout
    assert modes.split() == ["700:root", "600:root"]


def test_safe_healing_restarts_nothing_and_tells_the_rest_once(
    watch: Watch, deployment: Deployment
) -> None:
    host, units = deployment.host, ("mattermost.service", "nginx.service")
    # The server has read what is to go, so it needs another start.
    host.run(f"echo '# hello' >> {ENVIRONMENT}; systemctl restart mattermost")
    before = deployment.started(*units)
    host.run(f"{OPENED}; chmod 777 /var/lib/mattermost/data; echo '# hello' >> {SYSCTL}")
    host.run(f"chmod 644 {ENVIRONMENT}; usermod --shell /bin/bash mattermost")
    seen = watch.look()
    assert (seen.status, seen.result) == (2, "success"), seen.journal
    assert seen.said(5, "repaired: "), seen.journal
    assert seen.said(2, ENVIRONMENT), "a secret that others may read"
    assert host.run("nft list table inet mattermost_host").stdout.count("5432") == 0
    assert "nologin" in host.run("getent passwd mattermost").stdout
    assert "# hello" not in host.read(SYSCTL)
    # It waits for a time when the server may start again.
    assert host.run(f"stat -c %a {ENVIRONMENT}").stdout.strip() == "644"
    assert deployment.started(*units) == before
    (text,) = watch.posts()
    assert "table inet mattermost_host" in text and ENVIRONMENT in text
    assert watch.metrics()['changes{severity="critical",site="chat"}'] != "0.0"
    assert watch.look().status == 2
    assert len(watch.posts()) == 1, "the same drift is told once"


def test_everything_is_put_right_in_the_window(watch: Watch, deployment: Deployment) -> None:
    before = deployment.started("mattermost.service", "nginx.service")
    watch.schedule("--heal", "all", "--window", "00:00-23:59", when="*-*-* 03:00")
    seen = watch.look()
    assert (seen.status, seen.result) == (0, "success"), seen.journal
    after = deployment.started("mattermost.service", "nginx.service")
    assert {unit for unit in before if before[unit] != after[unit]} == {"mattermost.service"}
    assert deployment.host.run(f"stat -c %a {ENVIRONMENT}").stdout.strip() == "640"
    (text,) = watch.posts()
    assert "The drift that was reported before is gone." in text
    assert deployment.deploy().changed == ()
    deployment.verify()
    watch.schedule("--heal", "safe")


def test_mail_when_the_server_is_down(watch: Watch, deployment: Deployment) -> None:
    deployment.host.run("systemctl stop mattermost")
    watch.host.run("touch /tmp/broken")
    seen = watch.look()
    assert seen.status == 2
    assert seen.said(2, "mattermost.service does not run"), seen.journal
    assert seen.said(4, "the webhook answered with status 502"), seen.journal
    mail = watch.host.read(MAILED)
    assert "To: ops@example.com" in mail and "mattermost.service does not run" in mail
    assert "c0ffee" not in mail + str(seen.journal) + str(watch.history())
    deployment.host.run("systemctl start mattermost")
    watch.host.run("rm /tmp/broken")
    assert watch.look().status == 0
    assert "is gone" in watch.posts()[0]


def test_a_host_that_is_off_is_no_host_without_drift(
    watch: Watch, lab: Lab, deployment: Deployment
) -> None:
    lab.cut(watch.host, deployment.host)
    try:
        seen = watch.look()
    finally:
        lab.heal()
    assert (seen.status, seen.result) == (1, "exit-code"), seen.journal
    assert seen.said(3, "chat: the check for drift failed"), seen.journal
    assert watch.metrics()['status{site="chat"}'] == "1.0"
    assert watch.look().status == 0


def test_a_dead_environment_is_built_anew_before_the_run(watch: Watch) -> None:
    """The interpreter that it was made with is gone; the sandbox lets it be built nevertheless."""
    host = watch.host
    host.run(f"ln -sfn /usr/bin/python3.0 {CHECKOUT}/.venv/bin/python3")
    assert host.run(f"{COMMAND} --version", check=False).returncode != 0
    seen = watch.look()
    assert (seen.status, seen.result) == (0, "success"), seen.journal
    assert seen.said(4, "does not work any more"), seen.journal
    assert seen.said(5, "works again, with Python 3.11"), seen.journal
    assert seen.said(6, "everything matches the inventory"), seen.journal


def test_an_environment_that_cannot_be_built_is_told(watch: Watch) -> None:
    host = watch.host
    host.run(f"touch {CHECKOUT}/refuse; mv {CHECKOUT}/.venv/lib/python3.11 /srv/aside")
    seen = watch.look()
    assert seen.result == "exit-code"
    assert seen.said(2, "could not be rebuilt: see above"), seen.journal
    host.run(f"rm {CHECKOUT}/refuse")
    assert watch.look().status == 0


def test_the_run_can_write_nothing_but_its_own(watch: Watch) -> None:
    """The sandbox of the service, asked by a command in the place of ours."""
    folder = f"/run/systemd/system/{watch.unit}.service.d"
    tried = " ".join((f"{CHECKOUT}/src/x", "/etc/x", "/root/x", "/usr/x"))
    script = f'for path in {tried}; do echo > "$path" && echo "wrote $path"; done; true'
    lines = [
        "[Service]",
        "ExecStart=",
        f"ExecStart=/bin/sh -c {shlex.quote(script)}".replace("$", "$$"),
    ]
    watch.host.run(f"mkdir -p {folder}")
    watch.host.write(f"{folder}/asked.conf", "\n".join(lines) + "\n")
    watch.host.run("systemctl daemon-reload")
    seen = watch.look()
    watch.host.run(f"rm -r {folder}; systemctl daemon-reload")
    assert seen.result == "success"
    said = "\n".join(line for _, line in seen.journal)
    assert said.count("Read-only file system") == 4, said
    assert "wrote" not in said


def test_the_timer_starts_it(watch: Watch) -> None:
    """Every three seconds, for once without the delay that keeps many machines apart."""
    folder = f"/etc/systemd/system/{watch.unit}.timer.d"
    watch.host.run(f"mkdir -p {folder}")
    watch.host.write(f"{folder}/soon.conf", "[Timer]\nRandomizedDelaySec=0\nAccuracySec=100ms\n")
    before = len(watch.history())
    watch.schedule(when="*:*:0/3")
    wait_until(lambda: len(watch.history()) > before, 60, "the timer looked for drift")
    watch.host.run(f"rm -r {folder}")
    watch.schedule("--heal", "safe")
    # It has started the next run by now, which whoever starts the service would join.
    watch.wait_for_end()


@pytest.mark.parametrize(
    ("more", "says"), [("", "killed KILL"), ("TimeoutStartSec=1s\n", "timeout")]
)
def test_a_run_that_is_ended_from_outside_is_told(watch: Watch, more: str, says: str) -> None:
    """Killed, as when memory is short, or stuck: systemd itself starts what tells it."""
    host, folder = watch.host, f"/run/systemd/system/{watch.unit}.service.d"
    host.run(f"mkdir -p {folder}; rm -f /var/lib/mattermost-host/drift/chat-*/memory.json")
    sleep = f"[Service]\n{more}ExecStart=\nExecStart=/bin/sleep 600\n"
    host.write(f"{folder}/ended.conf", sleep)
    host.run(f"systemctl daemon-reload; systemctl start --no-block {watch.unit}.service")
    if not more:
        show = f"systemctl show -p MainPID --value {watch.unit}.service"
        main = f"tr '\\0' ' ' </proc/$({show})/cmdline"
        wait_until(lambda: "sleep" in host.run(main, check=False).stdout, 60, "it runs")
        host.run(f"systemctl kill --kill-whom=main --signal=KILL {watch.unit}.service")
    try:
        wait_until(lambda: bool(watch.posts()), 60, "somebody was told")
        (text,) = watch.posts()
        assert "chat: the check for drift failed" in text
        assert f"before it could report: {says}" in text.replace("signal ", "")
        assert watch.history()[-1]["status"] == 1
    finally:
        host.run(f"rm -r {folder}; systemctl daemon-reload; systemctl reset-failed")
    assert watch.look().status == 0


def test_code_that_somebody_else_may_write_is_not_run_by_root(watch: Watch) -> None:
    host, file = watch.host, f"{CHECKOUT}/src/mattermost_host/plan/plan.py"
    host.run(f"chown admin {file}")
    refused = watch.control.run("schedule", "--on-calendar", "daily", check=False)
    assert (refused.status, "plan.py belongs to admin" in refused.words) == (1, True)
    seen = watch.look()
    assert seen.result == "exit-code"
    assert seen.said(2, "Somebody else could change what is run here"), seen.journal
    assert not seen.said(6, "everything matches the inventory"), seen.journal
    host.run(f"chown root {file}")
    assert watch.look().status == 0


def test_history(watch: Watch) -> None:
    shown = watch.control.run("drift", "--history")
    assert "the check for drift failed" in shown.output and "repaired" in shown.output
    history = "/var/lib/mattermost-host/drift/chat-*/history.jsonl"
    watch.host.run(f"sed -i.kept '2s/{{/[/' {history}")
    tampered = watch.control.run("drift", "--history", check=False)
    watch.host.run(f"cd {history.rpartition('/')[0]}; mv history.jsonl.kept history.jsonl")
    assert tampered.status == 1
    assert "cut off or edited: line 2" in tampered.words


def test_remove(watch: Watch) -> None:
    assert "The history stays" in watch.control.run("schedule", "--remove").output
    left = watch.host.run(
        "find /etc/systemd /usr/local/lib/mattermost-host -name '*drift*'", check=False
    )
    assert left.stdout == ""
    loaded = watch.host.run(f"systemctl show -p LoadState --value {watch.unit}.timer").stdout
    assert loaded.strip() == "not-found"
    assert watch.history()
    again = watch.control.run("schedule", "--remove", check=False)
    assert (again.status, "is scheduled by this user" in again.words) == (1, True)


def test_units_of_a_user(watch: Watch) -> None:
    """Somebody without root, with a systemd of their own that is there without a session."""
    host, folder = watch.host, "/home/admin/sites"
    host.run("apt-get -qq update && apt-get -qq install libpam-systemd dbus-user-session")
    host.run(f"cp -r {shlex.quote(watch.control.folder)} {folder}; chown -R admin: {folder}")
    host.run(f"sed -i 's!{watch.control.folder}!{folder}!g' {folder}/chat.py")
    argv = f"cd {CHECKOUT} && {COMMAND} schedule {folder}/chat.py --on-calendar daily 2>&1"
    said = host.run(argv, user="admin").stdout
    assert "loginctl enable-linger admin" in said
    host.run("loginctl enable-linger admin")
    assert "enable-linger" not in host.run(argv, user="admin").stdout
    found = re.search(r"(mattermost-host-drift-chat-\w+)\.timer is installed", said)
    assert found
    host.run(f"rm -f {POSTED}")
    done = host.run(f"systemctl --user start {found[1]}", user="admin", check=False)
    journal = host.run(f"journalctl _SYSTEMD_USER_UNIT={found[1]}.service -o cat").stdout
    assert done.returncode == 0, journal
    assert "chat: everything matches the inventory" in journal
    history = f"/home/admin/.local/state/mattermost-host/drift/{found[1][22:]}/history.jsonl"
    assert host.run(f"stat -c %U:%a {history}").stdout.strip() == "admin:600"
    removed = argv.replace("--on-calendar daily", "--remove")
    assert "is removed" in host.run(removed, user="admin").stdout
