"""The plan tells the truth of what runs: units, their files, limits, and whether they answer."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.ops import unit_files
from mattermost_host.ops.probe import PATIENCE_S
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.truth import (
    FIREWALL,
    MATTERMOST,
    NGINX,
    POSTGRES,
    UNITS,
    heals,
    main_process,
    plan,
    tampering,
)


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = Deployment(lab, lab.up("truth-units"), tmp_path_factory.mktemp("truth-units"), release)
    made.deploy()
    yield made


NICE = "printf '[Service]\\nNice=1\\n' >"
ETC, RUN = "/etc/systemd/system", "/run/systemd/system"
EARLY, TRANSIENT = "/run/systemd/generator.early", "/run/systemd/transient"
VENDOR = "/usr/lib/systemd/system"
TAMPERINGS = {
    "a drop-in beside ours": tampering(
        f"mkdir -p {ETC}/{MATTERMOST}.d; {NICE} {ETC}/{MATTERMOST}.d/x.conf",
        {"mattermost.service.d holds x.conf"},
        MATTERMOST,
    ),
    "a unit file edited without reload": tampering(
        f"{NICE} {ETC}/{NGINX}.d/x.conf", {"nginx.service.d holds x.conf"}
    ),
    "a server that is stopped": tampering(
        f"systemctl stop {MATTERMOST}", {"mattermost.service does not run"}, MATTERMOST
    ),
    "a proxy that is disabled": tampering(f"systemctl disable {NGINX}", {"does not start at boot"}),
    "a proxy that is masked": tampering(
        f"systemctl stop {NGINX}; systemctl mask {NGINX}", {"is masked"}, NGINX
    ),
    "a database that is stopped": tampering(
        f"systemctl stop {POSTGRES}", {f"{POSTGRES} does not run"}, POSTGRES, MATTERMOST
    ),
    "a process that read another file": tampering(
        "cp -p /etc/mattermost-host/mattermost.env /root/aside; "
        "echo MM_LOGSETTINGS_CONSOLELEVEL=ERROR >>/etc/mattermost-host/mattermost.env; "
        f"systemctl restart {MATTERMOST}; "
        "cp -p /root/aside /etc/mattermost-host/mattermost.env",
        {"was started before /etc/mattermost-host/mattermost.env changed"},
        MATTERMOST,
    ),
    "a drop-in below /run": tampering(
        f"mkdir -p {RUN}/{NGINX}.d; {NICE} {RUN}/{NGINX}.d/x.conf",
        {f"nginx.service is overridden by {RUN}/{NGINX}.d/x.conf"},
        NGINX,
    ),
    "a property set until the next boot": tampering(
        f"systemctl set-property --runtime {POSTGRES} MemoryMax=2G",
        {f"{POSTGRES} is overridden by /run/systemd/system.control/{POSTGRES}.d/50-MemoryMax.conf"},
        POSTGRES,
    ),
    "a drop-in for every service": tampering(
        f"mkdir -p {ETC}/service.d; {NICE} {ETC}/service.d/x.conf",
        {f"is overridden by {ETC}/service.d/x.conf"},
        POSTGRES,
        MATTERMOST,
        NGINX,
    ),
    "a drop-in in a folder of generators": tampering(
        f"mkdir -p {EARLY}/{NGINX}.d; {NICE} {EARLY}/{NGINX}.d/x.conf",
        {f"nginx.service is overridden by {EARLY}/{NGINX}.d/x.conf"},
        NGINX,
    ),
    "a transient drop-in": tampering(
        f"mkdir -p {TRANSIENT}/{POSTGRES}.d; {NICE} {TRANSIENT}/{POSTGRES}.d/x.conf; "
        "systemctl daemon-reload",
        {f"{POSTGRES} is overridden by {TRANSIENT}/{POSTGRES}.d/x.conf"},
        POSTGRES,
    ),
    "a drop-in among those of packages": tampering(
        f"mkdir -p {VENDOR}/service.d; {NICE} {VENDOR}/service.d/x.conf",
        {f"{MATTERMOST} is overridden by {VENDOR}/service.d/x.conf"},
        POSTGRES,
        MATTERMOST,
        NGINX,
    ),
    "a drop-in by another name of the unit": tampering(
        f"ln -s {MATTERMOST} {ETC}/chat.service; mkdir -p {ETC}/chat.service.d; "
        f"{NICE} {ETC}/chat.service.d/x.conf; systemctl daemon-reload",
        {f"{MATTERMOST} is overridden by {ETC}/chat.service.d/x.conf"},
        MATTERMOST,
    ),
    "a link to a required unit that is missing": tampering(
        f"mkdir -p {ETC}/{MATTERMOST}.requires; "
        f"ln -s /nowhere/gone.service {ETC}/{MATTERMOST}.requires/; systemctl daemon-reload",
        {f"{ETC}/{MATTERMOST}.requires/gone.service requires a unit that is missing or masked"},
    ),
    "a mask below /run": tampering(
        f"systemctl mask --runtime {NGINX}", {f"is masked by {RUN}/{NGINX}"}
    ),
    "a unit file that shadows the package's": tampering(
        "mkdir -p /usr/local/lib/systemd/system; "
        f"cp /lib/systemd/system/{NGINX} /usr/local/lib/systemd/system/",
        {f"nginx.service is overridden by /usr/local/lib/systemd/system/{NGINX}"},
        NGINX,
    ),
    "a process that may open fewer files": tampering(
        f"prlimit --pid {main_process(MATTERMOST)} --nofile=1024:1024",
        {"may open fewer files than its unit says"},
        MATTERMOST,
    ),
    "a process that may start fewer processes": tampering(
        f"prlimit --pid {main_process(MATTERMOST)} --nproc=100:100",
        {"may start fewer processes than its unit says"},
        MATTERMOST,
    ),
    "a process that may write smaller files": tampering(
        f"prlimit --pid {main_process(MATTERMOST)} --fsize=1000000",
        {"may write smaller files than its unit says"},
        MATTERMOST,
    ),
    "another mode of a folder of drop-ins": tampering(
        f"chmod 700 {ETC}/{NGINX}.d", {"nginx.service.d has mode 700"}
    ),
    "a server that hangs": tampering(
        f"kill -STOP {main_process(MATTERMOST)}",
        {"mattermost.service runs, but does not answer within 3 s"},
        MATTERMOST,
    ),
    "a proxy whose workers hang": tampering(
        f"pkill -STOP -P {main_process(NGINX)}",
        {"nginx.service runs, but does not answer within 3 s"},
        NGINX,
    ),
    "a proxy whose main process was stopped": tampering(
        f"kill -STOP {main_process(NGINX)}",
        {"nginx.service runs, but its process was stopped by a signal"},
        NGINX,
    ),
    "a database that hangs": tampering(
        f"kill -STOP {main_process(POSTGRES)}",
        {f"{POSTGRES} runs, but does not answer within 3 s"},
        POSTGRES,
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_of_what_runs(deployment: Deployment, what: str) -> None:
    heals(deployment, TAMPERINGS[what])


GENERATOR = f"""#!/bin/sh
mkdir -p "$1/{MATTERMOST}.d"
printf '[Service]\\nNice=1\\n' >"$1/{MATTERMOST}.d/made.conf"
"""


def test_what_a_generator_makes_is_told_and_is_no_drift(deployment: Deployment) -> None:
    path = "/etc/systemd/system-generators/other"
    made = f"/run/systemd/generator/{MATTERMOST}.d/made.conf"
    deployment.host.run(f"mkdir -p {path.rpartition('/')[0]}")
    deployment.host.write(path, GENERATOR)
    deployment.host.run(f"chmod 755 {path}; systemctl daemon-reload; test -e {made}")
    inventory = str(deployment.inventory)
    for command in ("plan", "verify"):
        said = deployment.run("mattermost-host", command, inventory, check=False)
        assert f"{MATTERMOST} is changed by" in said.words
        assert said.status == 0, said.output
    deployment.host.run(f"rm {path}; systemctl daemon-reload; test ! -e {made}")
    assert plan(deployment).status == 0


def test_every_folder_of_units_is_known(deployment: Deployment) -> None:
    """By systemd's own list; the last one is another name of the one of packages."""
    known = {*unit_files.FOLDERS, *unit_files.GENERATORS, unit_files.OF_PACKAGES}
    told = set(deployment.host.run("systemctl show -p UnitPath --value").stdout.split())
    assert told - known <= {"/lib/systemd/system"}


@pytest.mark.parametrize("unit", [MATTERMOST, POSTGRES])
def test_a_service_that_hangs_costs_a_plan_one_patience(deployment: Deployment, unit: str) -> None:
    begun = time.monotonic()
    assert plan(deployment).status == 0
    usual = time.monotonic() - begun
    deployment.host.run(f"kill -STOP {main_process(unit)}")
    begun = time.monotonic()
    told = plan(deployment)
    took = time.monotonic() - begun
    deployment.host.run(f"kill -CONT {main_process(unit)}")
    assert f"{unit} runs, but does not answer" in told.found
    # Whatever else is at work on this machine, two waits one after the other are 6 s.
    assert took < usual + PATIENCE_S + 2, f"{took:.1f} s instead of {usual:.1f}"


def test_nothing_starts_without_the_firewall(deployment: Deployment) -> None:
    """Rules that the kernel does not take, and a reboot: the host is there, and the site is not."""
    before = deployment.host.run("cat /etc/mattermost-host/firewall.nft").stdout
    deployment.host.run("echo 'table inet x { nonsense }' >> /etc/mattermost-host/firewall.nft")
    deployment.host.reboot()
    shown = deployment.host.run(
        f"systemctl is-active {FIREWALL} {' '.join(UNITS)}", check=False
    ).stdout.split()
    assert shown == ["failed", *("inactive" for _ in UNITS)]
    assert plan(deployment).status == 2
    deployment.deploy()
    assert deployment.host.run("cat /etc/mattermost-host/firewall.nft").stdout == before
    deployment.wait_healthy()
    assert plan(deployment).status == 0


def test_the_firewall_is_up_before_the_network_and_what_it_protects(
    deployment: Deployment,
) -> None:
    deployment.host.reboot()
    deployment.wait_healthy()
    shown = deployment.host.run(
        "for unit in network-pre.target " + " ".join((FIREWALL, *UNITS)) + "; do "
        "systemctl show -p ActiveEnterTimestampMonotonic --value $unit; done"
    ).stdout.split()
    network, firewall, *protected = map(int, shown)
    assert 0 < firewall <= (network or firewall)
    assert all(firewall < one for one in protected)
    assert plan(deployment).status == 0
