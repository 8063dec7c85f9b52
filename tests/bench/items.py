"""Everything that a no-change run looks at on a host, as single items, for the rivals.

The items are what our own run asks: the questions of deploys/site.py, taken apart. Nothing is
described a second time, and a question that this module does not know ends the bench.
"""

import io
import runpy
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mattermost_host.components import base, mattermost
from mattermost_host.components.postgres import LOCALE
from mattermost_host.engine import batch
from mattermost_host.engine.batch import Question
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.questions import about, facts_of
from mattermost_host.ops import (
    account,
    administrator,
    kernel,
    locale,
    packages,
    probe,
    remains,
    ruleset,
    state_files,
    unit_state,
    what_was_read,
)
from mattermost_host.ops.database_rights import ONLY_LOGIN, ROLE_ATTRIBUTES
from mattermost_host.ops.database_state import AskDatabase
from mattermost_host.ops.entries import (
    Absent,
    Alone,
    Directory,
    File,
    FileStates,
    Link,
    Owned,
    Passable,
)
from mattermost_host.ops.release_state import CURRENT, RELEASES, ReleaseState
from mattermost_host.site.site import Site
from tests.lab.hosts import LabHost
from tests.unit.fake_host import Plan, plan

DEPLOY = Path("deploys/site.py")
FAKE = "@fake/host"


@dataclass(frozen=True)
class Packages:
    """Packages that are installed; all those of one component."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Parameter:
    """A kernel parameter that is in force."""

    name: str
    value: str


@dataclass(frozen=True)
class Account:
    """A system account with a group of its own."""

    user: str
    home: str
    shell: str


@dataclass(frozen=True)
class UnitUp:
    """A unit that is enabled and active."""

    name: str


@dataclass(frozen=True)
class Fact:
    """Anything that no module of the rivals speaks of: a shell question and its right answer."""

    name: str
    query: str
    right: str
    repair: str


@dataclass(frozen=True)
class Lasting(Fact):
    """A fact that an installation brings about by itself, and that only later drift breaks."""


ADMINISTRATOR = "the administrator exists"
Item = Packages | Parameter | Account | UnitUp | Fact | File | Directory | Link | Absent


def of_site(inventory: Path, host: LabHost) -> list[Item]:
    """The items of the site at ``inventory`` on ``host``, in the order of the deploy, each once."""
    site = Site.use(inventory)
    sent = time.time()
    answers = batch.told(about(site.name), lambda script: _told(host, script))
    facts = facts_of(answers, sent, time.time())
    # The deploy on a host that is nowhere, with the facts of one that is there.
    with redirect_stderr(io.StringIO()):  # the preflight's table
        planned = plan(lambda: runpy.run_path(str(DEPLOY)), facts=facts)
    context = _Context(site, host, facts, planned)
    items = [item for question in planned.questions for item in context.items(question)]
    return list(dict.fromkeys(items))


def _told(host: LabHost, script: str) -> list[str]:
    return host.run("sh -s", stdin=script).stdout.splitlines()


@dataclass(frozen=True)
class _Context:
    """What it takes to turn a question into items."""

    site: Site
    host: LabHost
    facts: HostFacts
    planned: Plan

    def items(self, question: Question[Any]) -> Iterator[Item]:
        """The items that one question looks at. TypeError where nobody knows it."""
        if type(question) not in self.known():
            raise TypeError(f"the bench does not know how rivals ask {question}; teach it")
        yield from self.known()[type(question)](question)

    def known(self) -> Mapping[type[Question[Any]], Callable[[Any], Iterator[Item]]]:
        """Each kind of question, and what makes items of it."""
        return {
            FileStates: self._files,
            packages.PackageStates: lambda asked: iter([Packages(asked.packages)]),
            locale.HasLocale: _locale,
            kernel.KernelParameters: self._parameters,
            ruleset.RulesState: _rules,
            unit_state.AskUnit: _unit,
            AskDatabase: _database,
            account.Account: _account,
            ReleaseState: self._release,
            remains.AskRemains: lambda asked: (Absent(path) for path in asked.paths),
            state_files.AskMembers: _members,
            administrator.AskUser: self._administrator,
            probe.Answering: _answering,
        }

    def _files(self, asked: FileStates) -> Iterator[Item]:
        found = [
            entry
            for entry in self.planned.entries
            if entry.path in asked.paths and not isinstance(entry, Owned | Passable)
        ]
        for entry in sorted(found, key=lambda entry: entry.path):
            yield _alone(entry) if isinstance(entry, Alone) else entry

    def _parameters(self, asked: kernel.KernelParameters) -> Iterator[Item]:
        settable = batch.told((asked,), lambda script: _told(self.host, script))[asked]
        wanted = base.kernel_parameters(self.facts.memory_mb)
        yield from (Parameter(name, wanted[name]) for name in asked.names if name in settable)

    def _release(self, _: ReleaseState) -> Iterator[Item]:
        folder = self.site.release(self.facts).folder
        yield Directory(f"{RELEASES}/{folder}")
        yield Link(CURRENT, f"releases/{folder}")

    def _administrator(self, asked: administrator.AskUser) -> Iterator[Item]:
        yield Fact(
            ADMINISTRATOR,
            f"{{ {asked.script()}\n}} | grep -o system_admin",
            "system_admin",
            "false",
        )


def _alone(entry: Alone) -> Item:
    names = " ".join(f"! -name {shlex.quote(name)}" for name in entry.names)
    strangers = f"find {entry.path} -mindepth 1 -maxdepth 1 {names}"
    what = f"nothing but ours is in {entry.path}"
    return Lasting(what, f"{strangers} 2>/dev/null", "", f"{strangers} -delete")


def _members(_: state_files.AskMembers) -> Iterator[Item]:
    """The folders themselves are items of their own."""
    folders = " ".join(state_files.FOLDERS)
    strangers = f"find {folders} -mindepth 1 -maxdepth 2 ! -user {mattermost.USER}"
    repair = f"{strangers} -exec chown -h {mattermost.USER} {{}} +"
    yield Lasting("what is in the server's folders is its own", strangers, "", repair)


def _locale(asked: locale.HasLocale) -> Iterator[Item]:
    line = shlex.quote(f"{asked.locale} UTF-8")
    repair = f"echo {line} >> /etc/locale.gen; locale-gen"
    yield Fact(f"the locale {asked.locale} is generated", asked.script(), "yes", repair)


def _rules(asked: ruleset.RulesState) -> Iterator[Item]:
    yield UnitUp(asked.unit)
    repair = f"systemctl reload-or-restart {asked.unit}"
    yield Fact("the firewall's rules are in force", asked.script(), "same", repair)


def _unit(asked: unit_state.AskUnit) -> Iterator[Item]:
    """Rivals restart by events; that a process is current is asked as ours asks it."""
    unit = asked.unit
    yield UnitUp(unit)
    show = f"systemctl show -p NeedDaemonReload --value {unit}"
    yield Lasting(f"systemd has read the files of {unit}", show, "no", "systemctl daemon-reload")
    for verb, paths, query in (
        ("restart", asked.restart_on, what_was_read.newer_than_start),
        ("reload", asked.reload_on, what_was_read.newer_than_reload),
    ):
        if paths:
            repair = f"systemctl {verb} {unit}"
            yield Lasting(f"{unit} needs no {verb}", query(unit, paths), "", repair)
    process = f"$(systemctl show -p MainPID --value {unit})"
    deleted = f"readlink /proc/{process}/exe | grep ' (deleted)$'"
    yield Lasting(f"the binary of {unit} is there", deleted, "", f"systemctl restart {unit}")


def _answering(asked: probe.Answering) -> Iterator[Item]:
    for unit, command in asked.probes:
        query = (
            f"timeout {probe.PATIENCE_S} sh -c {shlex.quote(command)} >/dev/null 2>&1 && echo yes"
        )
        yield Lasting(f"{unit} answers", query, "yes", f"systemctl restart {unit}")


def _account(asked: account.Account) -> Iterator[Item]:
    if asked.user == mattermost.USER:
        yield Account(asked.user, state_files.STATE, account.NO_SHELL)
        return
    privileged = "|".join(sorted(account.PRIVILEGED))
    asked_for = f"id -Gn {asked.user} | tr ' ' '\\n' | grep -xE '{privileged}'"
    repair = f"usermod --groups '' {asked.user}"
    yield Lasting(f"{asked.user} is in no group of root's", asked_for, "", repair)


def _database(asked: AskDatabase) -> Iterator[Item]:
    name, psql = asked.name, f"{asked.client.command()} -At"
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    create = (
        f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8' LC_COLLATE '{LOCALE}' "
        f"LC_CTYPE '{LOCALE}' TEMPLATE template0"
    )
    yield Fact(
        f"the role {name} may only log in",
        f"""{psql} -c "select {ROLE_ATTRIBUTES} from pg_roles where rolname='{name}'\"""",
        ONLY_LOGIN,
        f'{psql} -c "CREATE ROLE {name}" || true; {psql} -c "ALTER ROLE {name} {rights}"',
    )
    of_database = f"from pg_database where datname='{name}'"
    yield Fact(
        f"the database {name} belongs to it",
        f'{psql} -c "select pg_get_userbyid(datdba) {of_database}"',
        name,
        f'{psql} -c "{create}" || {psql} -c "ALTER DATABASE {name} OWNER TO {name}"',
    )
    encoding = f'{psql} -c "select pg_encoding_to_char(encoding) {of_database}"'
    yield Lasting(f"the database {name} is in UTF8", encoding, "UTF8", "false")
    owner = "select pg_get_userbyid(nspowner) from pg_namespace where nspname='public'"
    yield Fact(
        "the schema public belongs to it",
        f'{psql} -d {name} -c "{owner}"',
        name,
        f'{psql} -d {name} -c "ALTER SCHEMA public OWNER TO {name}"',
    )
    yield from _database_parameters(asked, psql)


def _database_parameters(asked: AskDatabase, psql: str) -> Iterator[Item]:
    for parameter in asked.parameters:
        # PostgreSQL says of its files' places that nobody set them, whoever did.
        from_file = f"source = 'override' or sourcefile = '{asked.parameters_file}'"
        yield Lasting(
            f"the parameter {parameter} is the file's",
            f"""{psql} -c "select {from_file} from pg_settings where name='{parameter}'\"""",
            "t",
            f'{psql} -c "ALTER SYSTEM RESET {parameter}" -c "select pg_reload_conf()"',
        )
    pending = f'{psql} -c "select count(*) from pg_settings where pending_restart"'
    restart = "systemctl restart postgresql"
    yield Lasting("no parameter waits for a restart", pending, "0", restart)
