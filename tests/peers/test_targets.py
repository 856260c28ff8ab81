"""Models made for a target, as that target takes them up."""

import collections

import numpy as np
import onnx
import openvino
import pytest

import peers
import torch_models
from support import tersor

PICTURES = tersor.ROOT / "tests" / "data" / "fashion"
MODELS = {
    "fashion_resnet": lambda: (tersor.ROOT / "models" / "fashion_resnet.onnx", PICTURES),
    "fashion_mobilenet": lambda: (tersor.ROOT / "models" / "fashion_mobilenet.onnx", PICTURES),
    "resnet18": lambda: (torch_models.resnet18(), "random:4"),
}


@pytest.fixture(scope="module")
def made(scratch):
    def make(name, target):
        out = scratch / f"{name}.{target}.onnx"
        if not out.exists():
            model, data = MODELS[name]()
            tersor.run("quantize", model, "-d", data, "-o", out, "--target", target, "--verify", 0)
        return out
    return make


@pytest.mark.parametrize("target", ["onnxruntime", "openvino", "tensorrt", "tersor"])
@pytest.mark.parametrize("name", MODELS)
def test_no_rule_of_the_target_is_broken(made, name, target):
    assert "no finding" in tersor.run("inspect", made(name, target), "--target", target).stdout


@pytest.mark.parametrize("name", MODELS)
def test_onnxruntime_computes_no_convolution_in_float(made, name):
    operators = peers.optimized_operators(made(name, "onnxruntime"))
    assert operators["QLinearConv"] >= 20
    assert not {"Conv", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "MatMul"} & set(operators)


@pytest.mark.parametrize("name", MODELS)
def test_openvino_computes_in_int8(made, name):
    compiled = openvino.Core().compile_model(str(made(name, "openvino")), "CPU")
    kinds = collections.Counter()
    for op in compiled.get_runtime_model().get_ops():
        info = op.get_rt_info()
        if info["layerType"].value in ("Convolution", "FullyConnected", "MatMul"):
            kinds[info["primitiveType"].value.endswith("I8")] += 1
    assert kinds[True] >= 0.95 * kinds.total() and kinds[True] >= 21


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
