#!/usr/bin/env python3
"""Draws a run: one PNG a figure, and one self-contained HTML page with all of them and the numbers.

    scripts/plot.py RUN.h5 [--output FOLDER]

The folder is RUN-plots beside the run unless named. Prints the paths written, and what was left out for want of data.
"""

import argparse
import sys
from pathlib import Path

try:
    from plots import figures, page, run_file, style
except ImportError as error:
    sys.exit(f"plot: {error}; run scripts/setup.sh and use its Python: .venv/bin/python scripts/plot.py")


def tables(run):
    quality = run.metrics.sort_values(["metric", "sampler", "nfe", "value"])
    quality = quality[["metric", "label", "sampler", "steps", "nfe", "value", "se", "n", "seed", "model"]]
    likelihood = run.likelihood.sort_values(["rule", "steps", "value"]).drop(columns=["learned"])
    return [("Metrics of every cell", quality.rename(columns={"label": "schedule"})),
            ("Bits/dim of every path", likelihood.rename(columns={"value": "bits/dim"}))]


def draw(run, folder):
    """Writes everything into `folder`; returns the paths, the page last."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, function in figures.ALL:
        plots = function(run)
        if not plots:
            print(f"left out, no data in the run: {name}")
        for plot in plots:
            path = folder / f"{plot.name}.png"
            plot.figure.savefig(path)
            style.plt.close(plot.figure)
            drawn.append((plot, path))
    index = folder / "index.html"
    title = f"schedbench: {Path(run.path).stem}"
    index.write_text(page.render(title, run.facts, drawn, tables(run)), encoding="utf-8")
    return [path for _, path in drawn] + [index]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run file that schedbench sweep made")
    parser.add_argument("--output", type=Path, help="folder for the plots")
    arguments = parser.parse_args()
    folder = arguments.output or arguments.run.with_name(arguments.run.stem + "-plots")
    try:
        paths = draw(run_file.read_run(arguments.run), folder)
    except run_file.RunError as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"plot: {folder}: {error.strerror or error}", file=sys.stderr)
        return 2
    for path in paths:
        print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
