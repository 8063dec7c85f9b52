"""What node_exporter's textfile collector reads: one file a site, replaced in one step."""

import os
from collections import Counter
from pathlib import Path

from mattermost_host.drift.outcome import Outcome
from mattermost_host.plan.plan import ORDER
from mattermost_host.support.atomic_file import replace

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

    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, value: float) -> None:
        made = Gauge(f"mattermost_host_drift_{name}", meaning, ["site"], registry=registry)
        made.labels(outcome.site).set(value)

    if not outcome.reason:
        counts = Counter(one.severity for one in outcome.drift)
        changes = Gauge(
            "mattermost_host_drift_changes",
            "Things that are not as described, by severity.",
            ["site", "severity"],
            registry=registry,
        )
        for severity in ORDER:
            changes.labels(outcome.site, severity).set(counts[severity])
    gauge("status", "0 no drift, 2 drift, 1 the check failed.", outcome.status)
    gauge("healed", "Things that the last run put right.", len(outcome.healed))
    began = outcome.began.timestamp()
    gauge("last_run_timestamp_seconds", "When the last run began, in Unix time.", began)
    gauge("last_run_duration_seconds", "How long the last run took.", outcome.seconds)
    return generate_latest(registry).decode()
