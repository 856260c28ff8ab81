"""Models made for a target, as that target takes them up."""

import numpy as np
import onnx
import pytest

import peers
import torch_models
from support import tersor

PICTURES = tersor.ROOT / "tests" / "data" / "fashion"


def crops(folder):
    return peers.save(folder / "crops.npy", peers.crops(8, 1, 0.45, 0.225))


def sentences(folder):
    data = folder / "sentences"
    data.mkdir(exist_ok=True)
    rng = np.random.default_rng(5)
    for k in range(8):
        ids = rng.integers(1, 500, (1, 48))
        np.savez(data / f"{k}.npz", input_ids=ids, attention_mask=np.ones_like(ids),
                 token_type_ids=np.zeros_like(ids))
    return data


# The model and its data.
MODELS = {
    "fashion_resnet": lambda folder: (tersor.ROOT / "models" / "fashion_resnet.onnx", PICTURES),
    "fashion_mobilenet": lambda folder: (tersor.ROOT / "models" / "fashion_mobilenet.onnx", PICTURES),
    "resnet18": lambda folder: (torch_models.resnet18(), crops(folder)),
    "mobilenet_v2": lambda folder: (torch_models.mobilenet_v2(), crops(folder)),
    "mobilenet_v3": lambda folder: (torch_models.mobilenet_v3(), crops(folder)),
    "efficientnet_lite0": lambda folder: (torch_models.efficientnet_lite0(), crops(folder)),
    "bert": lambda folder: (torch_models.bert(), sentences(folder)),
}
NETWORKS_WITH_CONVOLUTIONS = [name for name in MODELS if name != "bert"]
SENTENCE = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), [1, 48])


@pytest.fixture(scope="module")
def made(scratch):
    def make(name, target):
        out = scratch / f"{name}.{target}.onnx"
        if not out.exists():
            model, data = MODELS[name](scratch)
            tersor.run("quantize", model, "-d", data, "-o", out, "--target", target, "--verify", 0)
        return out
    return make


@pytest.mark.parametrize("target", ["onnxruntime", "openvino", "tensorrt", "tersor"])
@pytest.mark.parametrize("name", MODELS)
def test_no_rule_of_the_target_is_broken(made, name, target):
    assert "no finding" in tersor.run("inspect", made(name, target), "--target", target).stdout


@pytest.mark.parametrize("name", NETWORKS_WITH_CONVOLUTIONS)
def test_onnxruntime_computes_no_convolution_in_float(made, name):
    operators = peers.optimized_operators(made(name, "onnxruntime"))
    print(f"  {name}: {dict(operators)}")
    assert operators["QLinearConv"] >= 20
    assert not {"Conv", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "MatMul"} & set(operators)


@pytest.mark.parametrize("name", MODELS)
def test_openvino_computes_in_int8(made, name):
    """At least 95 % of the work of convolutions and products."""
    integer, total, floats = peers.openvino_work(made(name, "openvino"), SENTENCE if name == "bert" else None)
    print(f"  {name}: {100 * integer / total:.2f} % of {total / 1e6:.1f} million products in int8; in float: {floats}")
    assert integer >= 0.95 * total


@pytest.mark.parametrize("name", MODELS)
def test_notes_take_at_most_two_percent(made, name):
    out = made(name, "onnxruntime")
    notes = onnx.load(out).metadata_props
    assert notes and sum(2 + n.ByteSize() for n in notes) <= 0.02 * out.stat().st_size


def test_onnxruntime_weights_cannot_saturate(made):
    """Two neighbours along the inner axis, in 16 bits, whatever the activations are."""
    model = onnx.load(made("resnet18", "onnxruntime"))
    weights = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    made_by = {o: n for n in model.graph.node for o in n.output}
    convolutions = [n for n in model.graph.node if n.op_type == "Conv"]
    assert len(convolutions) == 20
    for node in convolutions:
        codes = weights[made_by[node.input[1]].input[0]].astype(np.int64)
        inner = codes.transpose(0, 2, 3, 1).reshape(codes.shape[0], -1)
        inner = np.pad(inner, [(0, 0), (0, inner.shape[1] % 2)]).reshape(codes.shape[0], -1, 2)
        assert 255 * np.maximum(inner, 0).sum(-1).max() <= 32767
        assert 255 * np.minimum(inner, 0).sum(-1).min() >= -32768
