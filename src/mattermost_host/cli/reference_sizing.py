"""docs/sizing.md: the sizes that ``size`` gives, for round numbers of users."""

from collections.abc import Iterator

from mattermost_host.knowledge.architecture import design
from mattermost_host.knowledge.sizing import LARGEST_TEAM
from mattermost_host.knowledge.tiers import DIAGRAMS, TIERS, Hosts, tier

INTRODUCTION = (
    "`mattermost-host size --users N` says what a site needs; `--concurrent` are those who are",
    "there at the same time, `--usage` what they share, `--months` for how long there has to be",
    "room. `--pictures FOLDER` draws the hosts and the storage over time, `--json` is for",
    "programs, and `--write FILE` makes an inventory for one host.",
    "",
    "The sizes are the vendor's: the software and hardware requirements for one host, the",
    "scaling pages for many. They were measured for users at the same time, with 100 million",
    "posts. Between two published sizes lies a straight line, rounded up; more users never need",
    "less of anything, so 80,000 users have as many hosts as 50,000, where the vendor has",
    "fewer, but larger ones. A site that survives the loss of a host has one more in each role",
    "than the table below, and three of etcd. Disks: users x MB a month x months x 2, and 800",
    "MB, as in the requirements' example; for the database what low usage (text and links)",
    "takes of that. The database can be deployed on several hosts, the server and its proxy on",
    "one so far ([high-availability.md](high-availability.md)).",
)


def sizing_page(generated: str) -> str:
    """The page, with ``generated`` as its first remark."""
    lines = ["# Sizing", "", generated, "", *INTRODUCTION, "", "## One host", "", *_one_host()]
    return "\n".join([*lines, "", "## Many hosts", "", *_many_hosts(), ""])


def _one_host() -> Iterator[str]:
    yield "| Accounts | vCPU | Memory | |"
    yield "|---:|---:|---:|---|"
    for users in (1_000, LARGEST_TEAM, *DIAGRAMS[:2], 15_000):
        made = design(users)
        memory = f"{round(made.one_host.memory_mb * 2**20 / 1e9)} GB"
        yield f"| {users:,} | {made.one_host.cpus} | {memory} | {made.one_host_source} |"


def _many_hosts() -> Iterator[str]:
    yield "| Users at the same time | app | db | search | proxy | cache | |"
    yield "|---:|---|---|---|---|---|---|"
    for users in sorted({*DIAGRAMS, *(row.users for row in TIERS)}):
        found = tier(users)
        layers = (found.app, found.database, found.search, found.proxy, found.cache)
        cells = " | ".join(map(_hosts, layers))
        yield f"| {users:,} | {cells} | {'published' if found.published else 'interpolated'} |"
    yield ""
    yield "Hosts x vCPU / GB of memory, without the spare ones."


def _hosts(hosts: Hosts | None) -> str:
    return f"{hosts.count} x {hosts.cpus} / {hosts.memory_gb}" if hosts else ""
