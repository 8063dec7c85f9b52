"""A bar chart as plain SVG, readable on light and on dark pages."""

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from tests.bench.report import Bar, Outcome

WIDTH = 820
LABELS = 330
"""Where bars begin."""
LONGEST = 330
"""Length of the longest bar of a group."""
LINE = 24
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.ours { fill: #1a7f64 }
.theirs { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .ours { fill: #3fb68b }
  .theirs { fill: #6e7681 }
}
"""


def svg(outcomes: Sequence[Outcome]) -> str:
    """Each part a group of bars with a scale of its own."""
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", width=str(WIDTH), role="img")
    SubElement(root, "title").text = "Seconds of each work, by part; shorter is better"
    SubElement(root, "style").text = STYLE
    y = LINE
    for outcome in outcomes:
        _text(root, 8, y, outcome.title, "title")
        y += LINE
        longest = max(bar.value for bar in outcome.bars)
        reference = next(bar.value for bar in outcome.bars if bar.ours)
        for bar in outcome.bars:
            _bar(root, y, bar, longest, reference)
            y += LINE
        y += LINE // 2
    root.set("height", str(y))
    root.set("viewBox", f"0 0 {WIDTH} {y}")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _bar(root: Element, y: int, bar: Bar, longest: float, reference: float) -> None:
    length = max(2.0, LONGEST * bar.value / longest)
    _text(root, 16, y, bar.label.replace("`", ""))  # the labels are Markdown
    SubElement(
        root,
        "rect",
        {"class": "ours" if bar.ours else "theirs"},
        x=str(LABELS),
        y=str(y - 13),
        width=f"{length:.1f}",
        height="16",
        rx="2",
    )
    said = f"{bar.value:.2f} s" if bar.value < 10 else f"{bar.value:.1f} s"
    _text(root, round(LABELS + length + 8), y, f"{said}  ({bar.value / reference:.2g}x)")


def _text(root: Element, x: int, y: int, text: str, style: str = "") -> None:
    drawn = SubElement(root, "text", x=str(x), y=str(y))
    if style:
        drawn.set("class", style)
    drawn.text = text
