"""The figures. Each function takes the run (run_file.Run) and gives a list of Plot, empty without data for it."""

from dataclasses import dataclass

import numpy as np

from plots import style


@dataclass
class Plot:
    name: str      #: file name without .png
    title: str     #: heading on the page
    caption: str   #: what is shown, with units
    figure: object


def _spread(values, most):
    """At most `most` of the values, evenly over their order, the first and the last among them."""
    values = sorted(values)
    if len(values) <= most:
        return values
    return [values[i] for i in np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))]


def _slug(text):
    return "".join(c if c.isalnum() else "-" for c in text).strip("-").lower()


def _draw_with_errors(axis, x, y, error, label, look):
    axis.errorbar(x, y, yerr=np.where(np.isfinite(error), 1.96 * error, 0), label=label, capsize=2.5, elinewidth=1.0,
                  **look)


def _schedule_looks(run):
    """The same look for a schedule in every figure of the run."""
    return style.line_styles([(s.label, s.learned) for s in run.schedules] +
                             list(zip(run.metrics["label"], run.metrics["learned"])))


def _better(metric):
    name = metric.partition("[")[0]
    if name in ("is", "inception-score", "precision", "recall", "density", "coverage"):
        return "higher is better"
    return "lower is better" if name.startswith(("fid", "fd-", "kid", "kd-", "sfid")) else ""


def knots(run):
    """Every schedule's levels against the step, a panel for each number of steps."""
    drawn = [s for s in run.schedules if len(s.levels) > 1]
    if not drawn:
        return []
    looks = _schedule_looks(run)
    steps = _spread({s.steps for s in drawn}, 6)
    figure, axes = style.panels(len(steps))
    for axis, count in zip(axes, steps):
        for schedule in (s for s in drawn if s.steps == count):
            positive = schedule.levels > 0
            steps_taken = np.arange(len(schedule.levels))
            look = dict(looks[schedule.label], markersize=4 if count <= 40 else 0)
            axis.plot(steps_taken[positive], schedule.levels[positive], label=schedule.label, **look)
        axis.set_yscale("log")
        axis.set_title(f"{count} steps")
        style.step_axis(axis)
        axis.set_xlabel("step")
        axis.set_ylabel("noise level σ")
    style.shared_legend(figure, axes, looks)
    left_out = len({s.steps for s in drawn}) - len(steps)
    caption = "Noise level σ (noise-to-signal ratio, no unit) of every step; a last level of 0 lies below the axis."
    if left_out:
        caption += f" {left_out} more numbers of steps are in the run."
    return [Plot("knots", "Knots of every schedule", caption, figure)]


def quality(run):
    """Every metric against the network evaluations, a panel for each sampler."""
    plots = []
    for (metric, model, data), table in run.metrics.groupby(["metric", "model", "data"], sort=True):
        if table["nfe"].nunique() < 1 or not np.isfinite(table["value"]).any():
            continue
        looks = _schedule_looks(run)
        samplers = sorted(table["sampler"].unique())
        better = _better(metric)
        figure, axes = style.panels(len(samplers), one_scale=True)
        floors = [f for f in run.floors if f.metric == metric]
        for axis, sampler in zip(axes, samplers):
            part = table[table["sampler"] == sampler]
            for label, line in part.groupby("label", sort=True):
                for seed_number, (_, points) in enumerate(line.sort_values("nfe").groupby("seed")):
                    _draw_with_errors(axis, points["nfe"], points["value"], points["se"].to_numpy(),
                                      label if seed_number == 0 else None, looks[label])
            for floor in floors:
                low, high = floor.value - 1.96 * floor.se, floor.value + 1.96 * floor.se
                axis.axhspan(low, high, color="#56B4E9", alpha=0.3, linewidth=0, zorder=1)
                axis.axhline(floor.value, color="#0072B2", linewidth=1, zorder=1, label=floor.label)
            style.count_axis(axis, part["nfe"])
            style.value_axis(axis, list(table["value"]) + [f.value for f in floors],
                             list(table["se"]) + [f.se for f in floors])
            axis.set_title(sampler)
            axis.set_xlabel("network evaluations per image (NFE)")
            axis.set_ylabel(f"{metric} ({better})" if better else metric)
        style.shared_legend(figure, axes, looks)
        counts = " / ".join(f"{n:,}" for n in sorted(table["n"].unique()))
        estimands = " / ".join(sorted(table["estimand"].unique()))
        caption = (f"{model} on {data}; {counts} images a point; error bars are 95 % intervals of the {estimands}. "
                   "Learned schedules: coloured, solid, filled; handcrafted: grey, dashed, hollow.")
        if floors:
            caption += " Band: real images held out, the best that can be reached."
        several = run.metrics[["model", "data"]].drop_duplicates().shape[0] > 1
        name = _slug(f"quality-{metric}" + (f"-{model}-{data}" if several else ""))
        plots.append(Plot(name, f"{metric} against network evaluations", caption, figure))
    return plots


def bits_per_dim(run):
    """Bits/dim against the steps of the path, a panel for each way to evaluate the bound."""
    plots = []
    table = run.likelihood
    if table.empty:
        return []
    for (model, data), part in table.groupby(["model", "data"], sort=True):
        looks = style.line_styles(zip(part["path"], part["learned"]))
        rules = sorted(part["rule"].unique())
        figure, axes = style.panels(len(rules), one_scale=True)
        for axis, rule in zip(axes, rules):
            for label, line in part[part["rule"] == rule].groupby("path", sort=True):
                line = line.sort_values("steps")
                _draw_with_errors(axis, line["steps"], line["value"], line["se"].to_numpy(), label, looks[label])
            inside = part[part["rule"] == rule]
            style.count_axis(axis, inside["steps"])
            style.value_axis(axis, inside["value"], inside["se"])
            axis.set_title(rule)
            axis.set_xlabel("steps")
            axis.set_ylabel("bits/dim")
        style.shared_legend(figure, axes, looks)
        several = table[["model", "data"]].drop_duplicates().shape[0] > 1
        caption = (f"{model} on {data}; upper bound of the negative log-likelihood in bits a dimension; error bars are "
                   "95 % intervals. Paths of the dynamic programme: coloured, solid; others: grey, dashed.")
        name = _slug("bits-per-dim" + (f"-{model}-{data}" if several else ""))
        plots.append(Plot(name, "Bits/dim against steps", caption, figure))
    return plots


def costs(run):
    """The measured cost along the noise levels of every learned schedule, once a cost."""
    curves = {}
    for schedule in run.schedules:
        if schedule.curve is not None and len(schedule.curve.levels) > 1:
            curves.setdefault(schedule.curve.key(), (schedule.label, schedule.curve))
    if not curves:
        return []
    curves = sorted(curves.values(), key=lambda pair: pair[0])
    looks = _schedule_looks(run)
    figure, axes = style.panels(len(curves))
    for axis, (label, curve) in zip(axes, curves):
        inside = (curve.levels > 0) & np.isfinite(curve.levels) & np.isfinite(curve.cost)
        x, y = curve.levels[inside], curve.cost[inside]
        error = curve.error[inside] if curve.error is not None else np.full(len(x), np.nan)
        axis.plot(x, y, **dict(looks[label], markersize=3))
        axis.fill_between(x, y - 1.96 * error, y + 1.96 * error, color=looks[label]["color"], alpha=0.25, linewidth=0)
        axis.set_xscale("log")
        if len(y) and y.min() > 0:
            axis.set_yscale("log")
            axis.set_ylim(bottom=y.min() / 2)
        axis.set_title(label)
        axis.set_xlabel("noise level σ")
        axis.set_ylabel(curve.unit)
    caption = "What it costs to go on from a noise level, as measured; the band is its 95 % interval."
    return [Plot("costs", "Cost along the path", caption, figure)]


def samples(run):
    """The stored preview grids side by side: a row for each schedule, a column for each number of evaluations."""
    plots = []
    samplers = sorted({p.sampler for p in run.previews})
    for sampler in samplers:
        mine = [p for p in run.previews if p.sampler == sampler]
        labels = sorted({(not p.learned, p.label) for p in mine})
        counts = _spread({p.nfe for p in mine}, 6)
        first = {}
        for preview in mine:
            first.setdefault((preview.label, preview.nfe), preview)
        width = 3.2
        height = width * max(p.image.shape[0] / p.image.shape[1] for p in mine)
        figure, axes = style.plt.subplots(len(labels), len(counts), squeeze=False,
                                          figsize=(width * len(counts) + 0.4, (height + 0.12) * len(labels) + 0.3))
        for row, (_, label) in zip(axes, labels):
            for axis, nfe in zip(row, counts):
                axis.set_xticks([])
                axis.set_yticks([])
                axis.grid(False)
                for spine in axis.spines.values():
                    spine.set_visible(False)
                preview = first.get((label, nfe))
                if preview is not None:
                    axis.imshow(preview.image, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
            row[0].set_ylabel(label, fontsize=8)
        for axis, nfe in zip(axes[0], counts):
            axis.set_title(f"NFE {nfe:g}", fontsize=9)
        plots.append(Plot(_slug(f"samples-{sampler}"), f"Samples: {sampler}",
                          "First images of each cell. Images in the same place start from the same noise.", figure))
    return plots


ALL = [("knots", knots), ("quality against evaluations", quality), ("bits/dim", bits_per_dim),
       ("cost along the path", costs), ("samples", samples)]
