#!/usr/bin/env python3
"""The scripts of examples/launch/ with 2 and 3 processes on the CPU: the run is bit for bit that of one process, every block is
made once, and every rank took part where there was work for it. What is not installed is skipped, with the reason."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "examples" / "launch"
PROGRAM = os.environ.get("SCHEDBENCH_PROGRAM")
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
SETUP = "scripts/setup.sh --with-launchers installs it"
BATCH, IMAGES = 4, 42

# The quickstart's network, small in everything; with the images of the quickstart where they are there.
SUITE = f"""name = launch
model = native:file=weights/fashion-hybrid.safetensors
clip = true
schedule = edm
schedule = even
sampler = ddim:eta=0.5
budget = 3
images = {IMAGES}
batch = {BATCH}
"""
WITH_DATA = """reference = fashion-mnist
reference-images = 600
heldout = fashion-mnist:split=test
extractor = pixels
"""
# What says when, where and by whom, not what came out.
APART = {"provenance", "timing", "created"}


def contents(path):
    """Every attribute and data set that says what came out, by name."""
    out = {}

    def visit(name, node):
        if APART.intersection(name.split("/")):
            return
        for key, value in node.attrs.items():
            # A cell's own hash is over its timing as well.
            if not (key == "content_hash" and name.startswith("cells/") and name.count("/") == 1):
                out[f"{name}@{key}"] = numpy.asarray(value).tobytes()
        if isinstance(node, h5py.Dataset):
            data = node[()]
            out[name] = (str(node.dtype), node.shape, data.tobytes() if node.dtype != object else str(data))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
        cells = {name: list(zip(cell["timing/first_id"][()].tolist(), cell["timing/rank"][()].tolist()))
                 for name, cell in file["cells"].items() if "timing" in cell}
        out["status"] = file.attrs["status"].decode()
    return out, cells


class Launch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="schedbench-launch-")
        cls.folder = pathlib.Path(cls.temporary.name)
        os.chmod(cls.folder, 0o755)
        cls.suite = cls.folder / "launch.suite"
        cls.suite.write_text(SUITE + (WITH_DATA if DATA.exists() else ""), encoding="utf-8")
        cls.environment = {**os.environ, "SCHEDBENCH_CACHE": "none", "OMP_NUM_THREADS": "1"}
        for name in list(cls.environment):
            if name.startswith(("SLURM_", "OMPI_", "PMI")) or name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
                del cls.environment[name]
        one = cls.folder / "one.h5"
        cls.run_ok([PROGRAM, "sweep", cls.suite, "--output", one, "--threads", "1", "--quiet"], cls.environment)
        cls.expected, cls.cells = contents(one)
        assert cls.expected["status"] == "complete" and cls.cells

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def run_ok(cls, command, environment):
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=ROOT,
                                env=environment, timeout=300)
        if result.returncode != 0:
            raise AssertionError(f"{command[0]} ended with {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def need(self, program):
        if not shutil.which(program, path=self.environment["PATH"]):
            self.skipTest(f"no {program} here; {SETUP}")

    def check(self, run, ranks):
        found, cells = contents(run)
        self.assertEqual(found["status"], "complete")
        self.assertEqual(sorted(found), sorted(self.expected))
        differ = [name for name, value in found.items() if value != self.expected[name]]
        self.assertEqual(differ, [])
        took_part = set()
        for name, blocks in cells.items():
            if name not in self.cells:
                continue
            self.assertEqual([first for first, _ in blocks], [first for first, _ in self.cells[name]])
            took_part |= {rank for _, rank in blocks}
        self.assertLessEqual(took_part, set(range(ranks)))
        self.assertFalse(pathlib.Path(str(run)[:-3] + ".work").exists())
        print(f"{run.stem}: {len(found)} values equal, ranks at work: {sorted(took_part)}", file=sys.stderr)

    def launch(self, script, ranks, **variables):
        run = self.folder / f"{script.partition('.')[0]}{ranks}.h5"
        self.run_ok([LAUNCH / script, ranks, self.suite, run, "--threads", "1", "--quiet"],
                    {**self.environment, **variables})
        self.check(run, ranks)

    def test_shells(self):
        for ranks in (2, 3):
            self.launch("shells.sh", ranks)

    def test_mpirun(self):
        self.need("mpirun")
        # Three processes on two processors, perhaps as root: what mpirun asks to be told.
        for ranks in (2, 3):
            self.launch("mpirun.sh", ranks, OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_ALLOW_RUN_AS_ROOT="1",
                        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl_base_warn_component_unused="0")

    def test_torchrun(self):
        torchrun = pathlib.Path(sys.executable).with_name("torchrun")
        if subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, check=False).returncode != 0:
            self.skipTest("this Python cannot import torch; scripts/setup.sh without --without-python-torch brings it")
        for ranks in (2, 3):
            self.launch("torchrun.sh", ranks, PATH=f"{torchrun.parent}:{self.environment['PATH']}")

    def slurm(self, ranks, name, *options):
        run = self.folder / f"{name}{ranks}.h5"
        log = self.folder / f"{name}{ranks}-%a.log"
        environment = {**self.environment, "SLURM_CONF": str(self.folder / "slurm" / "slurm.conf")}
        try:
            self.run_ok(["sbatch", "--wait", f"--chdir={ROOT}", f"--output={log}", *options, LAUNCH / "slurm.sbatch", self.suite,
                         run, "--threads", "1", "--quiet"], environment)
        except AssertionError as error:
            logs = "".join(path.read_text() for path in self.folder.glob(f"{name}{ranks}-*.log"))
            raise AssertionError(f"{error}\n{logs}") from None
        self.check(run, ranks)

    def test_slurm(self):
        node = ROOT / "tests" / "launchers" / "one_node_slurm.sh"
        started = subprocess.run([node, "start", self.folder / "slurm"], capture_output=True, text=True, check=False,
                                 env=self.environment)
        if started.returncode == 77:
            self.skipTest(started.stderr.strip())
        self.addCleanup(subprocess.run, [node, "stop", self.folder / "slurm"], check=False)
        self.assertEqual(started.returncode, 0, started.stderr)
        for ranks in (2, 3):
            self.slurm(ranks, "srun", f"--ntasks={ranks}")
        self.slurm(2, "array", "--array=0-1")
        self.slurm(3, "array", "--array=4-8:2")


if __name__ == "__main__":
    if not PROGRAM:
        print("SKIPPED: SCHEDBENCH_PROGRAM names no program")
        sys.exit(0)
    unittest.main(verbosity=2)
