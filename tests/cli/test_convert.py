"""Half precision: valid files of every class, close answers, and numbers that a plain conversion breaks."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from support import tersor

sys.path.insert(0, str(tersor.MODELS))
from networks.net import BOOL, I64, Net  # noqa: E402  (the builder of tests/models)

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
    report = tersor.run_json("convert", "--keep", "Gemm", model, "-o", tmp_path / "h.onnx")
    assert [(k["op"], k["reason"]) for k in report["kept"]] == [("Gemm", "kept as asked")]
    refused = tersor.run("convert", model, "-o", tmp_path / "x.onnx", "--to", "fp17", exits=[2])
    assert "fp16" in refused.stderr and not (tmp_path / "x.onnx").exists()


def warnings(report):
    return {w["code"] for w in report["warnings"]}


def test_io_half_is_compared(tmp_path):
    data = tmp_path / "x.npy"
    np.save(data, np.random.default_rng(0).normal(size=(8, 3, 32, 32)).astype(np.float32))
    model = tersor.MODELS / "resnet_opset17" / "model.onnx"
    report = tersor.run_json("convert", model, "-o", tmp_path / "io.onnx", "--io", "half", "-d", data)
    assert report["compare"]["passed"] and report["compare"]["n"] == 8
    back = tersor.run_json("convert", tmp_path / "io.onnx", "-o", tmp_path / "b.onnx", "--to", "fp32", "-d", data)
    assert back["compare"]["passed"] and types(onnx.load(tmp_path / "b.onnx").graph) == {TensorProto.FLOAT}


def test_outputs_keep_their_names(tmp_path):
    """Made in float32 but given as a half; given as float32 while bodies read it as a half."""
    model = tersor.MODELS / "resnet_opset17" / "model.onnx"
    tersor.run("convert", model, "-o", tmp_path / "io.onnx", "--io", "half", "--keep", "Gemm")
    graph = onnx.load(tmp_path / "io.onnx").graph
    assert [o.name for o in graph.output] == ["logits"] and types(graph) == {TensorProto.FLOAT16}
    make = onnx.helper.make_tensor_value_info
    branches = {f"{name}_branch": onnx.helper.make_graph(
        [onnx.helper.make_node(op, ["y"], [name])], name, [], [make(name, TensorProto.FLOAT, ["n"])])
        for name, op in [("then", "Neg"), ("else", "Exp")]}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"]), onnx.helper.make_node("If", ["c"], ["z"], **branches)], "captured",
        [make("x", TensorProto.FLOAT, ["n"]), make("c", TensorProto.BOOL, [])],
        [make(name, TensorProto.FLOAT, ["n"]) for name in "yz"])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
              tmp_path / "captured.onnx")
    tersor.run("convert", tmp_path / "captured.onnx", "-o", tmp_path / "half.onnx")
    onnx.checker.check_model(str(tmp_path / "half.onnx"), full_check=True)
    y, z = tersor.run_pb(tmp_path / "half.onnx", [np.float32([-1, 2]), np.array(True)], tmp_path)
    assert y.tolist() == [0, 2] and z.tolist() == [0, -2]


@pytest.mark.parametrize("to", ["fp16", "bf16"])
def test_weights_learned_from_data(to, tmp_path):
    """Closer than by rounding to nearest, on other pictures; the same bytes for any number of threads."""
    model, pictures = tersor.ROOT / "models" / "fashion_mobilenet.onnx", tersor.ROOT / "tests" / "data" / "fashion"

    def made(name, *words):
        """The file, what stays float32, and the largest change of a probability."""
        out = tmp_path / name
        report = tersor.run_json("convert", model, "--to", to, "-o", out, *words)
        kept = report["kept"]
        said = [w["text"] for w in report["warnings"] if w["code"] == "W38"]
        assert len(said) == (1 if kept else 0) and all(f" {len(kept)} nodes" in text for text in said)
        onnx.checker.check_model(str(out), full_check=True)
        assert out.stat().st_size <= 0.53 * model.stat().st_size
        report = tersor.run_json("compare", model, out, "-d", pictures)
        return out, kept, report["compare"]["max_probability_change"]

    data = ["-d", pictures, "-n", 20]
    _, _, nearest = made("nearest.onnx")
    out, kept, learned = made("learned.onnx", *data)
    assert learned <= 0.6 * nearest
    assert all("moves an output" in k["reason"] for k in kept)
    again, _, _ = made("again.onnx", *data, "--threads", 1)
    assert again.read_bytes() == out.read_bytes()
    _, kept, _ = made("loose.onnx", *data, "--max-change", 1)
    assert not kept
    _, kept, stored = made("stored.onnx", *data, "--storage-only")
    assert stored <= 0.6 * nearest and not kept


def test_from_one_half_to_the_other(tmp_path):
    model = tersor.MODELS / "mobilenet_v3_opset17" / "model.onnx"
    tersor.run("convert", model, "-o", tmp_path / "fp16.onnx")
    again = tersor.run_json("convert", tmp_path / "fp16.onnx", "-o", tmp_path / "again.onnx")
    assert "W33" in warnings(again)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "fp16.onnx").read_bytes()
    report = tersor.run_json("convert", tmp_path / "fp16.onnx", "--to", "bf16", "-o", tmp_path / "bf16.onnx")
    assert {"W35"} <= warnings(report)
    bf16 = onnx.load(tmp_path / "bf16.onnx")
    onnx.checker.check_model(bf16, full_check=True)
    assert not [t.name for t in bf16.graph.initializer if t.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)]


def test_storage_only_in_bodies_and_constants(tmp_path):
    for name in ("if_conv_opset11", "resnet_constant_weights"):
        for to, code in CODES.items():
            model, out = tersor.MODELS / name / "model.onnx", tmp_path / f"{name}.{to}.onnx"
            report = tersor.run_json("convert", model, "-o", out, "--storage-only", "--to", to)
            assert report["stored"] >= 4 and out.stat().st_size <= 0.75 * model.stat().st_size
            stored = onnx.load(out)
            onnx.checker.check_model(stored, full_check=True)
            graphs = [stored.graph] + [a.g for n in stored.graph.node for a in n.attribute if a.HasField("g")]
            weights = [t for g in graphs for t in g.initializer if np.prod(t.dims) > 64]
            assert weights and all(t.data_type == code for t in weights)
            inputs, wanted = data_set(name)
            for a, b in zip(tersor.run_pb(out, inputs, tmp_path), wanted, strict=True):
                assert tersor.relative_error(a, b) <= {"fp16": 2e-3, "bf16": 2e-2}[to]


@pytest.mark.parametrize("words,says", [
    (["--to", "float16"], "did you mean 'fp16'"), (["--storage-only", "--io", "half"], "leave out one"),
    (["--storage-only", "--keep", "Conv"], "leave out one"), (["--max-change", "2"], "between 0 and 1"),
    (["--max-change", "0.1"], "without data"), (["--to", "fp32", "--naive"], "the way back"),
    (["--io", "fp16"], "--io is 'half' or 'float'")])
def test_contradictions(words, says, tmp_path):
    model = tersor.MODELS / "resnet_opset17" / "model.onnx"
    refused = tersor.run("convert", model, "-o", tmp_path / "x.onnx", *words, exits=[2])
    assert says in refused.stderr and not (tmp_path / "x.onnx").exists()


def test_warnings(tmp_path):
    model = tersor.MODELS / "resnet_opset17" / "model.onnx"
    report = tersor.run_json("convert", model, "-o", tmp_path / "x.onnx", "--keep", "Cnov")
    assert "W34" in warnings(report) and "W35" not in warnings(report)
    unknown = tersor.run("convert", tersor.MODELS / "custom_operator" / "model.onnx", "-o", tmp_path / "y.onnx",
                         "-d", "random:2", exits=[5])
    assert "without -d" in unknown.stderr


# ---- numbers that break -------------------------------------------------------------------------

rng = np.random.default_rng(1)


def saved(folder, net, *samples):
    """The model, its samples, and where both lie."""
    onnx.save(net.model(), folder / "net.onnx")
    onnx.checker.check_model(str(folder / "net.onnx"), full_check=True)
    if len(samples) == 1:
        np.save(folder / "x.npy", samples[0].astype(np.float32))
        return folder / "net.onnx", folder / "x.npy"
    (folder / "data").mkdir()
    for i, x in enumerate(samples):
        np.savez(folder / "data" / f"{i}.npz", x=x.astype(np.float32))
    return folder / "net.onnx", folder / "data"


def large_activation(folder):
    """1e5 behind the third layer, taken back by the fourth."""
    net = Net("activation", 17)
    x = net.input("x", ["batch", 3, 16, 16])
    for i, factor in enumerate([1, 1, 1e5, 1e-5, 1]):
        channels = 8 if i else 3
        w = rng.normal(size=(8, channels, 3, 3)) * factor / np.sqrt(4.5 * channels)
        x = net.op("Relu", [net.op("Conv", [x, net.weight(w), net.bias(8)], pads=[1] * 4, name=f"conv{i}")],
                   name=f"relu{i}")
    x = net.op("Flatten", [net.op("GlobalAveragePool", [x])])
    net.output(net.gemm(x, 8, 5), "y", ["batch", 5])
    return *saved(folder, net, rng.normal(size=(16, 3, 16, 16))), {"conv2", "relu2", "conv3"}


def large_variance(folder):
    """BatchNorm takes back what the convolutions multiply by 3,000."""
    net = Net("variance", 17)
    x = net.input("x", ["batch", 3, 16, 16])
    for i in range(3):
        channels = 8 if i else 3
        w = rng.normal(size=(8, channels, 3, 3)) * 3e3 / np.sqrt(4.5 * channels)
        x = net.op("Conv", [x, net.weight(w)], pads=[1] * 4, name=f"conv{i}")
        x = net.op("BatchNormalization", [x, net.weight(np.ones(8)), net.bias(8), net.weight(rng.normal(size=8) * 100),
                                          net.weight(rng.uniform(5e6, 2e7, 8))], name=f"bn{i}")
        x = net.op("Relu", [x])
    x = net.op("Flatten", [net.op("GlobalAveragePool", [x])])
    net.output(net.gemm(x, 8, 5), "y", ["batch", 5])
    return *saved(folder, net, rng.normal(size=(16, 3, 16, 16))), {"bn0", "bn1", "bn2"}


def small_variance(folder):
    """A LayerNorm by hand on values of 3e-5: the variance is 1e-9."""
    net = Net("small", 17)
    x = net.input("x", ["batch", 6, 32])
    x = net.op("Mul", [net.linear(x, 32, 32), net.scalar(3e-5)], name="small")
    centred = net.op("Sub", [x, net.op("ReduceMean", [x], axes=[-1], name="mean")], name="centre")
    variance = net.op("ReduceMean", [net.op("Mul", [centred, centred], name="square")], axes=[-1], name="variance")
    root = net.op("Sqrt", [net.op("Add", [variance, net.scalar(1e-12)], name="epsilon")], name="root")
    x = net.op("Div", [centred, root], name="divide")
    net.output(net.linear(x, 32, 7), "y", ["batch", 6, 7])
    return *saved(folder, net, rng.normal(size=(16, 6, 32))), {"mean", "centre", "square", "variance", "epsilon", "root",
                                                              "divide"}


def recurrent(folder):
    """500 steps of an RNN whose state grows to 1e5."""
    net = Net("rnn", 17)
    x = net.input("x", [500, "batch", 8])
    w = np.abs(rng.normal(size=(1, 16, 8))) * 40
    _, h = net.op("RNN", [x, net.weight(w), net.weight(np.eye(16)[None])], 2, hidden_size=16,
                  activations=["Relu"], name="rnn")
    h = net.op("Squeeze", [h, net.ints(0)], name="squeeze")
    net.output(net.op("MatMul", [h, net.random(16, 5, scale=1e-4)], name="matmul"), "y", ["batch", 5])
    samples = [np.abs(rng.normal(size=(500, 1, 8))) for _ in range(6)]
    return *saved(folder, net, *samples), {"rnn", "squeeze", "matmul"}


def recurrent_body(folder):
    """500 steps of a Loop; the numbers that overflow live inside its body only."""
    net = Net("loop", 17)
    x = net.input("x", [1, 8])
    u = net.linear(x, 8, 16)
    body = net.branch("body")
    body.input("i", [], I64)
    go = body.input("go", [], BOOL)
    state = body.input("state", [1, 16])
    body.output(body.op("Identity", [go]), "go_on", [], BOOL)
    large = body.op("Exp", [body.op("Mul", [body.op("Add", [state, u]), body.scalar(8)])])
    body.output(body.op("Tanh", [body.op("Div", [body.op("Log", [large]), body.scalar(8)])]), "next", [1, 16])
    end = net.op("Loop", [net.scalar(500, np.int64), net.scalar(True, np.bool_), u], 1, body=body.graph(), name="loop")
    net.output(net.linear(end, 16, 5), "y", [1, 5])
    return *saved(folder, net, 2 * rng.normal(size=(16, 8))), {"loop"}


def small_steps(folder):
    """500 steps that are too small for the digits of a half, written out: no step stands out."""
    net = Net("steps", 17)
    x = net.input("x", ["batch", 8])
    state = net.op("MatMul", [x, net.random(8, 16)], name="first")
    step = net.op("MatMul", [net.op("Abs", [x]), net.random(8, 16, scale=0.01)], name="step")
    for i in range(500):
        state = net.op("Add", [state, step], name=f"add{i}")
    net.output(state, "y", ["batch", 16])
    # What is added 500 times is rounded 500 times alike.
    return *saved(folder, net, rng.normal(size=(16, 8))), {"abs_0", "step"} | {f"add{i}" for i in range(500)}


@pytest.mark.parametrize("network", [large_activation, large_variance, small_variance, recurrent, recurrent_body,
                                     small_steps])
def test_numbers_that_break(network, tmp_path):
    model, data, offending = network(tmp_path)
    limits = ["--fail-if", "sqnr<40"] if network is small_steps else []
    tersor.run("convert", model, "-o", tmp_path / "naive.onnx", "--naive", "-d", data, exits=[0, 1])
    broken = tersor.run("compare", model, tmp_path / "naive.onnx", "-d", data, *limits, exits=[1])
    assert "not met" in broken.stdout
    report = tersor.run_json("convert", model, "-o", tmp_path / "ours.onnx", "-d", data)
    onnx.checker.check_model(str(tmp_path / "ours.onnx"), full_check=True)
    tersor.run("compare", model, tmp_path / "ours.onnx", "-d", data, "--fail-if", "sqnr<40")
    assert {k["node"] for k in report["kept"]} <= offending and report["kept"]
    assert all(k["reason"] for k in report["kept"])
    said = tersor.run("convert", model, "-o", tmp_path / "ours.onnx", "--force", "-d", data).stdout
    assert "ok: the fp16 model answers as the original" in said
    for k in report["kept"][:50]:
        assert f"{k['node']} ({k['op']}): {k['reason']}" in said
