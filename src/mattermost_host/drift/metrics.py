"""Metrics for node_exporter's textfile collector: one file for each site, replaced atomically."""

import os
from collections import Counter
from pathlib import Path

from mattermost_host.drift.outcome import Outcome
from mattermost_host.plan.plan import ORDER
from mattermost_host.support.atomic_file import replace

PREFIX = "mattermost_host_drift_"
USUAL = Path("/var/lib/prometheus/node-exporter")
"""The folder that Debian's node_exporter reads."""


def directory(stated: str | None) -> Path | None:
    """The folder for metrics: the stated one, or the usual one if this user can write to it."""
    if stated:
        return Path(stated)
    return USUAL if os.access(USUAL, os.W_OK) else None


def write(folder: Path, key: str, outcome: Outcome) -> None:
    """Replace the site's metrics in ``folder``; ``key`` names the file.

    Raises OperatorError if that can't be written.
    """
    replace(folder / f"mattermost-host-drift-{key}.prom", text(outcome), 0o644)


def text(outcome: Outcome) -> str:
    """The metrics in Prometheus' text format; without counts if the check failed."""
    # Imported here, so that other commands start without it.
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
