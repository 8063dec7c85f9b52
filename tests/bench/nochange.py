"""A run that changes nothing, on one host: ours, pyinfra alone, and the same state by rivals."""

from collections.abc import Callable

from tests.bench import sites
from tests.bench.ansible import Ansible
from tests.bench.measure import Failed, Ran, Taken, in_turns, say
from tests.bench.place import Place, counted
from tests.bench.report import Bar, Figure, Outcome
from tests.bench.stock import Stock
from tests.lab.hosts import LabHost

TAMPERING = (
    "echo '# by hand' >> /etc/tmpfiles.d/mattermost-host.conf",
    "chmod 600 /etc/modules-load.d/mattermost-host.conf",
    "chown root:root /var/lib/mattermost/data",
    "touch /etc/mattermost-host/tls/acme-authorities.pem",
    "apt-get -q -y remove logrotate",
    "systemctl disable -q nginx",
    "sysctl -q -w net.core.somaxconn=1024",
    "usermod --shell /bin/sh mattermost",
    "nft add rule inet mattermost_host input tcp dport 9999 accept",
    "cd / && runuser -u postgres -- psql -q -c 'ALTER ROLE mattermost CREATEDB'",
)
"""One edit of each kind of item, each of which one item of a rival must find and repair."""

OURS = "`pyinfra INVENTORY deploys/site.py`"
PLAN = "`mattermost-host plan`"
EXEC = "`pyinfra INVENTORY exec -- true`"
STOCK = "stock pyinfra, an operation an item"
MITOGEN = "Ansible with mitogen"
ANSIBLE = "Ansible, pipelining"
WORK = "no-change run, 1 host"


def measure(place: Place) -> Outcome:
    """Prove that all describe the same state, then run them in turns."""
    host, inventory = place.deployed, place.inventory
    # Ansible's apt module needs it, and would install it in the middle of its first run.
    host.run("apt-get -q -y install python3-apt")
    stock = Stock(place.folder / "stock", place.items, inventory)
    ansible = Ansible(place.folder / "ansible", place.items, place.lab, [host])
    _same_state(place, STOCK, stock.run)
    _same_state(place, MITOGEN, lambda: ansible.run(mitogen=True))
    _same_state(place, ANSIBLE, ansible.run)
    works: dict[str, tuple[int, Callable[[], Ran]]] = {
        OURS: (place.times, lambda: sites.unchanged(inventory)),
        EXEC: (place.times, lambda: sites.pyinfra(str(inventory), "exec", "--", "true")),
        PLAN: (place.times, lambda: sites.mattermost_host("plan", str(inventory))),
        STOCK: (place.times, stock.unchanged),
        MITOGEN: (place.slow_times, lambda: ansible.unchanged(mitogen=True)),
        ANSIBLE: (place.slow_times, ansible.unchanged),
    }
    counts: dict[str, list[int]] = {name: [] for name in works}
    say("a no-change run, in turns")
    taken = in_turns(
        {name: (times, counted(host, work, counts[name])) for name, (times, work) in works.items()}
    )
    return _outcome(place, taken, counts, host)


def _same_state(place: Place, rival: str, play: Callable[[], tuple[int, Ran]]) -> None:
    """Edit the host by hand; ``rival`` finds each edit and leaves nothing for ours to do."""
    say(f"does {rival} describe the same state?")
    for edit in TAMPERING:
        place.deployed.run(edit)
    found, done = play()
    if found != len(TAMPERING):
        edits = f"{len(TAMPERING)} edits by hand"
        raise Failed(f"{rival} changed {found} items after {edits}:\n{done.output}")
    sites.unchanged(place.inventory)


def _outcome(
    place: Place, taken: dict[str, Taken], counts: dict[str, list[int]], host: LabHost
) -> Outcome:
    seconds = {name: one.seconds for name, one in taken.items()}
    ours = seconds[OURS]
    return Outcome(
        title="A run that changes nothing, 1 host",
        figures=[
            Figure(WORK, ANSIBLE, 50, seconds[ANSIBLE] / ours, at_least=True),
            Figure(WORK, MITOGEN, 10, seconds[MITOGEN] / ours, at_least=True),
            Figure(WORK, STOCK, 8, seconds[STOCK] / ours, at_least=True),
            Figure(WORK, EXEC, 2, ours / seconds[EXEC], at_least=False),
        ],
        bars=[Bar(name, value, name in (OURS, PLAN)) for name, value in seconds.items()],
        notes=[
            f"{len(place.items)} items, taken out of the questions of our own run: files by "
            "content, mode and owner, folders, what must be absent, packages, account, kernel "
            "parameters, firewall rules, role, database and parameters of PostgreSQL, release, "
            "units and whether their processes are current. The preflight is ours alone.",
            f"Each rival had to find and repair {len(TAMPERING)} edits by hand, one of each kind, "
            "after which ours had nothing left to do; in the timed runs all changed nothing.",
            f"Best of {place.times} runs in turns, of the Ansibles {place.slow_times}. Ansible: "
            "pipelining, a kept connection, a stated interpreter, facts gathered, the packages of "
            "a component in one task.",
            f"What bounds it: pyinfra's start, its connection and one command ({EXEC}) take "
            f"{seconds[EXEC]:.2f} s; what the site adds is {ours - seconds[EXEC]:.2f} s. To that "
            f"start alone Ansible is as {seconds[ANSIBLE] / seconds[EXEC]:.0f} to 1, and mitogen "
            f"as {seconds[MITOGEN] / seconds[EXEC]:.0f} to 1: no deploy by pyinfra does better.",
            "Commands sent to the host in one run: "
            + ", ".join(f"{name} {min(numbers)}" for name, numbers in counts.items())
            + ".",
        ],
    )
