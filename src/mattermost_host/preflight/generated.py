"""Drop-ins of systemd's generators for units of the site, which come back when removed."""

from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.finding import Finding, Requirement


def changed_units(facts: HostFacts) -> list[str]:
    """A sentence for each drop-in."""
    return [f"{unit} is changed by {path}" for unit, path in facts.generated]


def units_not_generated() -> Requirement:
    """No generator changes units of the site."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "units of the site that no generator changes"
        if found := changed_units(facts):
            yield Finding(
                "generated-drop-ins",
                "warning",
                "; ".join(found),
                needed,
                "A generator makes it anew at each boot and each `systemctl daemon-reload`, so a "
                "run can't remove it for good. Look for the generator in "
                "/etc/systemd/system-generators and /usr/lib/systemd/system-generators, and remove "
                "it or the package that it is from.",
            )
        else:
            yield Finding("generated-drop-ins", "ok", "none", needed)

    return Requirement(
        "generated-drop-ins", check, "No generator of systemd changes units of the site."
    )
