"""The small networks of tests/models: fp32 against onnxruntime's stored answers, and static int8."""

import json

import numpy as np
import onnx
import pytest

from support import tersor

INDEX = json.loads((tersor.MODELS / "index.json").read_text())
FOREIGN = json.loads((tersor.MODELS / "foreign.json").read_text())
RUNS = [(e["name"], k) for e in INDEX for k in range(e["data_sets"])]
QUANTIZED = [e["name"] for e in INDEX if e["data_sets"] and e["class"] != "odd"]


def model(name):
    return tersor.MODELS / name / "model.onnx"


def data_set(name, k):
    return tersor.MODELS / name / f"test_data_set_{k}"


def inputs_of(name, k):
    """Input names with the arrays of one data set, weights that are listed as inputs left out."""
    graph = onnx.load(model(name), load_external_data=False).graph
    weights = {i.name for i in graph.initializer}
    names = [i.name for i in graph.input if i.name not in weights]
    return {n: tersor.read_pb(data_set(name, k) / f"input_{i}.pb") for i, n in enumerate(names)}


@pytest.mark.parametrize("name,k", RUNS)
def test_fp32_parity(name, k, tmp_path):
    got = tersor.run_pb(model(name), data_set(name, k), tmp_path)
    wanted = tersor.read_outputs(data_set(name, k))
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted):
        assert tersor.relative_error(a, b) <= 1e-4


@pytest.mark.parametrize("name,k", [(e["name"], k) for e in FOREIGN for k in range(e["data_sets"])])
def test_foreign_int8(name, k, tmp_path):
    """Models quantized by other tools. What is stored was evaluated in float between Q and DQ, so a
    value may differ by one step where it is rounded."""
    got = tersor.run_pb(model(name), data_set(name, k), tmp_path)
    for a, b in zip(got, tersor.read_outputs(data_set(name, k)), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert tersor.sqnr(a, b) >= 30


def test_unknown_operator_is_unsupported(tmp_path):
    x = np.zeros((1, 4, 8, 8), np.float32)
    folder = tersor.write_inputs(tmp_path / "in", [x])
    done = tersor.run("run-pb", model("custom_operator"), folder, tmp_path, exits=[5])
    assert "FooBar" in done.stderr and "head/foo" in done.stderr


def calibration(name, folder, samples=8):
    """One .npz per sample: the floats of the data sets with noise, everything else as it is."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    sets = [inputs_of(name, k) for k in range(len(list((tersor.MODELS / name).glob("test_*"))))]
    for sample in range(samples):
        arrays = {n: a + rng.normal(0, 0.1, a.shape).astype(np.float32) if a.dtype.kind == "f" else a
                  for n, a in sets[sample % len(sets)].items()}
        np.savez(folder / f"{sample:02}.npz", **arrays)
    return folder


@pytest.mark.parametrize("name", QUANTIZED)
def test_static_int8(name, tmp_path):
    """Quantizes, is a valid model of standard operators, stays close, and comes out the same twice."""
    data = calibration(name, tmp_path / "data")
    written = []
    for attempt in ("a.onnx", "b.onnx"):
        tersor.run("quantize", model(name), "-d", data, "-o", tmp_path / attempt, exits=[0, 1])
        written.append((tmp_path / attempt).read_bytes())
    assert written[0] == written[1]
    result = onnx.load(tmp_path / "a.onnx")
    if result.opset_import[0].version <= onnx.defs.onnx_opset_version():
        onnx.checker.check_model(result, full_check=True)
    got = tersor.run_pb(tmp_path / "a.onnx", data_set(name, 0), tmp_path / "int8")
    for a, b in zip(got, tersor.read_outputs(data_set(name, 0))):
        assert a.shape == b.shape
        assert tersor.sqnr(a, b) >= 12
