"""Time against onnxruntime, interleaved on one thread, and memory of calibration."""

import statistics
import subprocess
import sys
import time

import numpy as np
import pytest

import peers
import torch_models
from support import tersor


def measure(session, arrays, seconds):
    feed = dict(zip([i.name for i in session.get_inputs()], arrays))
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def bench(*models):
    lines = tersor.run_json("bench", *models, "--threads", 1, "--seconds", 1)["bench"]
    return [line["min_ms"] for line in lines]


def test_fp32_resnet18_time(scratch):
    """At most 1.5 times onnxruntime; int8 no slower than fp32. Median of the ratios of the rounds."""
    model = torch_models.resnet18()
    out = scratch / "resnet18.time.onnx"
    data = peers.save(scratch / "time.npy", peers.crops(16, 1, 0.45, 0.225))
    tersor.run("quantize", model, "-d", data, "-o", out, exits=[0, 1])
    x = [np.load(data)[:1]]
    theirs, theirs8 = peers.session(model), peers.session(out)
    rounds = []
    for _ in range(7):
        a, b = measure(theirs, x, 1.0), measure(theirs8, x, 1.0)
        rounds.append((a, b, *bench(model, out)))
    ort, ort8, fp32, int8 = (statistics.median(r[i] for r in rounds) for i in range(4))
    slower = statistics.median(r[2] / r[0] for r in rounds)
    gain = statistics.median(r[2] / r[3] for r in rounds)
    print(f"  resnet18, 1 thread, ms: onnxruntime fp32 {ort:.1f}, int8 {ort8:.1f}; "
          f"tersor fp32 {fp32:.1f} ({slower:.2f} x), int8 {int8:.1f} (fp32 / int8 = {gain:.2f})")
    assert slower <= 1.5
    assert gain >= 1.0


def peak_mib(words):
    """Peak resident memory of a command, measured by a child that runs nothing else."""
    code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=False, "
            "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", code] + [str(w) for w in words], text=True,
                          capture_output=True, check=True)
    return int(done.stdout) / 1024


@pytest.mark.parametrize("calibrator", ["minmax", "percentile:99.99"])
def test_calibration_memory(calibrator, scratch):
    """2,000 samples take at most 1.1 times the memory of 50."""
    words = tersor.command() + ["quantize", torch_models.resnet18(), "--calib", calibrator,
                                "--force", "-o", scratch / "memory.onnx", "-n"]
    few, many = (peak_mib(words + [n, "-d", f"random:{n}"]) for n in (50, 2000))
    print(f"  {calibrator}: 50 samples {few:.0f} MiB, 2,000 samples {many:.0f} MiB")
    assert many <= 1.1 * few
