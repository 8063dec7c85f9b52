"""The plan tells the truth of what runs: units, their files, limits, and whether they answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
        {"runs since before /etc/mattermost-host/mattermost.env changed"},
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
