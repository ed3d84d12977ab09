"""Reads what the plots need from a run file (its layout: store/schema.h)."""

import hashlib
from dataclasses import dataclass, field

import h5py
import numpy as np
import pandas as pd

SCHEMA_MAJOR = 1
# Schedules that are computed from a measured cost, by name; others count as learned if a cost is stored with them.
LEARNED_NAMES = ("score-optimal", "dp-elbo", "learned")
LEARNED_PATHS = ("dp", "dp-elbo", "optimal")


class RunError(Exception):
    """A file that cannot be plotted: one line that says why."""


@dataclass
class Curve:
    levels: np.ndarray           #: [K] sigma
    cost: np.ndarray             #: [K]
    error: object                #: [K] standard errors, or None
    unit: str

    def key(self):
        return hashlib.sha256(self.levels.tobytes() + self.cost.tobytes()).hexdigest()


@dataclass
class Schedule:
    id: str
    spec: str
    label: str
    learned: bool
    levels: np.ndarray           #: [N+1] effective sigma, falling
    curve: object = None

    @property
    def steps(self):
        return len(self.levels) - 1


@dataclass
class Preview:
    label: str
    learned: bool
    sampler: str
    nfe: float
    image: np.ndarray            #: uint8 [H, W] or [H, W, 3]


@dataclass
class Floor:
    metric: str
    data: str
    value: float
    se: float
    label: str


@dataclass
class Run:
    path: str
    facts: dict
    schedules: list = field(default_factory=list)
    metrics: pd.DataFrame = None      #: a row for each metric of each cell
    likelihood: pd.DataFrame = None   #: a row for each path
    floors: list = field(default_factory=list)
    previews: list = field(default_factory=list)


def split_spec(text):
    """(name, {key: value as text}) of a spec; commas inside quotes, brackets and braces do not split."""
    name, _, rest = text.partition(":")
    items, depth, quoted, start = [], 0, False, 0
    for i, c in enumerate(rest + ","):
        if c == "'":
            quoted = not quoted
        elif not quoted and c in "[{":
            depth += 1
        elif not quoted and c in "]}":
            depth -= 1
        elif c == "," and depth == 0 and not quoted:
            if i > start:
                items.append(rest[start:i])
            start = i + 1
    arguments = {}
    for i, item in enumerate(items):
        key, equals, value = item.partition("=")
        if not equals and i == 0:
            name += ":" + item
        else:
            arguments[key] = value
    return name, arguments


def _shown(key, value):
    """A value as a label shows it: of a file only its name."""
    return value.strip("'").rpartition("/")[2] if key == "file" else value


def short_labels(specs):
    """{spec: label}: the name, and of the parameters only those in which specs of this name in the run differ."""
    parsed = {spec: split_spec(spec) for spec in specs}
    by_name = {}
    for name, arguments in parsed.values():
        by_name.setdefault(name, []).append(arguments)
    labels = {}
    for spec, (name, arguments) in parsed.items():
        same = by_name[name]
        told = [f"{key}={_shown(key, value)}" for key, value in arguments.items()
                if any(other.get(key) != value for other in same)]
        label = name + (" " + ", ".join(told) if told else "")
        if len(label) > 60:
            label = f"{label[:48]}... {hashlib.sha256(spec.encode()).hexdigest()[:6]}"
        labels[spec] = label
    return labels


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _attribute(group, name, default=""):
    value = group.attrs.get(name, default)
    return _text(value) if isinstance(value, (bytes, str)) else value


def _array(group, name):
    return np.asarray(group[name][()]) if name in group else None


def _members(file, collection):
    return file[collection].items() if collection in file else ()


class _Specs:
    """Cells name schedules, models and data by id; what people read are the specs."""

    def __init__(self, file):
        self.known = {c: {i: _attribute(group, "spec", i) for i, group in _members(file, c)}
                      for c in ("schedules", "models", "data")}
        self.short = {c: short_labels(set(specs.values())) for c, specs in self.known.items()}

    def spec(self, collection, name):
        return self.known[collection].get(name, name)

    def label(self, collection, name):
        spec = self.spec(collection, name)
        return self.short[collection].get(spec, spec)


def _is_learned(spec, group=None):
    name = split_spec(spec)[0].partition(":")[0]
    return name.startswith(LEARNED_NAMES) or (group is not None and "cost" in group.attrs)


def _read_schedules(file, specs):
    schedules = []
    for identity, group in _members(file, "schedules"):
        spec = specs.spec("schedules", identity)
        curve = None
        levels, cost = _array(group, "grid"), _array(group, "cost_curve")
        if levels is not None and cost is not None and len(levels) == len(cost):
            named = split_spec(_attribute(group, "cost"))[0]
            curve = Curve(levels.astype(float), cost.astype(float), _array(group, "cost_se"),
                          f"{named} cost, per squared unit of ln σ" if named else "cost")
        schedules.append(Schedule(identity, spec, specs.label("schedules", identity), _is_learned(spec, group),
                                  np.asarray(group["effective"][()], dtype=float), curve))
    return schedules


METRIC_COLUMNS = ["cell", "label", "learned", "sampler", "steps", "nfe", "seed", "model", "data",
                  "metric", "value", "se", "n", "estimand"]


def _read_cells(file, specs, learned_ids):
    rows, previews, floors = [], [], []
    cells = list(_members(file, "cells"))
    samplers = short_labels({_attribute(cell, "sampler") for _, cell in cells})
    for identity, cell in cells:
        schedule = _attribute(cell, "schedule")
        common = {
            "cell": identity, "label": specs.label("schedules", schedule),
            "learned": schedule in learned_ids or _is_learned(specs.spec("schedules", schedule)),
            "sampler": samplers[_attribute(cell, "sampler")], "steps": int(_attribute(cell, "steps", 0)),
            "nfe": float(_attribute(cell, "nfe", 0)), "seed": int(_attribute(cell, "seed", 0)),
            "model": specs.label("models", _attribute(cell, "model")),
            "data": specs.label("data", _attribute(cell, "data")),
        }
        for name, metric in cell["metrics"].items() if "metrics" in cell else ():
            row = dict(common, metric=_attribute(metric, "name", name),
                       value=float(_attribute(metric, "value", np.nan)),
                       se=float(_attribute(metric, "se", np.nan)), n=int(_attribute(metric, "n", 0)),
                       estimand=_attribute(metric, "estimand", "estimate"))
            if common["nfe"] > 0:
                rows.append(row)
            else:  # no network was asked: real images
                floors.append(Floor(row["metric"], row["data"], row["value"], row["se"], "real images, held out"))
        image = _array(cell, "preview")
        if image is not None and image.ndim == 3 and image.size:
            previews.append(Preview(common["label"], common["learned"], common["sampler"], common["nfe"],
                                    image[:, :, 0] if image.shape[2] == 1 else image))
    return pd.DataFrame(rows, columns=METRIC_COLUMNS), floors, previews


RULES = ("variance", "decoder", "clip", "first_step", "split")  # what a bound is evaluated with, beside its path
LIKELIHOOD_COLUMNS = ["model", "data", "path", "learned", "rule", "steps", "value", "se"]


def _columns(group):
    """The record's figures as a table: data sets of equal length are columns, attributes hold for all rows."""
    arrays = {name: item[()] for name, item in group.items() if isinstance(item, h5py.Dataset) and item.ndim <= 1}
    length = max([len(a) for n, a in arrays.items() if n in ("bits_per_dim", "steps") and np.ndim(a) == 1], default=1)
    table = {}
    for name, value in list(group.attrs.items()) + list(arrays.items()):
        if np.ndim(value) == 0:
            table[name] = [_text(value) if isinstance(value, (bytes, str)) else value] * length
        elif len(value) == length:
            table[name] = [_text(v) if isinstance(v, bytes) else v for v in value]
    return pd.DataFrame(table)


def _read_likelihood(file, specs):
    rows = []
    for _, group in _members(file, "likelihood"):
        table = _columns(group)
        if "bits_per_dim" not in table or "steps" not in table:
            continue
        for row in table.to_dict("records"):
            told = [f"{key.replace('_', ' ')} {row[key]}" for key in RULES if row.get(key, "") != ""]
            path = _text(row.get("stride", "path"))
            rows.append({"model": specs.label("models", row.get("model", "")),
                         "data": specs.label("data", row.get("data", "")),
                         "path": path, "learned": split_spec(path)[0].startswith(LEARNED_PATHS),
                         "rule": ", ".join(told) or "bound", "steps": int(row["steps"]),
                         "value": float(row["bits_per_dim"]), "se": float(row.get("se", np.nan))})
    table = pd.DataFrame(rows, columns=LIKELIHOOD_COLUMNS)
    return _without_common_rules(table)


def _without_common_rules(table):
    """Drops from the rules what is the same in every row, so that panels are titled by what differs."""
    if table["rule"].nunique() < 2:
        return table
    parts = [rule.split(", ") for rule in table["rule"]]
    common = set(parts[0]).intersection(*parts[1:])
    return table.assign(rule=[", ".join(p for p in part if p not in common) or "bound" for part in parts])


def read_run(path):
    try:
        file = h5py.File(path, "r", locking=False)  # a sweep may be writing cells beside it
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such file; give a run that `schedbench sweep` made") from None
    except OSError:
        raise RunError(f"{path}: not an HDF5 file, or a damaged one; give a run that `schedbench sweep` made") from None
    with file:
        version = _attribute(file, "schema_version")
        if _attribute(file, "schema") != "schedbench":
            raise RunError(f"{path}: an HDF5 file, but not a run of schedbench")
        if version.partition(".")[0] != str(SCHEMA_MAJOR):
            raise RunError(f"{path}: schema version {version}, expected {SCHEMA_MAJOR}.x; use that version's scripts")
        specs = _Specs(file)
        schedules = _read_schedules(file, specs)
        metrics, floors, previews = _read_cells(file, specs, {s.id for s in schedules if s.learned})
        facts = {name: _text(_attribute(file, name)) for name in ("software", "commit", "created", "status")}
        facts["models"] = "; ".join(sorted(set(specs.known["models"].values())))
        facts["data"] = "; ".join(sorted(set(specs.known["data"].values())))
        return Run(str(path), facts, schedules, metrics, _read_likelihood(file, specs), floors, previews)
