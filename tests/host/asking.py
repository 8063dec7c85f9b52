"""Ask a host all questions in one command, over ssh or on this machine."""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as Tested

from mattermost_host.components import (
    backup,
    base,
    etcd,
    firewall,
    haproxy,
    mattermost,
    nginx,
    patroni,
    postgres,
    tls,
)
from mattermost_host.engine import batch
from mattermost_host.engine.batch import Question
from mattermost_host.engine.connections import run_as_root as run_script
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.refusals import RootRefused
from mattermost_host.facts import questions
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import UNASKED
from mattermost_host.knowledge.families import FAMILIES
from mattermost_host.knowledge.surface import SecretFile, Surface
from mattermost_host.ops import (
    backup_drill,
    backup_files,
    backup_members,
    lego,
    patroni_state,
    postgresql_service,
    state_files,
)
from mattermost_host.ops.account import Account, Wanted
from mattermost_host.ops.entries import FileStates, State
from mattermost_host.ops.etcd_accounts import AskAccess
from mattermost_host.ops.etcd_members import AskVoters
from mattermost_host.ops.firewalld import AskLeftovers, AskPolicies
from mattermost_host.ops.kernel import KernelParameters
from mattermost_host.ops.locale import HasLocale
from mattermost_host.ops.probe import Answering
from mattermost_host.ops.release_state import CURRENT, HOME, MANIFESTS, RELEASES, ReleaseState
from mattermost_host.ops.unit_state import AskUnit
from mattermost_host.site import members, members_in_order
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.host import questions as q
from tests.host import questions_release as qr
from tests.host.questions import Process
from tests.host.questions_database import AskCluster

UNITS = q.Units(
    (
        mattermost.UNIT,
        nginx.UNIT,
        firewall.UNIT,
        etcd.UNIT,
        haproxy.UNIT,
        patroni.UNIT,
        *(family.certbot.timer for family in FAMILIES),
        lego.TIMER,
        backup_files.TIMER,
        backup_members.TIMER,
        backup_drill.TIMER,
        *(family.clock.unit for family in FAMILIES),
    )
)
EXPOSURES = q.Exposures()
PROCESSES = q.Processes()
PUBLIC_KEYS = q.PublicKeys(("/etc", "/run/mattermost-host"))
FIREWALL = q.FirewallRules(firewall.TABLE, firewall.RULES, firewall.LISTING, firewall.LOADED)
POLICIES = AskPolicies(firewall.UNIT, firewall.PROGRAM, firewall.LISTING)
LEFTOVERS = AskLeftovers(firewall.UNIT)
LOCALE = HasLocale(base.LOCALE)
PING = q.DirectPing(*mattermost.LISTEN)
BINARY = qr.AskBinary(mattermost.UNIT, CURRENT)
RELEASE = ReleaseState("", by_hash=True)
RELEASE_FILES = qr.AskReleaseFiles(CURRENT)
FIREWALL_FILES = AskUnit(firewall.UNIT, restart_on=(firewall.UNIT_FILE,))
MEMBERS = state_files.of_server(mattermost.USER, whole=True)
SERVER_FILES = AskUnit(mattermost.UNIT, restart_on=mattermost.READ_AT_START)
NGINX_FILES = AskUnit(
    nginx.UNIT,
    restart_on=(nginx.DROP_IN_FOLDER,),
    reload_on=(nginx.MAIN, nginx.SITE, tls.CERTIFICATE, tls.KEY),
)
ACCOUNT = Wanted(mattermost.USER, home=state_files.STATE)
PROXY_ACCOUNTS = tuple(Account(family.nginx.user) for family in FAMILIES)
"""Of which family the host is, its facts tell in the same answer."""
REPOSITORY = backup.QUESTION
ACCESS = AskAccess(etcd.ACCESS)
DATABASE_ACCOUNT = Wanted(postgresql_service.USER, "/bin/bash")
CERTIFICATE = q.CertificateFile(tls.CERTIFICATE)
CLUSTER = AskCluster(postgres.NAME, postgres.PORT, postgresql_service.OF_UNIT)
FOLDERS = FileStates(
    (
        base.FOLDER,
        state_files.STATE,
        HOME,
        RELEASES,
        MANIFESTS,
        *state_files.FOLDERS,
    )
)


class Seen:
    """A host of a site and its answers; it is asked once, when they are first needed."""

    def __init__(self, site: Site, host: SiteHost) -> None:
        self.site = site
        self.host = host
        self._sent = self._received = 0.0
        self._refused: OperatorError | None = None

    @property
    def settings(self) -> Any:
        """What the inventory says."""
        return self.site.settings

    @cached_property
    def answers(self) -> Mapping[Question[Any], Any]:
        """Question -> answer. Raises OperatorError if the host can't be asked."""
        if self._refused:
            # Don't try again: repeated log-ins with a wrong password may lock the account.
            raise self._refused
        asked = (*self._facts, *self._common, *self._by_role)
        self._sent = time.time()
        try:
            answers = batch.told(asked, lambda script: run_as_root(self.host, script).splitlines())
        except OperatorError as error:
            self._refused = error
            raise
        self._received = time.time()
        if missing := [one for one in asked if one not in (*answers, *self._facts)]:
            raise OperatorError(f"{self.host.name} {batch.unanswered(missing, answers)}")
        return answers

    @property
    def told(self) -> bool:
        """Whether the host answered, and can be asked for what it answered."""
        return "answers" in vars(self)

    @property
    def _facts(self) -> tuple[Question[Any], ...]:
        return questions.about(self.settings.name)

    @property
    def _common(self) -> tuple[Question[Any], ...]:
        return (
            UNITS,
            EXPOSURES,
            PROCESSES,
            PUBLIC_KEYS,
            FIREWALL,
            POLICIES,
            LEFTOVERS,
            FIREWALL_FILES,
            LOCALE,
            self._kernel_question,
            self._secret_files_question,
            self.probes,
        )

    @property
    def _by_role(self) -> tuple[Question[Any], ...]:
        asked: dict[str, tuple[Question[Any], ...]] = {
            "etcd": (ACCESS, self.voters) if "etcd" in self.host.roles else (),
            "db": (Account(DATABASE_ACCOUNT.user), *self._of_database, *self._of_backups),
            "app": (*self._of_server, *self._of_cluster),
            "proxy": (*PROXY_ACCOUNTS, NGINX_FILES, CERTIFICATE, RELEASE_FILES),
        }
        return tuple(question for role in self.host.roles for question in asked[role])

    @property
    def _of_database(self) -> tuple[Question[Any], ...]:
        return (self.members,) if self.site.clustered else (CLUSTER,)

    @property
    def _of_server(self) -> tuple[Question[Any], ...]:
        account = Account(ACCOUNT.user)
        return (account, PING, BINARY, RELEASE, SERVER_FILES, FOLDERS, MEMBERS)

    @property
    def _of_cluster(self) -> tuple[Question[Any], ...]:
        files = () if self.settings.backup.to is None else (backup_members.FILES,)
        return (haproxy.ASK_LEADER, *files) if self.site.clustered else ()

    @property
    def members(self) -> patroni_state.AskCluster:
        """The question to this host's Patroni."""
        return members_in_order.question(self.site, self.host.name)

    @property
    def voters(self) -> AskVoters:
        """The question who the members of etcd are."""
        return members.voters(self.site, self.host.name)

    @property
    def _of_backups(self) -> tuple[Question[Any], ...]:
        repository = backup_members.REPOSITORY if self.site.clustered else REPOSITORY
        return () if self.settings.backup.to is None else (repository,)

    @property
    def _kernel_question(self) -> KernelParameters:
        return KernelParameters(tuple(base.kernel_parameters(0)))

    @property
    def _secret_files_question(self) -> FileStates:
        return FileStates(tuple(file.path for file in self.declared_secret_files))

    @property
    def probes(self) -> Answering:
        """The probes of this host's units; PostgreSQL's first finds out its version."""
        surfaces = self.site.surfaces(self.host.name, UNASKED)
        units = [unit for surface in surfaces.values() for unit in surface.units]
        return Answering(tuple((unit.name, unit.probe) for unit in units if unit.probe))

    @property
    def answering(self) -> frozenset[str]:
        """The units that answer."""
        answered = cast(frozenset[str], self.answers[self.probes])
        if (cluster := self.answers.get(CLUSTER)) and cluster.answered:
            return answered | {postgres.unit(self.settings.postgres, self.facts)}
        return answered

    @property
    def declared_secret_files(self) -> tuple[SecretFile, ...]:
        """The secret files that the components declare on this host."""
        surfaces = self.site.surfaces(self.host.name, UNASKED)
        return tuple(file for surface in surfaces.values() for file in surface.secret_files)

    @cached_property
    def facts(self) -> HostFacts:
        """The facts of the host."""
        return questions.facts_of(self.answers, self._sent, self._received)

    @property
    def kernel(self) -> Mapping[str, str]:
        """The current kernel parameters, of those that can be set here."""
        return cast(Mapping[str, str], self.answers[self._kernel_question])

    @property
    def secret_files(self) -> Mapping[str, State]:
        """The state of the secret files' paths."""
        return cast(Mapping[str, State], self.answers[self._secret_files_question])

    @cached_property
    def surfaces(self) -> Mapping[str, Surface]:
        """The surface of each component on this host."""
        return self.site.surfaces(self.host.name, self.facts)

    @property
    def processes(self) -> Mapping[int, Process]:
        """All processes, by pid."""
        return cast(Mapping[int, Process], self.answers[PROCESSES])

    def main_process(self, unit: str) -> Process | None:
        """The main process of a running unit."""
        status = self.answers[UNITS].get(unit)
        return self.processes.get(status.main_pid) if status else None

    @property
    def most_files(self) -> int:
        """The most files that a service may open: a container's PID 1 limits all services."""
        return self.processes[1].most_files if self.facts.container else 2**63

    @property
    def address(self) -> str:
        """The address at which the control machine reaches the host."""
        return self.host.address


class Connection(BaseBackend):
    """testinfra's connection to a host, made as for deploys, with every way to log in."""

    NAME = "mattermost-host"

    def __init__(self, host: SiteHost) -> None:
        super().__init__(host.name)
        self._host = host

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        answer = run_script(self._host, self.get_command(command, *args))
        errors = answer.errors.encode()
        return self.result(answer.status, command.encode(), answer.output, errors)


def run_as_root(host: SiteHost, script: str) -> str:
    """The output of ``script``, run as root on the host. Raises OperatorError."""
    result: CommandResult = Tested(Connection(host)).run(script)
    # Bytes, because for text testinfra would first ask the host for its encoding.
    if result.rc != 0:
        raise RootRefused(host.name, result.stderr_bytes.decode(errors="replace"))
    output: bytes = result.stdout_bytes
    return output.decode(errors="replace")
