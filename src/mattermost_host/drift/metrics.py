"""What node_exporter's textfile collector reads: one file a site, replaced in one step."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mattermost_host.drift.outcome import Outcome
from mattermost_host.plan.plan import ORDER
from mattermost_host.support.errors import OperatorError

USUAL = Path("/var/lib/prometheus/node-exporter")
"""Where Debian's package of node_exporter looks."""
PREFIX = "mattermost_host_drift"


def directory(stated: str | None) -> Path | None:
    """Where metrics go: the stated folder, or node_exporter's usual one where it exists."""
    if stated:
        return Path(stated)
    return USUAL if USUAL.is_dir() else None


def write(folder: Path, key: str, outcome: Outcome) -> None:
    """Replace the site's metrics in ``folder``; ``key`` names the file.

    Raises OperatorError where that can't be written.
    """
    path = folder / f"mattermost-host-drift-{key}.prom"
    try:
        # The collector reads *.prom, so nothing that is being written may be called so.
        descriptor, aside = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=".new", dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text(outcome))
                file.flush()
                os.fsync(file.fileno())
            Path(aside).replace(path)
        except OSError:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OperatorError(
            f"{path} can't be written ({error.strerror}); give drift.metrics_directory a folder "
            "that this user may write, and schedule again"
        ) from error


def text(outcome: Outcome) -> str:
    """The metrics in Prometheus' text format. Without an answer there is no count of changes."""
    return "\n".join(_lines(outcome)) + "\n"


def _lines(outcome: Outcome) -> Iterator[str]:
    site = f'site="{_escaped(outcome.site)}"'
    if not outcome.reason:
        yield from _head("changes", "Things that are not as described, by severity.")
        counts = Counter(one.severity for one in outcome.drift)
        for severity in ORDER:
            yield f'{PREFIX}_changes{{{site},severity="{severity}"}} {counts[severity]}'
    yield from _head("status", "0 no drift, 2 drift, 1 it could not be told.")
    yield f"{PREFIX}_status{{{site}}} {outcome.status}"
    yield from _head("healed", "Things that the last run put right.")
    yield f"{PREFIX}_healed{{{site}}} {len(outcome.healed)}"
    yield from _head("last_run_timestamp_seconds", "When the last run began, in Unix time.")
    yield f"{PREFIX}_last_run_timestamp_seconds{{{site}}} {outcome.began.timestamp():.0f}"
    yield from _head("last_run_duration_seconds", "How long the last run took.")
    yield f"{PREFIX}_last_run_duration_seconds{{{site}}} {outcome.seconds:.1f}"


def _head(name: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {meaning}"
    yield f"# TYPE {PREFIX}_{name} gauge"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
