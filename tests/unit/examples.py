"""Examples that tests share: a host's facts, a site's description, and a host that converged."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.engine.batch import Question
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import About, Place
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.knowledge.lego import DIGESTS
from mattermost_host.knowledge.patroni import SHA256
from mattermost_host.ops import (
    account,
    acme,
    administrator,
    backup_made,
    cluster,
    database_accounts,
    database_state,
    etcd_accounts,
    etcd_members,
    firewalld,
    kernel,
    lego_program,
    locale,
    packages,
    patroni_program,
    patroni_state,
    pgbackrest_member,
    pgbackrest_state,
    probe,
    remains,
    ruleset,
    selinux,
    signing_key,
    state_files,
    streams,
    unit_state,
    works,
)
from mattermost_host.ops.entries import (
    Absent,
    Alone,
    Directory,
    Entry,
    File,
    FileStates,
    Link,
    Owned,
    Passable,
    State,
)
from mattermost_host.ops.release_state import Found, ReleaseState
from mattermost_host.site.settings import describe
from tests.unit.fake_host import Answer, Plan

DEBIAN_12 = HostFacts(
    distribution="debian",
    release="12",
    architecture="amd64",
    glibc="2.36",
    cpus=2,
    memory_mb=3900,
    opt_noexec=False,
    addresses=("192.0.2.10",),
    resolved=("192.0.2.10",),
)
ROCKY_9 = replace(
    DEBIAN_12,
    distribution="rocky",
    release="9.4",
    glibc="2.34",
    packages=(("chrony", "4.5-1.el9"), ("firewalld", "1.3.4-1.el9")),
    repositories=("baseos", "appstream", "extras"),
    active_units=("firewalld",),
    selinux="enforcing",
    crypto_policy="DEFAULT",
)
ABOUT = About("https://chat.example.com", "chat.example.com", 50, "medium", "11.7.9")
IN_A_CONTAINER = replace(DEBIAN_12, container=True)
URL = "https://chat.example.com"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
"""The public key of a host."""


@dataclass(frozen=True)
class ExampleSecrets:
    """Secrets of a site, as far as components look at them."""

    database_password: SecretStr | None = None
    backup_key: SecretStr | None = None
    backup_access: Access = field(default_factory=Access)
    settings: Mapping[str, SecretStr] = field(default_factory=dict)
    passwords: Mapping[str, SecretStr] = field(default_factory=dict)
    certificates: Mapping[str, Pair] = field(default_factory=dict)


def place(
    facts: HostFacts = DEBIAN_12, *, name: str = ABOUT.name, pair: Pair | None = None
) -> Place:
    """A place for a component on a host with ``facts``, all roles on it."""
    return Place(
        site=replace(ABOUT, name=name),
        facts=facts,
        roles=("app", "db", "proxy"),
        secrets=ExampleSecrets(certificates={"site": pair} if pair else {}),
    )


@cache
def ssh_key(passphrase: str = "") -> str:
    """A private key as ssh-keygen writes it."""
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock).decode()


@cache
def pair() -> Pair:
    """A certificate for chat.example.com that has just been issued."""
    now = datetime.now(UTC)
    return new_leaf(new_authority("example", now), ["chat.example.com"], now)


def mistakes_of(**site: Any) -> list[str]:
    """The sentences with which a description of these keys is refused; none where it is right."""
    _, mistakes = describe({"url": URL, "users": 50, **site})
    return [str(mistake) for mistake in mistakes]


def state_of(entry: Entry) -> State | None:
    """What stands on a host where ``entry`` is right."""
    match entry:
        case File():
            digest = hashlib.sha256(entry.data).hexdigest()
            mode = entry.mode.lstrip("0")
            return State("regular file", mode, entry.user, entry.group, digest)
        case Directory():
            return State("directory", entry.mode, entry.user, entry.group)
        case Link():
            return State("symbolic link", "777", "root", "root", target=entry.target)
        case Absent() | Alone() | Owned() | Passable():
            return None


def converged(fresh: Plan) -> Answer:
    """The answers of a host on which everything that ``fresh`` would do has been done."""
    # A folder that is said to hold nothing else may be described itself, too.
    states = {
        entry.path: state_of(entry)
        for entry in sorted(fresh.entries, key=lambda entry: not isinstance(entry, Alone))
    }
    answers: dict[type[Question[Any]], Callable[[Any], Any]] = {
        FileStates: lambda asked: {path: states[path] for path in asked.paths if states[path]},
        packages.PackageStates: lambda asked: _packages(asked, fresh),
        streams.ModuleStreams: lambda asked: _streams(asked, fresh),
        locale.HasLocale: lambda _: True,
        kernel.KernelParameters: lambda _: _kernel_parameters(fresh),
        account.Account: lambda asked: _account(asked.user, fresh),
        ReleaseState: lambda _: _release(fresh),
        unit_state.AskUnit: lambda _: unit_state.UnitState(active=True, enabled=True),
        probe.Answering: lambda asked: frozenset(unit for unit, _ in asked.probes),
        ruleset.RulesState: lambda _: True,
        ruleset.TableExists: lambda _: False,
        firewalld.AskPolicies: lambda _: firewalld.Found(first=True),
        firewalld.AskLeftovers: lambda _: (),
        selinux.AskSelinux: lambda _: selinux.Found(enabled=False),
        cluster.AskFolder: lambda _: cluster.Folder("16", filled=True, started=True),
        signing_key.HasKey: lambda _: True,
        database_state.AskDatabase: lambda asked: database_state.DatabaseState(
            "l", asked.name, "UTF8", asked.name
        ),
        state_files.AskMembers: lambda _: state_files.Found(),
        administrator.AskUser: lambda _: administrator.Found(True, "system_user system_admin"),
        pgbackrest_state.AskRepository: lambda _: pgbackrest_state.Repository(
            code=0,
            system="7",
            own="7",
            newest=1_000,
            whole=1_010,
            dumped=1_005,
            now=2_000,
            machine="0a",
            owner="0a chat",
        ),
        pgbackrest_member.AskMember: lambda _: pgbackrest_state.Repository(
            code=0,
            system="7",
            own="7",
            newest=1_000,
            whole=1_000,
            dumped=1_005,
            now=2_000,
            machine="7",
            owner="7 db1",
            whose="site",
        ),
        backup_made.AskFiles: lambda _: backup_made.FilesMade(whole=1_010, now=2_000),
        remains.AskRemains: lambda _: (),
        etcd_members.AskVoters: lambda question: etcd_members.Voters(
            True, dict.fromkeys(question.urls, "a member")
        ),
        etcd_accounts.AskAccess: lambda _: etcd_accounts.Access(True, known=True, granted=True),
        patroni_state.AskCluster: lambda _: patroni_state.ClusterState(
            True, follows=True, leads=True, settings=_shared_settings(fresh)
        ),
        database_accounts.AskAccounts: lambda _: None,
        works.AskWorks: lambda _: True,
        lego_program.AskProgram: lambda _: lego_program.Found(
            DIGESTS["amd64"], there=True, unchanged=True
        ),
        patroni_program.AskProgram: lambda _: patroni_program.Found(
            SHA256, there=True, compiled=True, unchanged=True
        ),
        acme.AskCertificate: lambda _: acme.CertificateState(
            True, True, pair().leaf, _first(r"(https:\S+) gave no certificate", fresh.shell)
        ),
    }
    return lambda question: answers[type(question)](question)


def _packages(asked: packages.PackageStates, fresh: Plan) -> dict[str, str]:
    """Those of a module are of the stream that was enabled."""
    enabled = re.findall(r"module (?:enable|switch-to) (\w+):(\S+)", fresh.shell)
    versions = {
        name: stream for name in asked.packages for of, stream in enabled if name.startswith(of)
    }
    return {name: f"{versions.get(name, 1)}.0-1" for name in asked.packages}


def _streams(asked: streams.ModuleStreams, fresh: Plan) -> dict[str, str | None]:
    """Those that were enabled; what was not is disabled."""
    enabled = dict(re.findall(r"module (?:enable|switch-to) (\w+):(\S+)", fresh.shell))
    return {name: enabled.get(name) for name in asked.modules}


def _release(fresh: Plan) -> Found:
    folder = _first(r"ln -sfn releases/(\S+) ", fresh.shell)
    return Found((folder,), f"releases/{folder}", noted=folder, tarball="ab" * 32)


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, pattern
    return found.group(1)


def _kernel_parameters(fresh: Plan) -> Mapping[str, str]:
    text = fresh.text("/etc/sysctl.d/60-mattermost-host.conf")
    lines = (line.partition(" = ") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines}


def files_that_differ(one: Plan, other: Plan) -> set[str]:
    """Paths of the entries that two plans describe differently."""
    first, second = ({entry.path: entry for entry in plan.entries} for plan in (one, other))
    return {path for path in first | second if first.get(path) != second.get(path)}


def _shared_settings(fresh: Plan) -> Any:
    """What Patroni's file says of the settings that lie in etcd."""
    (text,) = re.findall(r"  dcs: (\{.*\})", fresh.text("/etc/mattermost-host/patroni/patroni.yml"))
    return json.loads(text)


def _account(user: str, fresh: Plan) -> account.Found:
    """Ours as it was made, and those of packages."""
    if user in {"postgres", "www-data", "nginx"}:
        shell = "/bin/bash" if user == "postgres" else account.NO_SHELL
        return account.Found("/home", shell, (user,))
    return account.Found(_first(r"--home-dir (\S+)", fresh.shell), account.NO_SHELL, (user,))
