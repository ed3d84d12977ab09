#!/usr/bin/env python3
"""get_weights.sh and get_data.sh on files of this machine: whole, cut short, of a wrong hash, unknown; over file: and
http:, with a server that breaks off."""
import hashlib
import http.server
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

import h5py
import numpy

import convert_network_test as networks
import safetensors_file

ROOT = pathlib.Path(__file__).resolve().parents[2]


class BreakingServer(http.server.BaseHTTPRequestHandler):
    """Serves `content`, `at_most` bytes a request though it announces all; knows ranges."""
    content, at_most, ranges = b"", 0, []

    def do_GET(self):
        begin = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.ranges.append(begin)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(self.content) - begin))
        self.end_headers()
        self.wfile.write(self.content[begin:begin + self.at_most])

    def log_message(self, *_):
        pass


class FetchPublic(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.out = self.root / "out"
        self.weights, self.golden = next(networks.golden_networks(("guided_diffusion.UNetModel",)))
        about, state = networks.state_dict(self.weights)
        source = self.root / "served" / "toy.pt"
        source.parent.mkdir()
        networks.save(state, str(source))
        self.source, self.sha = source, hashlib.sha256(source.read_bytes()).hexdigest()
        self.row = {"name": "toy", "kind": "weights", "file": "toy.pt", "url": source.as_uri(), "sha256": self.sha,
                    "licence": "none", "convert": "network", "family": about["family"], "process": "cosine:T=1000",
                    "rescale_timesteps": False, "image_size": 16, "config": json.loads(about["config"]),
                    "parameters": sum(map(networks.elements, state.values())), "tensors": len(state)}

    def run_script(self, name, *arguments, rows=None, code=0):
        table = self.root / "table.json"
        table.write_text(json.dumps({"files": rows or [self.row]}))
        environment = dict(os.environ, SCHEDBENCH_PUBLIC_FILES=str(table))
        environment.setdefault("SCHEDBENCH_PROGRAM", str(self.root / "absent"))
        result = subprocess.run([str(ROOT / "scripts" / name), *arguments, "--to", str(self.out)], capture_output=True,
                                text=True, check=False, env=environment)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def converted(self):
        self.assertEqual(safetensors_file.read(self.out / "toy.safetensors")[1], safetensors_file.read(self.weights)[1])

    def test_whole(self):
        result = self.run_script("get_weights.sh", "toy")
        self.assertEqual(result.stdout.splitlines()[0], str(self.out / "toy.safetensors"))
        self.assertIn("(published)", result.stderr)
        self.converted()
        self.assertEqual((self.out / "public_files.sha256").read_text(), f"{self.sha}  toy.pt\n")
        self.assertFalse((self.out / "toy.pt.part").exists())
        # Again: nothing is fetched, even if there is nothing any more.
        self.source.unlink()
        self.assertNotIn("from the start", self.run_script("get_weights.sh", "toy").stderr)
        if "SCHEDBENCH_PROGRAM" in os.environ:
            self.assertIn("guided_diffusion.UNetModel", result.stdout)
            (self.out / "toy.golden.safetensors").write_bytes(self.golden.read_bytes())
            self.assertIn("flipped_order.out.f64", self.run_script("get_weights.sh", "toy").stdout)
        else:
            self.assertIn("were not verified", result.stderr)

    @unittest.skipUnless("SCHEDBENCH_PROGRAM" in os.environ, "no program is given")
    def test_three_commands(self):
        """What a user with the public files types: get_weights, sweep, table."""
        suite, run = self.root / "toy.suite", self.root / "toy.h5"
        made = self.run_script("get_weights.sh", "toy").stdout.splitlines()[0]
        suite.write_text(f"model = native:file={made},process='cosine:T=1000'\nschedule = even\nsampler = ddim\nsteps = 2\n"
                         "images = 2\nbatch = 2\nlabels = balanced\nextractor = pixels:size=16,channels=3\n"
                         f"reference = npy:file={self.root / 'x.npy'}\nreference-images = 8\n")
        numpy.save(self.root / "x.npy", numpy.random.default_rng(1).integers(0, 256, (8, 16, 16, 3), dtype=numpy.uint8))
        for arguments in (("sweep", suite, "--output", run, "--threads", 1, "--quiet"), ("table", run)):
            result = subprocess.run([os.environ["SCHEDBENCH_PROGRAM"], *map(str, arguments)], capture_output=True, text=True,
                                    check=False, cwd=self.root)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("ddim", result.stdout)
        with h5py.File(run) as file:
            labels = []
            file.visititems(lambda name, item: labels.append(item[()].tolist()) if name.endswith("/labels") else None)
        self.assertEqual(labels, [[0, 1]])
        self.assertIn(b'"labels":"balanced"', run.read_bytes())

    def test_cut_short(self):
        self.out.mkdir()
        for have in (1, 100000, self.source.stat().st_size):
            (self.out / "toy.pt.part").write_bytes(self.source.read_bytes()[:have])
            self.assertIn(f"going on at byte {have:,}", self.run_script("get_weights.sh", "toy").stderr)
            self.converted()
            (self.out / "toy.pt").unlink()
        # What is longer than the file, is no part of it.
        (self.out / "toy.pt.part").write_bytes(self.source.read_bytes() + b"more")
        self.assertIn("from the start", self.run_script("get_weights.sh", "toy").stderr)
        # A part of something else: found out, deleted, and well the next time.
        (self.out / "toy.pt").unlink()
        (self.out / "toy.pt.part").write_bytes(bytes(1000))
        self.assertIn("it was deleted", self.run_script("get_weights.sh", "toy", code=2).stderr)
        self.run_script("get_weights.sh", "toy")
        self.converted()

    def test_a_server_that_breaks_off(self):
        BreakingServer.content, BreakingServer.at_most = self.source.read_bytes(), 300000
        BreakingServer.ranges.clear()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), BreakingServer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/toy.pt"
        attempts = -(-len(BreakingServer.content) // 300000)
        for i in range(attempts):
            result = self.run_script("get_weights.sh", "toy", "--url", url, code=0 if i + 1 == attempts else 2)
            if i + 1 < attempts:
                self.assertIn("run this again to go on", result.stderr)
        self.assertEqual(BreakingServer.ranges, [300000 * i for i in range(attempts)])
        self.converted()

    def test_hashes(self):
        wrong = dict(self.row, sha256="0" * 64)
        result = self.run_script("get_weights.sh", "toy", rows=[wrong], code=2)
        self.assertIn("which is published; it was deleted", result.stderr)
        self.assertEqual(list(self.out.iterdir()), [])
        wrong = dict(self.row, md5="0" * 32)
        self.assertIn("has the MD5", self.run_script("get_weights.sh", "toy", rows=[wrong], code=2).stderr)
        # None published: the first is recorded, another is refused.
        unknown = dict(self.row, sha256=None)
        self.assertIn("none is published; recorded", self.run_script("get_weights.sh", "toy", rows=[unknown]).stderr)
        (self.out / "toy.pt").unlink()
        self.source.write_bytes(self.source.read_bytes() + b"\0")
        self.assertIn("recorded at the first download",
                      self.run_script("get_weights.sh", "toy", rows=[unknown], code=2).stderr)

    def test_unknown_names(self):
        result = self.run_script("get_weights.sh", "tyo", code=2)
        self.assertIn('"tyo" is not known; known: toy', result.stderr)
        self.assertIn("a name is needed; known: toy", self.run_script("get_weights.sh", code=2).stderr)
        self.assertIn("known: ", self.run_script("get_data.sh", "toy", code=2).stderr)
        self.assertEqual(self.run_script("get_weights.sh", "--list").stdout, "toy\tnone\n")
        self.row["url"] = (self.root / "absent").as_uri()
        self.assertIn("No such file", self.run_script("get_weights.sh", "toy", code=2).stderr)

    def test_data(self):
        archive = self.root / "data.tar.gz"

        def pack(name):
            with tarfile.open(archive, "w:gz") as tar:
                member = tarfile.TarInfo(name)
                member.size = 4
                tar.addfile(member, io.BytesIO(b"abcd"))

        row = {"name": "set", "kind": "data", "file": "data.tar.gz", "url": archive.as_uri(), "sha256": None,
               "licence": "none", "convert": "unpack"}
        pack("folder/test_batch.bin")
        result = self.run_script("get_data.sh", "set", rows=[row])
        self.assertEqual(result.stdout, str(self.out / "folder") + "\n")
        self.assertEqual((self.out / "folder" / "test_batch.bin").read_bytes(), b"abcd")
        pack("../outside.bin")
        (self.out / "data.tar.gz").unlink()
        (self.out / "public_files.sha256").unlink()
        self.assertIn("no plain file of this folder", self.run_script("get_data.sh", "set", rows=[row], code=2).stderr)
        self.assertFalse((self.root / "outside.bin").exists())
        plain = dict(row, name="ref", file="ref.npz", convert=None)
        self.assertEqual(self.run_script("get_data.sh", "ref", rows=[plain]).stdout, str(self.out / "ref.npz") + "\n")

    def test_the_table(self):
        table = json.loads((ROOT / "scripts" / "public_files.json").read_text())
        names = [row["name"] for row in table["files"]]
        self.assertEqual(len(names), len(set(names)))
        for row in table["files"]:
            self.assertTrue(row["url"].startswith("https://"), row)
            self.assertIn(row["convert"], ("network", "inception", "unpack", None), row)
            self.assertIn(len(row["sha256"] or "0" * 64), (64,), row)
            self.assertTrue(row["licence"])


if __name__ == "__main__":
    sys.exit(unittest.main())
