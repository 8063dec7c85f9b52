"""`make bench`: what the goals of speed say, measured side by side on lab hosts of its own.

python -m tests.bench.bench [PART …] [--times 5] [--slow-times 2]

A run of all parts writes docs/benchmarks.md and docs/benchmarks.svg; a run of some only prints.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench import checks, first, lookalike, many, nochange, page, plot, push, report
from tests.bench.measure import Failed, say
from tests.bench.place import Place
from tests.bench.report import Outcome
from tests.lab import needs
from tests.lab.hosts import Lab
from tests.lab.shell import CommandFailed

PARTS: Mapping[str, Callable[[Place], Outcome]] = {
    "nochange": nochange.measure,
    "checks": checks.measure,
    "lookalike": lookalike.measure,
    "many": many.measure,
    "first": first.measure,
    "push": push.measure,
    "page": page.measure,
}


def main() -> int:
    """Measure, print the table, and write the documents after a whole run."""
    asked = _arguments()
    if reason := needs.missing():
        sys.exit(f"bench: {reason}.")
    start = time.monotonic()
    outcomes = []
    try:
        with Lab(name="bench") as lab:
            place = Place(lab, times=asked.times, slow_times=asked.slow_times)
            for name in asked.parts or PARTS:
                say(f"part {name}, {time.monotonic() - start:.0f} s after the start")
                outcomes.append(PARTS[name](place))
    except (Failed, CommandFailed) as error:
        sys.exit(f"bench: {error}")
    minutes = (time.monotonic() - start) / 60
    page = report.document(outcomes, minutes)
    if asked.parts:
        print(page)
    else:
        Path(report.DOCUMENT).write_text(page, encoding="utf-8")
        Path(report.PLOT).write_text(
            plot.svg([one for one in outcomes if one.bars]), encoding="utf-8"
        )
        print(report.table(outcomes))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--times", type=int, default=5, help="runs of each quick work")
    parser.add_argument("--slow-times", type=int, default=2, help="runs of works of a minute")
    asked = parser.parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
