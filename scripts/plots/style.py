"""One look for all figures: colours that colour-blind readers can tell apart; learned schedules in strong colours with
solid lines and filled markers, handcrafted ones in greys with dashes and hollow markers."""

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator  # noqa: E402

# The palette of Okabe and Ito (2008) without its yellow, which is too pale for lines on white.
LEARNED_COLOURS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
HANDCRAFTED_GREYS = ["#222222", "#777777", "#555555", "#999999"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "h"]
DASHES = [(0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (9, 3)), (0, (3, 1.5, 1, 1.5, 1, 1.5))]

plt.rcParams.update({
    "figure.dpi": 110,
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "legend.fontsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
})


def line_styles(names_learned):
    """{name: keyword arguments for Axes.plot} for (name, is it learned) pairs; the order given does not matter."""
    styles = {}
    learned = handcrafted = 0
    for name, is_learned in sorted(dict(names_learned).items()):
        if is_learned:
            colour = LEARNED_COLOURS[learned % len(LEARNED_COLOURS)]
            styles[name] = {"color": colour, "linestyle": "-", "linewidth": 2.0, "markersize": 5.5, "zorder": 3,
                            "marker": MARKERS[learned % len(MARKERS)]}
            learned += 1
        else:
            colour = HANDCRAFTED_GREYS[handcrafted % len(HANDCRAFTED_GREYS)]
            styles[name] = {"color": colour, "linestyle": DASHES[handcrafted % len(DASHES)], "linewidth": 1.2,
                            "markersize": 5.5, "marker": MARKERS[(handcrafted + 1) % len(MARKERS)], "zorder": 2,
                            "markerfacecolor": "white", "markeredgecolor": colour}
            handcrafted += 1
    return styles


def panels(count, width=5.2, height=4.0, columns=3, one_scale=False):
    """A figure of `count` panels, with one y scale for all if asked; returns it and the list of its axes."""
    columns = 2 if count == 4 else min(columns, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False,
                                sharey=one_scale)
    for unused in axes.flat[count:]:
        unused.set_visible(False)
    return figure, list(axes.flat[:count])


def shared_legend(figure, axes, looks):
    """One legend below all panels: each name once, learned schedules first, what is no schedule last."""
    handles = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    order = sorted(handles, key=lambda label: (label not in looks, looks.get(label, {}).get("linestyle") != "-", label))
    handles = {label: handles[label] for label in order}
    if handles:
        widest = max(len(label) for label in handles)
        width, height = figure.get_size_inches()
        fits = max(1, int(width * 11 / (widest + 8)))
        rows = -(-len(handles) // fits)
        figure.set_size_inches(width, height + 0.2 * max(0, rows - 2))  # a long legend does not press the panels flat
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(fits, len(handles)),
                      frameon=False, handlelength=3.2)


def count_axis(axis, counts):
    """A logarithmic x axis whose ticks are the counts that occur, thinned where they would run into each other."""
    axis.set_xscale("log")
    kept = []
    for count in sorted(set(counts)):
        if not kept or count / kept[-1] > 1.18:
            kept.append(count)
    axis.xaxis.set_major_locator(FixedLocator(kept))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def step_axis(axis):
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _minor_label(value, _):
    """Labels 2, 3 and 5 of a decade."""
    digit = round(value / 10.0 ** np.floor(np.log10(value)))
    return f"{value:g}" if digit in (2, 3, 5) else ""


def value_axis(axis, values, errors=None):
    """Limits around all values and their errors; logarithmic where these are positive and span more than a factor of
    three."""
    values = np.asarray(values, dtype=float)
    errors = np.zeros_like(values) if errors is None else np.nan_to_num(np.asarray(errors, dtype=float))
    known = np.isfinite(values)
    if not known.any():
        return
    values, errors = values[known], errors[known]
    low, high = (values - 1.96 * errors).min(), (values + 1.96 * errors).max()
    if values.min() > 0 and values.max() / values.min() > 3:
        low = max(low, values.min() / 2)
        axis.set_yscale("log")
        axis.set_ylim(low / 1.12, high * 1.12)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(FuncFormatter(_minor_label) if high / low < 60 else NullFormatter())
    elif high > low:
        axis.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
