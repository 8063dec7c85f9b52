"""docs/high-availability.md's table of losses and its picture, from what was measured.

python -m tests.lab.loss_report        all losses on hosts of their own, about fifteen minutes
"""

import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from tests.lab import release as releases
from tests.lab.hosts import Lab
from tests.lab.losses import LOSSES, Result, suffer
from tests.lab.many import raised

ROOT = Path(__file__).parents[2]
PAGE, PICTURE = ROOT / "docs/high-availability.md", ROOT / "docs/losses.svg"
BEGIN, END = "<!-- losses: written by tests/lab/loss_report.py -->", "<!-- end of losses -->"
ROW, LEFT, SCALE = 26, 250, 12
"""Height of a bar's row, where bars begin, and units for a second."""


def main() -> None:
    """Measure all, and write page and picture."""
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        site = raised(lab, Path(folder), releases.standin())
        write([suffer(site, loss) for loss in LOSSES])


def write(results: Sequence[Result]) -> None:
    """Put the results into the page, and draw the picture."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}", encoding="utf-8")
    PICTURE.write_text(picture(results), encoding="utf-8")


def table(results: Sequence[Result]) -> str:
    """The measured results, with date and commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} at {commit}, each once, on four test hosts of "
        "one machine with two processors:",
        "",
        "| What is lost | Longest gap | Goal | Requests | Failed | Whole again after |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        failed = ", ".join(f"{count} {what}" for what, count in sorted(one.failed.items()))
        lines.append(
            f"| {one.loss.name} | {one.gap_s:.1f} s | {one.loss.goal_s:g} s | {one.requests} | "
            f"{failed or 'none'} | {one.rejoined_s:.0f} s |"
        )
    return "\n".join(lines)


def picture(results: Sequence[Result]) -> str:
    """A bar for each loss: its longest gap, with a mark at its goal."""
    height = ROW * (len(results) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" '
        'font-family="sans-serif" font-size="12">',
        "  <title>Longest time without an acknowledged post</title>",
        f'  <rect width="640" height="{height}" fill="#ffffff"/>',
    ]
    for at, one in enumerate(results):
        top = ROW * (at + 1)
        end, goal = LEFT + one.gap_s * SCALE, LEFT + one.loss.goal_s * SCALE
        colour = "#2f6fde" if one.gap_s <= one.loss.goal_s else "#c2410c"
        parts += [
            f'  <text x="{LEFT - 8}" y="{top + 14}" text-anchor="end">',
            f"    {escape(one.loss.name)}</text>",
            f'  <rect x="{LEFT}" y="{top + 2}" width="{end - LEFT:.0f}" height="16"',
            f'    fill="{colour}"/>',
            f'  <path d="M {goal:.0f} {top} V {top + 20}" stroke="#1b1f24"/>',
            f'  <text x="{max(end, goal) + 6:.0f}" y="{top + 14}">{one.gap_s:.1f} s</text>',
        ]
    caption = "Longest time without an acknowledged post; the line is the goal"
    foot = f'  <text x="320" y="{height - 8}" text-anchor="middle">{caption}</text>'
    return "\n".join([*parts, foot, "</svg>\n"])


if __name__ == "__main__":
    main()
