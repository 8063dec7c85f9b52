"""What the server's binary needs of a host: its processor architecture and a recent glibc."""

from mattermost_host.knowledge import platforms
from mattermost_host.knowledge.releases import minimum_glibc


def refusal(architecture: str) -> str | None:
    """A sentence if there is no server for this processor."""
    if architecture in ("amd64", "arm64"):
        return None
    return (
        f"The host's architecture is {architecture}, and the server exists for x86-64 (amd64) and "
        "arm64 only. Use such a host."
    )


def warning(architecture: str) -> str | None:
    """A sentence if the server exists for this processor, but with fewer plugins."""
    if architecture != "arm64":
        return None
    return (
        "The releases for arm64 come without the prepackaged plugins (Calls, Playbooks, Boards "
        "and others), and the vendor's requirements name x86-64 only: install the plugins that "
        "you need yourself, and count on the community for support."
    )


def glibc_verdict(glibc: str, release: str) -> str | None:
    """A sentence if the binary of ``release`` would not start with this glibc (``2.36``)."""
    lowest = minimum_glibc(release)
    if tuple(int(part) for part in glibc.split(".")[:2]) >= lowest:
        return None
    return (
        f"The host has glibc {glibc}, and Mattermost {release} needs {lowest[0]}.{lowest[1]} or "
        f"newer: the binary would not start. {platforms.way_out()}, or choose another release."
    )
