#!/usr/bin/env python3
"""scripts/package.sh on the built program, with and without OpenCV: the archive is unpacked elsewhere and run without the source
tree, it finds torch both ways and says what is missing, and nothing in it points back to the machine it was made on."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("SCHEDBENCH_BUILD")
LIMIT_WITHOUT_OPENCV = 40e6
SUITE = """name = toy
model = exact:gaussian,c=0.4,dim=16
model = native:file=weights/toy/gaussian-linear.safetensors
schedule = edm
sampler = heun
budget = 3
images = 20
batch = 8
"""


def cached(name):
    for line in (pathlib.Path(BUILD) / "CMakeCache.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(name + ":"):
            return line.partition("=")[2]
    raise AssertionError(f"the build folder does not say {name}")


def torch_folder():
    return pathlib.Path(cached("LIBTORCH_CPU")).parent.parent


def python_with(folder, torch):
    """A python3 whose torch is `torch`, or that has none: what a virtual environment is for the start script."""
    folder.mkdir()
    script = folder / "python3"
    path = f"PYTHONPATH='{torch.parent}' " if torch else ""
    script.write_text(f"#!/bin/sh\n{path}exec /usr/bin/python3 -s \"$@\"\n", encoding="utf-8")
    script.chmod(0o755)
    return folder


class Package(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="schedbench package-")  # a blank in the path, too
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def run_in(self, folder, *command, code=0, **variables):
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **variables}
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=folder,
                                env=environment, timeout=300)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def package(self, *options):
        archive = self.folder / ("a.tar.zst" if shutil.which("zstd") else "a.tar.gz")
        said = subprocess.run([ROOT / "scripts" / "package.sh", "--skip-build", "--build", BUILD, "--output", archive, *options],
                              capture_output=True, text=True, check=False)
        self.assertEqual(said.returncode, 0, said.stderr)
        print(said.stdout.strip(), file=sys.stderr)
        away = self.folder / "away"
        away.mkdir()
        subprocess.run(["tar", "-C", away, "-xf", archive], check=True)
        tops = list(away.iterdir())
        self.assertEqual(len(tops), 1)
        return archive, tops[0]

    def examine(self, top):
        runpath = self.run_in(top, "readelf", "-d", "bin/schedbench")
        self.assertIn("[$ORIGIN/../lib]", runpath)
        for needle in (str(ROOT), BUILD):
            self.assertNotIn(needle, runpath)
        for name in ("schedbench", "LICENSE", "MODELS.md", "licences/README", "suites/quickstart.suite",
                     "weights/fashion-hybrid.safetensors", "results/published/karras-2022.csv"):
            self.assertTrue((top / name).is_file(), name)
        tracked = subprocess.run(["git", "ls-files", "weights"], capture_output=True, text=True, check=False, cwd=ROOT).stdout
        if tracked:
            self.assertEqual({str(path.relative_to(top)) for path in (top / "weights").rglob("*") if path.is_file()},
                             set(tracked.split()))

    def use(self, top):
        torch = torch_folder()
        (top / "toy.suite").write_text(SUITE, encoding="utf-8")
        sweep = ("sweep", "toy.suite", "--output", self.folder / "toy.h5", "--threads", "1")
        # Through a link, as an administrator would put it on the PATH.
        link = self.folder / "schedbench"
        link.symlink_to(top / "schedbench")
        self.run_in(top, link, *sweep, SCHEDBENCH_TORCH=str(torch))
        shown = self.run_in(top, link, "show", self.folder / "toy.h5", SCHEDBENCH_TORCH=str(torch))
        self.assertIn("edm", shown)
        python = python_with(self.folder / "python", torch)
        self.run_in(top, "./schedbench", "list", "schedules", PATH=f"{python}:/usr/bin:/bin")
        # Two processes of the archive share a run as those of the source tree do.
        shells = ROOT / "examples" / "launch" / "shells.sh"
        self.run_in(top, shells, 2, "toy.suite", self.folder / "two.h5", "--threads", "1", "--quiet",
                    SCHEDBENCH_TORCH=str(torch), SCHEDBENCH_PROGRAM=str(link))

    def refuse(self, top):
        for environment, words in (
                ({"SCHEDBENCH_TORCH": str(self.folder)}, "has no lib/libtorch_cpu.so"),
                ({"PATH": f"{python_with(self.folder / 'bare', None)}:/usr/bin:/bin"}, "has no torch")):
            said = self.run_in(top, "./schedbench", "list", "schedules", code=2, **environment)
            self.assertIn(words, said)
            self.assertEqual(said.count("\n"), 1, said)
        other = self.folder / "other"
        (other / "lib").mkdir(parents=True)
        (other / "lib" / "libtorch_cpu.so").touch()
        (other / "version.py").write_text("__version__ = '2.3.1+cpu'\n", encoding="utf-8")
        said = self.run_in(top, "./schedbench", "--help", code=2, SCHEDBENCH_TORCH=str(other))
        self.assertIn("is version 2.3.1", said)

    def test_without_opencv(self):
        if cached("SCHEDBENCH_OPENCV") == "ON" and not (pathlib.Path(BUILD) / "apps" / "schedbench_without_opencv").exists():
            self.skipTest("schedbench_without_opencv is not built")
        archive, top = self.package("--without-opencv")
        self.assertLess(archive.stat().st_size, LIMIT_WITHOUT_OPENCV)
        self.assertEqual(list((top / "lib").glob("libopencv*")), [])
        self.examine(top)
        self.use(top)
        self.refuse(top)
        said = self.run_in(top, "./schedbench", "doctor", "--json", SCHEDBENCH_TORCH=str(torch_folder()))
        self.assertIn("built without it", said)

    def test_with_opencv(self):
        if cached("SCHEDBENCH_OPENCV") != "ON":
            self.skipTest("this build is without OpenCV")
        _, top = self.package()
        self.examine(top)
        self.use(top)


if __name__ == "__main__":
    if not BUILD:
        print("SKIPPED: SCHEDBENCH_BUILD names no build folder")
        sys.exit(0)
    unittest.main(verbosity=2)
