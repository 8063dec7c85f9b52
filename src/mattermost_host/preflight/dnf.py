"""dnf's repositories and module streams. Without dnf these checks report nothing."""

from collections.abc import Callable, Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.repositories import Repositories
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.host import unreadable
from mattermost_host.support.errors import OperatorError

OF_OTHERS = ("source", "debug", "testing", "next")
"""Words in the names of repositories without the packages we need."""


def _of(facts: HostFacts) -> Repositories | None:
    """The repositories of the host's system; None without dnf, or for an unknown system."""
    try:
        return facts.platform.repositories
    except OperatorError:  # the check `supported-platform` reports it
        return None


def subscription() -> Requirement:
    """Red Hat's repositories are enabled, by a subscription or by a cloud image."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "the repositories of a subscription, or of a cloud's own image"
        repositories = _of(facts)
        if not repositories or not repositories.subscription:
            return
        if _has_no_subscription(facts):
            yield Finding(
                "subscription",
                "error",
                "not registered, and no repository is enabled",
                needed,
                "Register the host ('subscription-manager register'), or enable a mirror of your "
                "own for BaseOS and AppStream.",
            )
        else:
            yield Finding("subscription", "ok", "repositories are enabled", needed)

    return Requirement(
        "subscription", check, "Red Hat Enterprise Linux has a subscription, or a mirror."
    )


def repositories() -> Requirement:
    """BaseOS and AppStream are enabled."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        known, needed = _of(facts), "BaseOS and AppStream, enabled"
        if not known:
            return
        if "repositories" in facts.unread:
            yield unreadable("repositories", "which repositories are enabled", needed)
        elif not _has_no_subscription(facts):
            yield _enabled(facts, known, needed)

    return Requirement("repositories", check, "BaseOS and AppStream are enabled in dnf.")


def _enabled(facts: HostFacts, known: Repositories, needed: str) -> Finding:
    ids = {"BaseOS": known.base, "AppStream": known.streams}
    missing = [name for name in ids if not _has(facts, name)]
    if not missing:
        return Finding("repositories", "ok", "both are enabled", needed)
    if facts.repositories and len(missing) == len(ids):
        return Finding(
            "repositories",
            "warning",
            f"none of that name, but {', '.join(facts.repositories[:5])}",
            needed,
            "See that these are mirrors which have all of BaseOS and AppStream, module streams "
            "included.",
        )
    commands = " and ".join(f"'{known.enable} {ids[name]}'" for name in missing)
    found = f"{' and '.join(missing)}: not enabled"
    return Finding("repositories", "error", found, needed, f"Enable what is missing: {commands}.")


def _has(facts: HostFacts, name: str) -> bool:
    """Whether a repository of that kind is enabled; distributions and clouds add to the names."""
    names = (one.lower() for one in facts.repositories)
    return any(name.lower() in one and not any(word in one for word in OF_OTHERS) for one in names)


def _has_no_subscription(facts: HostFacts) -> bool:
    known = _of(facts)
    return bool(
        known
        and known.subscription
        and not facts.registered
        and not facts.repositories
        and not {"repositories", "registered"} & facts.unread
    )


def epel() -> Requirement:
    """EPEL is enabled, because the distribution has no certbot."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        known, needed = _of(facts), "EPEL, enabled, for certbot"
        if not known:
            return
        if "repositories" in facts.unread:
            yield unreadable("epel", "which repositories are enabled", needed)
        elif _has(facts, "EPEL"):
            yield Finding("epel", "ok", "enabled", needed)
        else:
            way = f"with '{known.epel}'" if known.epel else "as the project's page says"
            yield Finding(
                "epel",
                "error",
                "not enabled",
                needed,
                f"Add it {way}, or leave `tls.client` out: lego, which is taken then, needs no "
                "repository.",
            )

    return Requirement("epel", check, "With certbot by dnf: EPEL is enabled, which has it.")


def module_stream(
    module: str, package: str, wanted: Callable[[HostFacts], str | None]
) -> Requirement:
    """``module`` has no other stream than ``wanted``, and no other version is installed.

    ``package`` is the one whose version shows that. On a host that we manage, the next run sets a
    changed stream back.
    """
    name = f"{module}-stream"

    def check(facts: HostFacts) -> Iterator[Finding]:
        stream = wanted(facts)
        if not _of(facts) or not stream:
            return
        needed = f"stream {stream} of dnf's module {module}"
        if "modules" in facts.unread:
            yield unreadable(name, "which module streams are enabled", needed)
        elif wrong := None if facts.managed else _taken(facts, module, package, stream):
            yield Finding(name, "error", wrong[0], needed, wrong[1])
        else:
            yield Finding(name, "ok", "no other stream or version", needed)

    return Requirement(name, check, f"dnf's module {module} is not set to another stream.")


def _taken(facts: HostFacts, module: str, package: str, stream: str) -> tuple[str, str] | None:
    """What another administrator has chosen, and the remedy."""
    fixed = dict(facts.modules).get(module, stream)
    version = dict(facts.packages).get(package, f"{stream}.")
    remove = f"remove its packages ('dnf remove {package}')"
    if fixed != stream:
        found = f"fixed to stream {fixed}" if fixed else "the module is disabled"
        return found, (
            f"If nothing needs that, {remove} where they are installed and run 'dnf module reset "
            f"{module}'; else deploy to another host."
        )
    if not version.startswith(f"{stream}."):
        return (
            f"{package} {version} is installed",
            f"If nothing needs it, {remove}: the version of the stream is installed then.",
        )
    return None
