"""Calibrating and converting to int8: tersor beside onnxruntime's quantize_static and NNCF, in one run.

    python bench/calibration.py [MODEL ...] [--samples 100,500] [--calibrators minmax,percentile,entropy]
                                [--rounds 3] [--json OUT]

All read the same JPEG pictures (crops of real photographs), resize and normalise them, and write an int8
file. The tools take turns, each run in a process of its own with --threads threads. Time of tersor is that
of the whole process, of the others that of the call, without Python's imports; memory is VmHWM of the
whole process. The ratio is that of the medians, to the faster and the smaller of the others. A peer that
needs more than --limit GiB is ended and counts as failed. Needs the environment of
tests/peers/requirements.txt and a build.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image
import skimage

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "peers")]

import peers  # noqa: E402
import torch_models  # noqa: E402

MODELS = {"resnet18": torch_models.resnet18, "resnet50": torch_models.resnet50,
          "mobilenet_v2": torch_models.mobilenet_v2}
TOOLS = ["tersor", "onnxruntime", "nncf"]
TIME_TARGETS = {"minmax": 2.0, "percentile": 3.0, "entropy": 3.0}
MEMORY_TARGET = 3.0


def pictures(folder, count):
    """Random crops of scikit-image's photographs, of photographs' sizes, as JPEG files."""
    folder.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(skimage.__file__).parent / "data"
    photographs = [Image.open(source / name).convert("RGB") for name in peers.PHOTOGRAPHS]
    rng = np.random.default_rng(11)
    for k in range(count):
        photograph = photographs[k % len(photographs)]
        side = int(min(photograph.size) * rng.uniform(0.5, 1.0))
        left, top = (int(rng.integers(0, n - side + 1)) for n in photograph.size)
        size = (int(rng.integers(300, 500)), int(rng.integers(300, 500)))
        path = folder / f"{k:04}.jpg"
        if not path.exists():
            photograph.resize(size, Image.BILINEAR, (left, top, left + side, top + side)).save(
                path, quality=90)
    return folder


class Run:
    """A process: how long it took, and the most memory it held."""

    def __init__(self, words, environment, limit_kib):
        start = time.perf_counter()
        process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.failure, self.peak_kib = None, 0
        while process.poll() is None:
            self.peak_kib = max(self.peak_kib, self.high_water(process.pid))
            if self.peak_kib > limit_kib:
                self.failure = f"more than {limit_kib >> 20} GiB"
                process.kill()
            time.sleep(0.01)
        self.seconds = time.perf_counter() - start
        out, err = process.communicate()
        if process.returncode and not self.failure:
            self.failure = (err.strip().splitlines() or ["it failed"])[-1]
        for line in out.splitlines():
            if line.startswith("RESULT"):
                _, seconds, peak = line.split()
                self.seconds, self.peak_kib = float(seconds), int(peak)

    @staticmethod
    def high_water(pid):
        try:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
        except OSError:
            pass
        return 0


def words_of(tool, model, folder, count, calibrator, out, args):
    if tool == "tersor":
        return [str(args.build / "bin" / "tersor"), "quantize", str(model), "-d", str(folder),
                "--preprocess", "imagenet", "-n", str(count), "--calib", calibrator, "--verify", "0",
                "--threads", str(args.threads), "--force", "-o", out]
    return [sys.executable, str(HERE / "peers" / "calibrate.py"), tool, str(model), str(folder),
            str(count), calibrator, out]


def compare(name, count, calibrator, args):
    model = MODELS[name]()
    folder = pictures(args.cache / f"calibration-{count}", count)
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads),
                       OPENBLAS_NUM_THREADS=str(args.threads))
    runs = {tool: [] for tool in args.tools if not (tool == "nncf" and calibrator == "entropy")}
    with tempfile.TemporaryDirectory() as out:
        for _ in range(args.rounds):
            for tool, done in runs.items():
                if any(r.failure for r in done):
                    continue
                words = words_of(tool, model, folder, count, calibrator, f"{out}/{tool}.onnx", args)
                done.append(Run(words, environment, args.limit << 20))
    print(f"\n{name}  {count} pictures  {calibrator}")
    row = {"model": name, "samples": count, "calibrator": calibrator, "tools": {}}
    good = {}
    for tool, done in runs.items():
        failure = next((r.failure for r in done if r.failure), None)
        seconds = statistics.median(r.seconds for r in done)
        peak = statistics.median(r.peak_kib for r in done) / 1024
        row["tools"][tool] = {"seconds": seconds, "peak_mib": peak, "failure": failure,
                              "all_seconds": [r.seconds for r in done]}
        if failure:
            print(f"  {tool:12} failed: {failure}")
        else:
            good[tool] = (seconds, peak)
            print(f"  {tool:12} {seconds:8.2f} s  {peak:8.0f} MiB")
    others = [v for tool, v in good.items() if tool != "tersor"]
    if "tersor" in good and others:
        seconds, peak = good["tersor"]
        row["faster"] = min(o[0] for o in others) / seconds
        row["smaller"] = min(o[1] for o in others) / peak
        marks = ["" if value >= target else "  BELOW" for value, target in
                 ((row["faster"], TIME_TARGETS[calibrator]), (row["smaller"], MEMORY_TARGET))]
        print(f"    {row['faster']:.2f} x faster than the faster (target "
              f"{TIME_TARGETS[calibrator]:.0f}){marks[0]};  {row['smaller']:.2f} x less memory than the "
              f"smaller (target {MEMORY_TARGET:.0f}){marks[1]}")
    sys.stdout.flush()
    return row


def flatness(rows):
    """Memory at the most samples over memory at the fewest, for each model and calibrator."""
    print()
    for model, calibrator in dict.fromkeys((r["model"], r["calibrator"]) for r in rows):
        of = sorted((r for r in rows if (r["model"], r["calibrator"]) == (model, calibrator)),
                    key=lambda r: r["samples"])
        if len(of) < 2:
            continue
        for tool in of[0]["tools"]:
            few, many = (r["tools"].get(tool) for r in (of[0], of[-1]))
            if few and many and not few["failure"] and not many["failure"]:
                print(f"{model} {calibrator} {tool}: memory at {of[-1]['samples']} pictures is "
                      f"{many['peak_mib'] / few['peak_mib']:.2f} x that at {of[0]['samples']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help=" ".join(MODELS))
    parser.add_argument("--samples", default="100,500")
    parser.add_argument("--calibrators", default="minmax,percentile,entropy")
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=12, help="GiB that a process may take")
    parser.add_argument("--build", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("TERSOR_BUILD", ROOT / "build" / "release")))
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.tools = args.tools.split(",")
    args.cache = torch_models.CACHE
    unknown = [m for m in args.models if m not in MODELS]
    if unknown:
        parser.error(f"unknown model {unknown[0]!r}; there are {', '.join(MODELS)}")
    rows = [compare(name, int(count), calibrator, args)
            for name in args.models or ["resnet18", "resnet50"]
            for calibrator in args.calibrators.split(",")
            for count in args.samples.split(",")]
    flatness(rows)
    if args.json:
        args.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
