"""What node_exporter's textfile collector reads: one file a site, replaced in one step."""

import os
from collections import Counter
from pathlib import Path

from mattermost_host.drift.outcome import Outcome
from mattermost_host.plan.plan import ORDER
from mattermost_host.support.atomic_file import replace

PREFIX = "mattermost_host_drift_"
USUAL = Path("/var/lib/prometheus/node-exporter")
"""Where Debian's package of node_exporter looks."""


def directory(stated: str | None) -> Path | None:
    """Where metrics go: the stated folder, or the usual one where this user may write there."""
    if stated:
        return Path(stated)
    return USUAL if os.access(USUAL, os.W_OK) else None


def write(folder: Path, key: str, outcome: Outcome) -> None:
    """Replace the site's metrics in ``folder``; ``key`` names the file.

    Raises OperatorError where that can't be written.
    """
    replace(folder / f"mattermost-host-drift-{key}.prom", text(outcome), 0o644)


def text(outcome: Outcome) -> str:
    """The metrics in Prometheus' text format. Where the check failed there is no count."""
    # Only drift needs it, so the other commands start without it.
    from prometheus_client import CollectorRegistry, Gauge, generate_latest  # noqa: PLC0415

    registry, site = CollectorRegistry(), outcome.site
    values = {
        "status": (outcome.status, "0 no drift, 2 drift, 1 the check failed."),
        "healed": (len(outcome.healed), "Differences that the last run repaired."),
        "last_run_timestamp_seconds": (outcome.began.timestamp(), "When the last run began."),
        "last_run_duration_seconds": (outcome.seconds, "How long the last run took."),
    }
    for name, (value, meaning) in values.items():
        Gauge(f"{PREFIX}{name}", meaning, ["site"], registry=registry).labels(site).set(value)
    if not outcome.reason:
        meaning = "Differences from the inventory, by severity."
        changes = Gauge(f"{PREFIX}changes", meaning, ["site", "severity"], registry=registry)
        counts = Counter(one.severity for one in outcome.drift)
        for severity in ORDER:
            changes.labels(site, severity).set(counts[severity])
    return generate_latest(registry).decode()
