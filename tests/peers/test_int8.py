"""Our int8 files in onnxruntime and OpenVINO, foreign int8 files in our engine, and accuracy."""

import collections
import gzip
import pathlib

import numpy as np
import onnx
import openvino
import pytest

import peers
import torch_models
from support import tersor

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
LITE0 = {"mean": 127 / 255, "std": 128 / 255}


@pytest.fixture(scope="module")
def samples(scratch):
    """32 normalised crops for ResNet-18, as one .npy."""
    return peers.save(scratch / "crops.npy", peers.crops(32, 1, 0.45, 0.225))


@pytest.fixture(scope="module")
def resnet18_int8(scratch, samples):
    out = scratch / "resnet18.int8.onnx"
    tersor.run("quantize", torch_models.resnet18(), "-d", samples, "-o", out, exits=[0, 1])
    return out


def plan_steps(model):
    """Kernel names of the steps of a plan."""
    return [s for s in tersor.run_json("inspect", "--plan", model)["plan"]["steps"]]


def integer_steps(model):
    return collections.Counter(s["op"] for s in plan_steps(model) if s["type"] == "int8")


def test_resnet18_in_our_plan(resnet18_int8):
    steps = plan_steps(resnet18_int8)
    counts = integer_steps(resnet18_int8)
    print("  our plan:", dict(collections.Counter((s["op"], s["type"]) for s in steps)))
    assert counts["Conv"] == 20 and counts["Gemm"] == 1
    assert not [s for s in steps if s["kernel"] == "reference"]


def test_resnet18_in_onnxruntime(resnet18_int8):
    counts = peers.optimized_operators(resnet18_int8)
    print("  onnxruntime:", dict(counts))
    assert counts["QLinearConv"] == 20
    assert counts["QGemm"] == 1
    assert counts["QLinearAdd"] == 8
    assert counts["QuantizeLinear"] == 1 and counts["Conv"] == counts["FusedConv"] == 0


def test_resnet18_in_openvino(resnet18_int8):
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(resnet18_int8), "CPU")
    kinds = collections.Counter()
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        kinds[info["layerType"].astype(str), info["runtimePrecision"].astype(str)] += 1
    print("  OpenVINO:", dict(kinds))
    assert sum(n for (layer, precision), n in kinds.items()
               if layer == "Convolution" and precision in ("u8", "i8")) == 20


def test_resnet18_close_to_fp32(resnet18_int8, tmp_path):
    """Also: onnxruntime, executing Q and DQ as written, gives what our integers give."""
    x = peers.crops(8, 2, 0.45, 0.225)
    wanted = peers.run(torch_models.resnet18(), [x])[0]
    ours = tersor.run_pb(resnet18_int8, [x], tmp_path)[0]
    plain = peers.run(resnet18_int8, [x], optimized=False)[0]
    print(f"  resnet18 int8: {tersor.sqnr(ours, wanted):.1f} dB to fp32 "
          f"(onnxruntime unoptimized {tersor.sqnr(plain, wanted):.1f} dB, "
          f"optimized {tersor.sqnr(peers.run(resnet18_int8, [x])[0], wanted):.1f} dB); "
          f"ours to onnxruntime unoptimized {tersor.sqnr(ours, plain):.1f} dB")
    assert tersor.sqnr(ours, wanted) >= 20
    assert tersor.sqnr(ours, plain) >= 30


class Reader:
    """onnxruntime's way to pass calibration data."""

    def __init__(self, array):
        self.items = iter([{"input": a[None]} for a in array])

    def get_next(self):
        return next(self.items, None)


def test_foreign_onnxruntime(scratch, samples, tmp_path):
    from onnxruntime import quantization
    out = scratch / "resnet18.ort.onnx"
    quantization.quantize_static(torch_models.resnet18(), out, Reader(np.load(samples)[:8]),
                                 per_channel=True, activation_type=quantization.QuantType.QUInt8,
                                 weight_type=quantization.QuantType.QInt8)
    check_foreign(out, tmp_path)


def test_foreign_nncf(scratch, samples, tmp_path):
    import nncf
    model = onnx.load(torch_models.resnet18())
    data = nncf.Dataset([{"input": a[None]} for a in np.load(samples)[:8]])
    out = scratch / "resnet18.nncf.onnx"
    onnx.save(nncf.quantize(model, data, subset_size=8), out)
    check_foreign(out, tmp_path)


def check_foreign(model, folder):
    counts = integer_steps(model)
    x = peers.crops(4, 3, 0.45, 0.225)
    ours = tersor.run_pb(model, [x], folder)[0]
    plain = peers.run(model, [x], optimized=False)[0]
    print(f"  {model.name}: integer steps {dict(counts)}; to onnxruntime unoptimized "
          f"{tersor.sqnr(ours, plain):.1f} dB")
    assert counts["Conv"] == 20
    assert tersor.sqnr(ours, plain) >= 25


def fashion():
    with gzip.open(FASHION / "t10k-images-idx3-ubyte.gz") as f:
        pixels = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(FASHION / "t10k-labels-idx1-ubyte.gz") as f:
        labels = np.frombuffer(f.read(), np.uint8, offset=8)
    return ((pixels.astype(np.float32) / 255 - 0.2860) / 0.3530).astype(np.float32), labels


@pytest.mark.parametrize("name,limit", [("fashion_resnet", 0.27), ("fashion_mobilenet", 0.34)])
def test_fashion(name, limit, scratch):
    """Accuracy of the int8 file here and in onnxruntime, its optimizations off and on."""
    model = tersor.ROOT / "models" / f"{name}.onnx"
    out = scratch / f"{name}.int8.onnx"
    tersor.run("quantize", model, "-d", FASHION / "train-images-idx3-ubyte.gz", "--preprocess",
               "fashion-mnist", "-o", out)
    ours = [tersor.run_json("eval", m, "-d", FASHION / "t10k-images-idx3-ubyte.gz", "--preprocess",
                            "fashion-mnist", "--labels", FASHION / "t10k-labels-idx1-ubyte.gz")
            ["top1"] for m in (model, out)]
    pictures, labels = fashion()

    def accuracy(path, optimized):
        run_session = peers.session(path, optimized, threads=2)
        return float(np.mean([peers.run(run_session, [pictures[i:i + 500]])[0].argmax(1) ==
                              labels[i:i + 500] for i in range(0, len(labels), 500)]))

    plain, optimized = accuracy(out, False), accuracy(out, True)
    size = out.stat().st_size / model.stat().st_size
    print(f"  {name}: fp32 {ours[0]:.4f}, int8 {ours[1]:.4f}, onnxruntime unoptimized {plain:.4f}, "
          f"optimized {optimized:.4f}, size {size:.3f}")
    assert ours[0] - ours[1] <= 0.003
    assert abs(ours[1] - plain) <= 0.001
    assert size <= limit


@pytest.mark.parametrize("name", ["fashion_resnet", "fashion_mobilenet"])
def test_weights_of_four_bits(name, scratch, tmp_path):
    """onnxruntime and OpenVINO load the file and give what our integers give."""
    out = scratch / f"{name}.int4.onnx"
    tersor.run("quantize", tersor.ROOT / "models" / f"{name}.onnx", "-d",
               FASHION / "train-images-idx3-ubyte.gz", "--preprocess", "fashion-mnist", "-t", "int4", "-o", out)
    pictures = fashion()[0][:200]
    ours = tersor.run_pb(out, [pictures], tmp_path)[0]
    theirs = {"onnxruntime unoptimized": peers.run(out, [pictures], optimized=False)[0],
              "onnxruntime": peers.run(out, [pictures])[0],
              "OpenVINO": openvino.compile_model(out, "CPU")(pictures)[0]}
    for runtime, got in theirs.items():
        same = np.mean(got.argmax(1) == ours.argmax(1))
        print(f"  {name}: ours to {runtime} {tersor.sqnr(got, ours):.1f} dB, same class {100 * same:.1f} %")
        assert tersor.sqnr(got, ours) >= 25 and same >= 0.98


def test_efficientnet_lite0(scratch, tmp_path):
    """Real pictures: the picture's class as fp32 wherever fp32 is sure, and 16 dB at the logits."""
    model = torch_models.efficientnet_lite0()
    data = peers.save(scratch / "lite0.npy", peers.crops(64, 10, **LITE0))
    out = scratch / "lite0.int8.onnx"
    tersor.run("quantize", model, "-d", data, "-o", out, exits=[0, 1], timeout=900)
    x = peers.crops(70, 20, **LITE0)
    wanted = peers.run(model, [x])[0]
    ours = tersor.run_pb(out, [x], tmp_path)[0]
    chance = np.exp(wanted - wanted.max(1, keepdims=True))
    chance /= chance.sum(1, keepdims=True)
    best = np.sort(chance, 1)
    sure = best[:, -1] - best[:, -2] >= 0.2
    agree = float(np.mean((ours.argmax(1) == wanted.argmax(1))[sure]))
    print(f"  efficientnet_lite0: {tersor.sqnr(ours, wanted):.1f} dB, classes as fp32 in "
          f"{100 * agree:.1f} % of the {int(sure.sum())} of 70 crops where fp32 is sure, "
          f"{100 * np.mean(ours.argmax(1) == wanted.argmax(1)):.1f} % of all")
    assert tersor.sqnr(ours, wanted) >= 16
    assert agree >= 0.98
    assert not [s for s in plan_steps(out) if s["kernel"] == "reference"]


@pytest.mark.parametrize("name", ["resnet_opset9", "resnet_opset11", "resnet_constant_weights",
                                  "mobilenet_v2_opset9", "mobilenet_v3_opset11", "if_conv_opset11",
                                  "voice_activity_opset13", "lstm_state_opset9",
                                  "lstm_state_opset17", "detector_opset9", "detector_opset11",
                                  "detector_opset17", "efficientnet_lite_opset13",
                                  "text_recognizer_opset13"])
def test_small_files_load(name, tmp_path):
    """What quantize writes loads and runs in onnxruntime, and gives there what it gives here."""
    folder = tersor.MODELS / name
    data = folder / "test_data_set_0"
    inputs = [tersor.read_pb(data / f"input_{i}.pb")
              for i in range(len(list(data.glob("input_*.pb"))))]
    graph = onnx.load(folder / "model.onnx").graph
    weights = {i.name for i in graph.initializer}
    names = [i.name for i in graph.input if i.name not in weights]
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "0.npz", **dict(zip(names, inputs)))
    out = tmp_path / "int8.onnx"
    tersor.run("quantize", folder / "model.onnx", "-d", tmp_path / "data", "-o", out, exits=[0, 1])
    theirs = peers.run(out, inputs, optimized=False)
    peers.session(out)
    ours = tersor.run_pb(out, inputs, tmp_path)
    worst = min(tersor.sqnr(a, b) for a, b in zip(ours, theirs, strict=True))
    print(f"  {name}: to onnxruntime unoptimized {worst:.1f} dB")
    assert worst >= 25
