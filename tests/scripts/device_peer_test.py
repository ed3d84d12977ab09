"""bench/device_peer.py: its network is the one the golden file holds, and the command runs to its end at toy size."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "examples")]

try:
    import torch
except ImportError:
    torch = None


@unittest.skipIf(torch is None, "this Python cannot import torch (scripts/setup.sh --without-python-torch left it out)")
class DevicePeer(unittest.TestCase):
    def test_network_equals_the_original(self):
        import song_unet
        import unet
        folder = pathlib.Path(os.environ.get("SCHEDBENCH_GOLDEN", ROOT / "tests" / "golden")) / "nets"
        about, weights = unet.read_safetensors(folder / "edm_ddpmpp_cond.safetensors")
        weights = {name: value.float() for name, value in weights.items()}
        golden = unet.read_safetensors(folder / "edm_ddpmpp_cond.golden.safetensors")[1]
        denoiser = song_unet.Denoiser(json.loads(about["config"]))
        # Without a label the label layer still adds its bias.
        weights["model.map_layer0.bias"] += weights["model.map_layer0.weight"] @ weights["model.map_label.bias"]
        denoiser.load_state_dict({name: weights[name] for name in denoiser.state_dict()})
        self.assertTrue(set(song_unet.weight_file(denoiser)) <= set(weights))
        with torch.inference_mode():
            got = denoiser(golden["EDMPrecond.x"], golden["EDMPrecond.sigma"])
        self.assertLess((got - golden["EDMPrecond.nolabel.D"]).abs().max().item(), 1e-4)

    def test_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            figures = pathlib.Path(folder) / "figures.json"
            result = subprocess.run([sys.executable, str(ROOT / "bench" / "device_peer.py"), "--network", "small", "--batches", "2",
                                     "--steps", "2", "--rounds", "1", "--threads", "1", "--no-compile", "--json", str(figures),
                                     "--program", os.environ["SCHEDBENCH_PROGRAM"]], capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stderr)
            rows = {row["name"]: row for row in json.loads(figures.read_text())["rows"]}
        own = rows["schedbench reproducible"]
        self.assertGreater(own["images_per_second"], 0)
        self.assertGreater(own["times eager float32"], 0)
        self.assertTrue(0 <= own["share_outside_network"] < 0.5, own)
        self.assertGreater(own["peak_memory_bytes"], 1 << 20)
        self.assertIn("schedbench reproducible", result.stdout)

    def test_bad_input_is_one_line(self):
        for options, word in ((["--device", "cuda"], "CUDA device"), (["--program", "nowhere"], "nowhere is no program"),
                              (["--steps", "1"], "2 steps"), (["--batches", "8,0"], "--batches")):
            if "cuda" in options and torch.cuda.is_available():
                continue
            result = subprocess.run([sys.executable, str(ROOT / "bench" / "device_peer.py"), "--network", "small", *options],
                                    capture_output=True, text=True, env={**os.environ, "COLUMNS": "1000"})
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(word, result.stderr.splitlines()[-1])
            self.assertNotIn("Traceback", result.stderr)


if __name__ == "__main__":
    unittest.main()
