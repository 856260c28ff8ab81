"""Runs the command under test and reads what it writes.

The command is TERSOR_BIN (words as in a shell), else build/release/bin/tersor.
"""

import json
import os
import pathlib
import shlex
import subprocess

import numpy as np
from onnx import numpy_helper, TensorProto

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "models"


def command():
    return shlex.split(os.environ.get("TERSOR_BIN", str(ROOT / "build/release/bin/tersor")))


def run(*arguments, exits=(0,), timeout=300):
    """Runs `tersor` with these arguments; fails the test on an exit code that is not in `exits`."""
    words = command() + [str(a) for a in arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, errors="replace")
    assert exits is None or done.returncode in exits, (
        f"{shlex.join(words)}\nexit {done.returncode}\n{done.stderr[-2000:]}")
    return done


def run_json(*arguments, exits=(0,), timeout=300):
    """The JSON document that `--json` puts on stdout."""
    return json.loads(run(*arguments, "--json", exits=exits, timeout=timeout).stdout)


def read_pb(path):
    return numpy_helper.to_array(TensorProto.FromString(pathlib.Path(path).read_bytes()))


def write_pb(path, array, name=""):
    path.write_bytes(numpy_helper.from_array(np.asarray(array), name).SerializeToString())


def write_inputs(folder, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for k, array in enumerate(arrays):
        write_pb(folder / f"input_{k}.pb", array)
    return folder


def read_outputs(folder):
    """output_0.pb, output_1.pb, ... of a folder."""
    return [read_pb(folder / f"output_{k}.pb") for k in range(len(list(folder.glob("output_*.pb"))))]


def run_pb(model, inputs, out):
    """Outputs of a model for a folder of input_<k>.pb, or for a list of arrays."""
    if not isinstance(inputs, (str, pathlib.Path)):
        inputs = write_inputs(out / "in", inputs)
    (out / "out").mkdir(parents=True, exist_ok=True)
    run("run-pb", model, inputs, out / "out")
    return read_outputs(out / "out")


def relative_error(got, wanted):
    """max|a-b| / max|b|; anything but float has to be equal."""
    assert got.shape == wanted.shape and got.dtype == wanted.dtype, (got.shape, wanted.shape)
    if wanted.dtype.kind != "f":
        return 0.0 if np.array_equal(got, wanted) else np.inf
    if wanted.size == 0:
        return 0.0
    got, wanted = got.astype(np.float64), wanted.astype(np.float64)
    return float(np.max(np.abs(got - wanted)) / max(np.max(np.abs(wanted)), 1e-30))


def sqnr(got, wanted):
    """Signal to quantization noise, in dB."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    noise = np.sum((got - wanted) ** 2)
    return float(10 * np.log10(np.sum(wanted ** 2) / noise)) if noise else np.inf
