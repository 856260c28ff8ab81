"""Half precision: valid files of every class, close answers, and numbers that a plain conversion breaks."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from support import tersor

NETWORKS = ["resnet_opset9", "resnet_opset17", "mobilenet_v2_opset13", "mobilenet_v3_opset11", "detector_opset9",
            "detector_opset17", "text_recognizer_opset13", "lstm_state_opset9", "lstm_state_opset17",
            "gru_state_opset13", "voice_activity_opset13", "if_conv_opset11", "loop_opset13", "scan_opset13",
            "bert_opset13", "bert_opset20", "efficientnet_lite_opset13", "local_function", "resnet_constant_weights",
            "question_dims", "external_data"]
CODES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


def data_set(name):
    folder = tersor.MODELS / name / "test_data_set_0"
    count = len(list(folder.glob("input_*.pb")))
    return [tersor.read_pb(folder / f"input_{i}.pb") for i in range(count)], tersor.read_outputs(folder)


def types(graph):
    return {v.type.tensor_type.elem_type for v in [*graph.input, *graph.output]}


@pytest.mark.parametrize("to,bound", [("fp16", 5e-3), ("bf16", 3e-2)])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name, to, bound, tmp_path):
    out = tmp_path / "half.onnx"
    tersor.run("convert", tersor.MODELS / name / "model.onnx", "--to", to, "-o", out)
    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    weights = [t for t in model.graph.initializer if t.data_type in (1, 10, 16) and np.prod(t.dims) > 64]
    assert not [t.name for t in weights if t.data_type != CODES[to]]
    inputs, wanted = data_set(name)
    got = tersor.run_pb(out, inputs, tmp_path)
    for a, b in zip(got, wanted, strict=True):
        assert tersor.relative_error(a, b) <= bound


@pytest.mark.parametrize("to", ["fp16", "bf16"])
def test_back_to_float32_is_exact(to, tmp_path):
    model = tersor.ROOT / "models" / "fashion_resnet.onnx"
    tersor.run("convert", model, "--to", to, "-o", tmp_path / "half.onnx")
    tersor.run("convert", tmp_path / "half.onnx", "--to", "fp32", "-o", tmp_path / "back.onnx")
    assert (tmp_path / "half.onnx").stat().st_size <= 0.53 * model.stat().st_size
    back = onnx.load(tmp_path / "back.onnx")
    onnx.checker.check_model(back, full_check=True)
    assert not [n for n in back.graph.node if n.op_type == "Cast"]
    before = {t.name: numpy_helper.to_array(t) for t in onnx.load(model).graph.initializer}
    after = [numpy_helper.to_array(t) for t in back.graph.initializer]
    assert {a.dtype for a in after if a.dtype.kind == "f"} == {np.dtype(np.float32)}
    if to == "fp16":
        wanted = sorted(v.astype(np.float16).astype(np.float32).tobytes() for v in before.values() if v.dtype == np.float32)
        assert sorted(a.tobytes() for a in after if a.dtype == np.float32) == wanted


def test_io_and_storage(tmp_path):
    model = tersor.MODELS / "resnet_opset17" / "model.onnx"
    tersor.run("convert", model, "-o", tmp_path / "io.onnx", "--io", "half")
    assert types(onnx.load(tmp_path / "io.onnx").graph) == {TensorProto.FLOAT16}
    tersor.run("convert", model, "-o", tmp_path / "storage.onnx", "--storage-only")
    stored = onnx.load(tmp_path / "storage.onnx")
    onnx.checker.check_model(stored, full_check=True)
    assert types(stored.graph) == {TensorProto.FLOAT}
    inputs, wanted = data_set("resnet_opset17")
    assert tersor.relative_error(tersor.run_pb(tmp_path / "storage.onnx", inputs, tmp_path)[0], wanted[0]) <= 2e-3


def test_keep_and_wrong_type(tmp_path):
    model = tersor.MODELS / "resnet_opset17" / "model.onnx"
    report = tersor.run_json("convert", model, "-o", tmp_path / "h.onnx", "--keep", "Gemm")
    assert [(k["op"], k["reason"]) for k in report["kept"]] == [("Gemm", "kept as asked")]
    refused = tersor.run("convert", model, "-o", tmp_path / "x.onnx", "--to", "fp17", exits=[2])
    assert "fp16" in refused.stderr and not (tmp_path / "x.onnx").exists()


# ---- numbers that break -------------------------------------------------------------------------

def chain(tmp_path, nodes, weights, shape, samples=None):
    """A model x -> y of these nodes, and 8 samples."""
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", 1, ["N", *shape])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in weights.items()])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    x = np.random.default_rng(0).normal(size=(16, *shape)).astype(np.float32) if samples is None else samples
    np.save(tmp_path / "x.npy", x)
    return path


def large_activation(tmp_path):
    rng = np.random.default_rng(1)
    w = [rng.normal(size=(16, 16)) for _ in range(4)]
    w[2] *= 1e5
    w[3] *= 1e-5
    nodes = []
    for i in range(4):
        nodes += [helper.make_node("MatMul", ["x" if i == 0 else f"r{i - 1}", f"w{i}"], [f"m{i}"], f"matmul{i}"),
                  helper.make_node("Relu", [f"m{i}"], [f"r{i}" if i < 3 else "y"], f"relu{i}")]
    return chain(tmp_path, nodes, {f"w{i}": v for i, v in enumerate(w)}, [16]), {"matmul2", "relu2", "matmul3"}


def large_variance(tmp_path):
    rng = np.random.default_rng(2)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
             helper.make_node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"], "bn"),
             helper.make_node("Relu", ["n"], ["y"], "relu")]
    weights = {"w": rng.normal(size=(4, 3, 3, 3)) * 1e3, "g": np.ones(4), "b": np.zeros(4), "m": np.zeros(4),
               "v": np.full(4, 1e7)}
    return chain(tmp_path, nodes, weights, [3, 8, 8]), {"bn"}


def small_variance(tmp_path):
    nodes = [helper.make_node("Mul", ["x", "tiny"], ["s"], "scale"),
             helper.make_node("Add", ["s", "epsilon"], ["a"], "add"),
             helper.make_node("Sqrt", ["a"], ["r"], "root"),
             helper.make_node("Div", ["s", "r"], ["y"], "divide")]
    weights = {"tiny": [1e-9], "epsilon": [1e-9]}
    x = np.abs(np.random.default_rng(3).normal(size=(16, 32))).astype(np.float32)
    return chain(tmp_path, nodes, weights, [32], x), {"scale", "add", "root", "divide"}


@pytest.mark.parametrize("network", [large_activation, large_variance, small_variance])
def test_numbers_that_break(network, tmp_path):
    model, offending = network(tmp_path)
    data = ["-d", tmp_path / "x.npy"]
    limits = ["--fail-if", "sqnr<40"]
    tersor.run("convert", model, "-o", tmp_path / "naive.onnx", "--naive", *data, exits=[0, 1])
    broken = tersor.run("compare", model, tmp_path / "naive.onnx", *data, *limits, exits=[1])
    assert "not met" in broken.stdout
    report = tersor.run_json("convert", model, "-o", tmp_path / "ours.onnx", *data)
    tersor.run("compare", model, tmp_path / "ours.onnx", *data, *limits)
    assert {k["node"] for k in report["kept"]} <= offending and report["kept"]
    assert all(k["reason"] for k in report["kept"])
