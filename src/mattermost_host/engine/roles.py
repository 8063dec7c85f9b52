"""The roles that hosts may have, alone and together, and the mistakes in how they are given."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from mattermost_host.support.errors import Mistake

COMPLETE = ("app", "db", "proxy")
"""A host with these roles is a server of its own."""
ROLES = (*COMPLETE, "etcd")
FEWEST_VOTERS = 3
"""Members of etcd of which one may be lost."""


def role_mistakes(
    empty: Sequence[str], roles: Mapping[str, tuple[str, ...]], external_database: bool
) -> Iterator[Mistake]:
    """Mistakes in the ``roles`` of the hosts; ``empty`` are the lists without a host."""
    for name, held in roles.items():
        if not held:
            lists = ", ".join(ROLES)
            yield Mistake(f'host "{name}"', "no role", f"put it into at least one of: {lists}")
    yield from _twice(roles)
    for role in COMPLETE:
        if role in empty and not (role == "db" and external_database):
            yield Mistake(role, "no host", f'write {role} = ["name-of-a-host"]')
    if _hosts(roles, "etcd"):
        yield from _of_cluster(roles, external_database)
    else:
        yield from _of_complete_hosts(roles)


def _twice(names: Iterable[str]) -> Iterator[Mistake]:
    """Names that ssh takes for one: capitals and the root's dot make no other host."""
    seen: dict[str, str] = {}
    for name in names:
        one = seen.setdefault(name.lower().removesuffix("."), name)
        if one != name:
            yield Mistake(f'host "{name}"', f'the same host as "{one}"', "write its name one way")


def _of_complete_hosts(roles: Mapping[str, tuple[str, ...]]) -> Iterator[Mistake]:
    partly = {name: held for name, held in roles.items() if held and set(COMPLETE) - set(held)}
    if len(roles) > 1 and partly:
        spread = ", ".join(f"{name} ({' and '.join(held)})" for name, held in partly.items())
        yield Mistake(
            "hosts",
            f"roles spread over hosts: {spread}",
            "put each host into app, db and proxy, so that each is a separate server; or name "
            "three hosts in etcd for a database that survives the loss of one",
        )


def _of_cluster(roles: Mapping[str, tuple[str, ...]], external_database: bool) -> Iterator[Mistake]:
    """With etcd the database is on several hosts; the server and its proxy are on one."""
    voters, databases = _hosts(roles, "etcd"), _hosts(roles, "db")
    if len(voters) < FEWEST_VOTERS or len(voters) % 2 == 0:
        yield Mistake(
            "etcd",
            f"{_counted(voters)}: {', '.join(voters)}",
            "write three or five: a majority has to be left when one is lost, and an even number "
            "survives no more losses than one host less",
        )
    if external_database:
        yield Mistake(
            "etcd", "hosts, together with postgres.dsn", "leave one out: etcd is for our database"
        )
    elif len(databases) == 1:
        yield Mistake(
            "db",
            f"one host, {databases[0]}, together with etcd",
            "write two hosts or more, or leave etcd out",
        )
    servers = {name for name, held in roles.items() if {"app", "proxy"} & set(held)}
    if len(servers) > 1:
        yield Mistake(
            "hosts",
            f"app and proxy on {_counted(servers)}: {', '.join(sorted(servers))}",
            "put one and the same host into app and proxy; this version deploys only the database "
            "on several hosts",
        )


def address_mistakes(
    roles: Mapping[str, tuple[str, ...]], addresses: Mapping[str, str | None]
) -> Iterator[Mistake]:
    """Hosts that have to be reached by others and state no address, or the same one."""
    if not _hosts(roles, "etcd"):
        return
    used: dict[str, str] = {}
    for name, address in addresses.items():
        where = f'host "{name}": private_address'
        if address is None:
            yield Mistake(
                where,
                "nothing",
                'write the address by which the site\'s other hosts reach it, such as "10.0.0.5"',
            )
        elif ip_address(address).is_loopback or ip_address(address).is_unspecified:
            yield Mistake(where, address, "write an address that the other hosts can reach")
        elif address in used:
            yield Mistake(where, f"{address}, as for {used[address]}", "write its own address")
        else:
            used[address] = name


def _hosts(roles: Mapping[str, tuple[str, ...]], role: str) -> list[str]:
    return [name for name, held in roles.items() if role in held]


def _counted(hosts: Sequence[str] | set[str]) -> str:
    return "one host" if len(hosts) == 1 else f"{len(hosts)} hosts"
