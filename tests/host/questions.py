"""The verification's questions to a host, besides its facts: read-only, in one round trip."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from mattermost_host.engine.batch import Question
from mattermost_host.ops.probe import PATIENCE_S

DYNAMIC = {str(number) for number in range(61_184, 65_520)}
"""Numbers that systemd gives to accounts of units with DynamicUser=; only the unit names them."""


@dataclass(frozen=True)
class UnitStatus:
    """The state of a unit."""

    load: str = "not-found"
    active: str = "inactive"
    enabled: str = ""
    user: str = "root"
    """The unit file's user; the process may have changed to another one."""
    main_pid: int = 0
    needs_daemon_reload: bool = False


@dataclass(frozen=True)
class Units(Question[dict[str, UnitStatus]]):
    """All loaded services and timers by name, plus ours and PostgreSQL's even if not loaded."""

    about = "all units of systemd"

    ours: tuple[str, ...]
    """A stopped unit is not loaded any more; systemd looks for its file if it is named."""

    def script(self) -> str:
        return (
            "clusters=$(ls -d /etc/postgresql/*/* |"
            " sed -E 's,.*/([^/]+)/([^/]+)$,postgresql@\\1-\\2.service,'"
            "; ls -d /var/lib/pgsql/data /var/lib/pgsql/*/data | sed -E"
            " 's,.*/pgsql/data$,postgresql.service,; s,.*/([^/]+)/data$,postgresql-\\1.service,')\n"
            "systemctl show -p Id,LoadState,ActiveState,UnitFileState,User,MainPID,NeedDaemonReload"
            f" '*.service' '*.timer' {' '.join(self.ours)} $clusters"
        )

    def parse(self, lines: list[str]) -> dict[str, UnitStatus]:
        units: dict[str, UnitStatus] = {}
        values: dict[str, str] = {}
        for line in [*lines, ""]:
            key, separator, value = line.partition("=")
            if separator:
                values[key] = value
            elif values:
                units[values["Id"]] = UnitStatus(
                    load=values["LoadState"],
                    active=values["ActiveState"],
                    enabled=values["UnitFileState"],
                    user=values.get("User") or "root",
                    main_pid=int(values.get("MainPID", "0")),
                    needs_daemon_reload=values["NeedDaemonReload"] == "yes",
                )
                values = {}
        return units


@dataclass(frozen=True)
class Exposures(Question[dict[str, float]]):
    """The exposure of each service by ``systemd-analyze security``, from 0 to 10."""

    about = "systemd-analyze security"

    def script(self) -> str:
        return "systemd-analyze security --no-pager"

    def parse(self, lines: list[str]) -> dict[str, float]:
        rows = (line.split() for line in lines)
        return {row[0]: float(row[1]) for row in rows if row and row[0].endswith(".service")}


@dataclass(frozen=True)
class Process:
    """A running process."""

    pid: int
    parent: int
    name: str
    user: str
    open_files: int
    """Its current soft limit of open files."""
    most_files: int
    """Its hard limit."""


@dataclass(frozen=True)
class Processes(Question[dict[int, Process]]):
    """All processes except for the kernel's threads."""

    about = "processes"

    def script(self) -> str:
        return (
            "getent passwd | cut -d: -f1,3 | sed s/^/user:/\n"
            "grep -HE '^(Name|PPid|Uid):' /proc/[0-9]*/status\n"
            "grep -HE '^Max open files' /proc/[0-9]*/limits"
        )

    def parse(self, lines: list[str]) -> dict[int, Process]:
        users: dict[str, str] = {}
        found: dict[int, dict[str, str]] = {}
        for line in lines:
            if line.startswith("user:"):
                _, name, uid = line.split(":")
                users[uid] = name
                continue
            file, _, rest = line.partition(":")
            values = found.setdefault(int(file.split("/")[2]), {})
            if rest.startswith("Max open files"):
                values["files"], values["most"] = rest.split()[3:5]
            else:
                key, _, value = rest.partition(":")
                values[key] = value.strip()
        # A process that ended between the two greps is left out.
        whole = {pid: one for pid, one in found.items() if len(one) == 5}
        return {pid: _process(pid, one, users) for pid, one in whole.items()}


def _process(pid: int, values: Mapping[str, str], users: Mapping[str, str]) -> Process:
    uid = values["Uid"].split()[1]
    return Process(
        pid=pid,
        parent=int(values["PPid"]),
        name=values["Name"],
        user=users.get(uid, uid),
        open_files=_limit(values["files"]),
        most_files=_limit(values["most"]),
    )


def _limit(value: str) -> int:
    return int(value) if value.isdigit() else 2**63


@dataclass(frozen=True)
class PublicKeys(Question[tuple[str, ...]]):
    """Private keys that everybody on the host can read."""

    about = "private keys that everybody may read"

    folders: tuple[str, ...]

    def script(self) -> str:
        folders = " ".join(map(shlex.quote, self.folders))
        return (
            f"find {folders} -xdev -type f -perm -o+r -size -64k"
            " -exec grep -lE -e '-----BEGIN ([A-Z]+ )*PRIVATE KEY' {} +"
        )

    def parse(self, lines: list[str]) -> tuple[str, ...]:
        return tuple(sorted(lines))


@dataclass(frozen=True)
class KernelRules:
    """Our firewall table in the file and in the kernel."""

    file: tuple[str, ...] = ()
    """The file's rules that accept a port or a protocol, without indentation."""
    listed: bool = False
    """Whether the kernel has the table."""
    file_newer: bool = False
    """The file has changed since it was loaded."""
    differences: tuple[str, ...] = ()
    """Lines of ``diff`` between the table as loaded (<) and as it is now (>)."""


@dataclass(frozen=True)
class FirewallRules(Question[KernelRules]):
    """Our table in the file, in the listing from when it was loaded, and in the kernel."""

    about = "the firewall rules"

    table: str
    file: str
    listing: str
    loaded: str

    def script(self) -> str:
        return (
            f"sed -nE 's/^[[:space:]]*(.*(dport|l4proto).*)$/rule=\\1/p' {self.file}\n"
            f"now=$(nft -s list table {self.table}) && echo listed=yes\n"
            f"sha256sum -c --status {self.loaded} || echo newer=yes\n"
            f"[ -e {self.listing} ] || echo 'diff=> no listing from the time of loading'\n"
            f'echo "$now" | diff {self.listing} - | sed -n "s/^[<>]/diff=&/p"'
        )

    def parse(self, lines: list[str]) -> KernelRules:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        return KernelRules(
            file=tuple(values.get("rule", ())),
            listed="listed" in values,
            file_newer="newer" in values,
            differences=tuple(" ".join(line.split()) for line in values.get("diff", ())),
        )


@dataclass(frozen=True)
class Ping:
    """The server's response to a ping with server status."""

    status: int = 0
    """HTTP status; 0 if nothing answered."""
    body: str = ""


@dataclass(frozen=True)
class DirectPing(Question[Ping]):
    """Ask the server on its own host, without the proxy."""

    about = "the server's own answer to a ping"
    waits = True

    address: str
    port: int

    def script(self) -> str:
        url = f"http://{self.address}:{self.port}{PING}"
        return f"curl -sS -m {PATIENCE_S} -w '\\n%{{http_code}}\\n' '{url}'"

    def parse(self, lines: list[str]) -> Ping:
        if not lines:
            return Ping()
        return Ping(int(lines[-1]), "\n".join(lines[:-1]).strip())


PING = "/api/v4/system/ping?get_server_status=true"


@dataclass(frozen=True)
class CertificateFile(Question[str]):
    """The certificate that the proxy should serve, PEM; empty if there is none."""

    about = "the certificate {path}"

    path: str

    def script(self) -> str:
        return f"sed '/-END CERT/q' {self.path}"

    def parse(self, lines: list[str]) -> str:
        return "\n".join(lines)
