"""Tests of scripts/plot.py: what is read from a run file is what was put in, and what is drawn says so."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import h5py
import matplotlib.image
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import plot  # noqa: E402
from plots import figures, run_file, style  # noqa: E402

COLLECTIONS = "suites provenance schedules models data extractors reference statistics likelihood cells".split()


def new_run(path):
    """An empty run as store/schema.cpp lays it out."""
    file = h5py.File(path, "w")
    file.attrs.update(schema="schedbench", schema_version="1.0", software="schedbench", commit="", created="",
                      status="complete")
    for collection in COLLECTIONS:
        file.create_group(collection)
    return file


def add_schedule(file, identity, spec, levels, curve=None):
    group = file.create_group(f"schedules/{identity}")
    group.attrs["spec"] = spec
    group["requested"] = group["effective"] = np.asarray(levels, dtype=float)
    if curve is not None:
        group.attrs["cost"] = "corrector"
        group["grid"], group["cost_curve"], group["cost_se"] = (np.asarray(c, dtype=float) for c in curve)


def add_cell(file, identity, schedule, steps, nfe, value, preview=None, sampler="heun"):
    cell = file.create_group(f"cells/{identity}")
    cell.attrs.update(schedule=schedule, sampler=sampler, model="m", data="d", status="complete", steps=steps, nfe=nfe,
                      budget=0, seed=0)
    cell.create_group("metrics/fd-test").attrs.update(name="fd-test", value=value, se=0.5, n=1000, estimand="debiased")
    if preview is not None:
        cell["preview"] = preview


def small_run(path):
    with new_run(path) as file:
        file.create_group("models/m").attrs["spec"] = "exact:gaussian,c=0.5,dim=2"
        file.create_group("data/d").attrs["spec"] = "fashion-mnist:split=test"
        add_schedule(file, "a", "edm:end=zero,rho=7", [80, 1, 0.01, 0])
        add_schedule(file, "b", "edm:end=zero,rho=3", [80, 5, 0.01, 0])
        add_schedule(file, "c", "learned:file='some,where/best.json',end=zero", [80, 2, 0.01, 0],
                     ([80, 8, 0.8, 0.08], [1, 3, 9, 2], [0.1, 0.1, 0.1, 0.1]))
        grid = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64, 1)
        for i, (schedule, value) in enumerate([("a", 20.0), ("b", 25.0), ("c", 12.345)]):
            add_cell(file, f"cell{i}", schedule, 3, 5, value, grid)
            add_cell(file, f"more{i}", schedule, 6, 11, value / 2)
        bound = file.create_group("likelihood/l")
        bound.attrs.update(model="m", data="d")
        bound["stride"] = ["even", "even", "dp", "dp"]
        bound["variance"] = ["posterior"] * 4
        bound["steps"] = np.array([8.0, 16.0, 8.0, 16.0])
        bound["bits_per_dim"] = np.array([7.0, 5.0, 4.5, 4.25])
        bound["se"] = np.full(4, 0.01)


class SpecText(unittest.TestCase):
    def test_commas_inside_values_do_not_split(self):
        name, arguments = run_file.split_spec("torchscript:file='a,b.pt',levels=[80,1],inner={edm:rho=7,end=zero}")
        self.assertEqual(name, "torchscript")
        self.assertEqual(arguments, {"file": "'a,b.pt'", "levels": "[80,1]", "inner": "{edm:rho=7,end=zero}"})
        self.assertEqual(run_file.split_spec("exact:gaussian,c=0.5"), ("exact:gaussian", {"c": "0.5"}))
        self.assertEqual(run_file.split_spec("heun"), ("heun", {}))

    def test_labels_tell_apart_and_say_no_more(self):
        labels = run_file.short_labels({"edm:end=zero,rho=7", "edm:end=zero,rho=3", "cosine:end=zero"})
        self.assertEqual(set(labels.values()), {"edm rho=7", "edm rho=3", "cosine"})

    def test_long_labels_stay_apart(self):
        specs = {f"explicit:levels=[{','.join(str(80 - i) for i in range(40))},0.{last}]" for last in (1, 2)}
        labels = run_file.short_labels(specs)
        self.assertEqual(len(set(labels.values())), 2)
        self.assertLess(max(map(len, labels.values())), 61)


class Reading(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "run.h5"

    def test_values_come_back(self):
        small_run(self.path)
        run = run_file.read_run(self.path)
        self.assertEqual({s.label: s.learned for s in run.schedules},
                         {"edm rho=7": False, "edm rho=3": False, "learned": True})
        row = run.metrics.set_index("cell").loc["cell2"]
        self.assertEqual((row["label"], row["value"], row["se"]), ("learned", 12.345, 0.5))
        self.assertEqual((row["nfe"], row["n"]), (5, 1000))
        self.assertEqual(row["model"], "exact:gaussian")
        dp = run.likelihood[run.likelihood["path"] == "dp"]
        self.assertEqual(list(dp["value"]), [4.5, 4.25])
        self.assertTrue(dp["learned"].all())
        self.assertFalse(run.likelihood[run.likelihood["path"] == "even"]["learned"].any())
        self.assertEqual(len(run.previews), 3)

    def test_everything_is_drawn(self):
        small_run(self.path)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            paths = plot.draw(run_file.read_run(self.path), self.folder / "plots")
        self.assertEqual([p.name for p in paths], ["knots.png", "quality-fd-test.png", "bits-per-dim.png", "costs.png",
                                                   "samples-heun.png", "index.html"])
        self.assertEqual(out.getvalue(), "")
        for path in paths[:-1]:
            self.assertGreater(matplotlib.image.imread(path).std(), 0.01, path)
        page = paths[-1].read_text()
        self.assertIn("12.345", page)
        self.assertEqual(page.count("data:image/png;base64,"), 5)
        self.assertNotRegex(page, "(src|href)=[\"']?(http|//|file)")  # it needs nothing beside itself

    def test_lines_hold_the_values_of_the_run(self):
        small_run(self.path)
        [drawn] = figures.quality(run_file.read_run(self.path))
        lines = {tuple(line.get_ydata()) for line in drawn.figure.axes[0].get_lines()}
        self.assertIn((12.345, 12.345 / 2), lines)
        [drawn] = figures.knots(run_file.read_run(self.path))
        lines = {tuple(line.get_ydata()) for line in drawn.figure.axes[0].get_lines()}
        self.assertEqual(lines, {(80, 1, 0.01), (80, 5, 0.01), (80, 2, 0.01)})
        style.plt.close("all")

    def test_an_empty_run_is_told(self):
        new_run(self.path).close()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            paths = plot.draw(run_file.read_run(self.path), self.folder / "plots")
        self.assertEqual([p.name for p in paths], ["index.html"])
        self.assertEqual(out.getvalue().count("left out"), 5)

    def test_bad_files_are_one_line(self):
        text = self.folder / "text.h5"
        text.write_text("no HDF5")
        h5py.File(self.folder / "other.h5", "w").close()
        with new_run(self.folder / "future.h5") as file:
            file.attrs["schema_version"] = "2.0"
        for name, words in [("none.h5", "no such file"), ("text.h5", "not an HDF5 file"), ("other.h5", "not a run"),
                            ("future.h5", "version 2.0")]:
            with mock.patch.object(sys, "argv", ["plot.py", str(self.folder / name)]), \
                    contextlib.redirect_stderr(io.StringIO()) as error:
                self.assertEqual(plot.main(), 2)
            self.assertIn(words, error.getvalue())
            self.assertIn(name, error.getvalue())
            self.assertEqual(error.getvalue().count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
