"""Run the commands of docs/teaching.md and draw its pictures from the curves that they write.

python docs/make_pictures.py [--curves DIR]

Takes about three minutes on one core. With `--curves` the CSV files are kept in that folder, and
those that are there already are drawn without training again.
"""

import argparse
import csv
import math
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
COLOURS = ("#1f6fb4", "#c8551b", "#2b8a57", "#7a4fa3")
_WIDTH, _HEIGHT, _LEFT, _TOP, _FOOT = 380, 240, 46, 30, 38
_GAP = 24


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing: what is shown of which curves, and on which scale."""

    title: str
    column: str
    curves: Mapping[str, str]
    """The name of a CSV file for each label of the legend."""
    ticks: Sequence[float]
    """Labels of the vertical axis; its ends are the first and the last."""
    log: bool = False


FIGURES = {
    "start": [
        Panel(
            "training loss (chance: 1.386)",
            "loss",
            {
                "U(0, 1), vectors N(0, 1)": "uniform",
                "U(0, 1), vectors a tenth as long": "uniform-short",
                "small weights, vectors N(0, 1)": "default",
            },
            (0.0, 0.5, 1.0, 1.5),
        )
    ],
    "clipping": [
        Panel(
            "training loss of an RNN",
            "loss",
            {"clipped to 0.1": "clipped", "not clipped": "unclipped"},
            (0.0, 0.5, 1.0, 1.5),
        ),
        Panel(
            "gradient norm, mean of 10 steps",
            "grad_norm",
            {"clipped to 0.1": "clipped", "not clipped": "unclipped"},
            (0.1, 1.0, 10.0, 100.0),
            log=True,
        ),
    ],
    "vectors": [
        Panel(
            "accuracy on train, before each step",
            "accuracy",
            {
                "corpus, frozen 300 steps": "corpus-frozen",
                "corpus": "corpus",
                "random": "random",
                "random, frozen": "random-frozen",
            },
            (0.0, 0.25, 0.5, 0.75, 1.0),
        )
    ],
}


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing and write the pictures; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--curves", type=Path, help="keep the CSV files here")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.curves or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for command in page_commands():
            if not (folder / command[command.index("--steps") + 1]).exists():
                print(shlex.join(command), flush=True)
                module = [sys.executable, "-m", "textcls.train", *command[2:]]
                subprocess.run(module, check=True, cwd=folder)  # noqa: S603
        for name, panels in FIGURES.items():
            (PICTURES / f"{name}.svg").write_text(draw(panels, folder), encoding="utf-8")
    return 0


def page_commands() -> list[list[str]]:
    """Return the page's commands that write a curve."""
    page = (HERE / "teaching.md").read_text(encoding="utf-8").replace("\\\n", "")
    return [
        shlex.split(line) for line in re.findall(r"^textcls-tune train .*--steps.*$", page, re.M)
    ]


def draw(panels: Sequence[Panel], folder: Path) -> str:
    """Return panels side by side as SVG."""
    width = len(panels) * (_WIDTH + _GAP) - _GAP
    most = max(len(panel.curves) for panel in panels)
    height = _HEIGHT + 18 * most
    parts = [
        f'<g transform="translate({index * (_WIDTH + _GAP)} 0)">{_panel(panel, folder)}</g>'
        for index, panel in enumerate(panels)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _panel(panel: Panel, folder: Path) -> str:
    tables = {label: _read(folder / f"{file}.csv") for label, file in panel.curves.items()}
    last = max(int(row["step"]) for rows in tables.values() for row in rows)
    right, bottom = _WIDTH - 12, _HEIGHT - _FOOT
    scale = math.log10 if panel.log else float
    low, high = scale(panel.ticks[0]), scale(panel.ticks[-1])

    def across(step: float) -> float:
        return _LEFT + (right - _LEFT) * step / last

    def up(value: float) -> float:
        place = (scale(max(value, panel.ticks[0])) - low) / (high - low)
        return bottom - (bottom - _TOP) * min(1.0, place)

    parts = [f'<text x="{_LEFT}" y="16" font-weight="bold">{escape(panel.title)}</text>']
    for tick in panel.ticks:
        at = up(tick)
        parts.append(f'<path d="M{_LEFT} {at:.1f}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts += [
        f'<text x="{across(step):.1f}" y="{bottom + 16}" text-anchor="middle">{step}</text>'
        for step in range(0, last + 1, 100)
    ]
    parts.append(f'<text x="{right}" y="{bottom + 32}" text-anchor="end">step</text>')
    for index, (label, rows) in enumerate(tables.items()):
        colour = COLOURS[index]
        places = " ".join(
            f"{across(float(row['step'])):.1f},{up(float(row[panel.column])):.1f}" for row in rows
        )
        parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
        )
        y = _HEIGHT + 18 * index + 6
        parts.append(f'<path d="M{_LEFT} {y - 4}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{_LEFT + 30}" y="{y}">{escape(label)}</text>')
    return "".join(parts)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main())
