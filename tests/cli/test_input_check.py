"""Pictures that are read in another way than the model was trained on are noticed."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from support import tersor

COLOUR, SPREAD = np.array([190.0, 130.0, 50.0]), 25.0
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
IMAGENET = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Patches of colours around one, 32 x 32."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)
    for k in range(40):
        patches = np.clip(rng.normal(COLOUR, SPREAD, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(patches.repeat(4, 0).repeat(4, 1)).save(folder / f"{k:02}.png")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Its first normalization has seen such pictures as torchvision's models do."""
    constants = {"w": np.eye(3)[:, :, None, None], "one": np.ones(3), "zero": np.zeros(3),
                 "mean": (COLOUR / 255 - MEAN) / STD, "variance": (SPREAD / 255 / STD) ** 2,
                 "w2": np.random.default_rng(6).normal(size=(4, 3, 3, 3))}
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], name="first"),
             helper.make_node("BatchNormalization", ["c", "one", "zero", "mean", "variance"], ["n"]),
             helper.make_node("Conv", ["n", "w2"], ["y"], name="second")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()])
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("flags, advice", [
    (IMAGENET, None),
    (["--mean", "0", "--std", "1"], "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
    (["--mean", "0", "--std", "0.0039"], "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
    ([*IMAGENET, "--channels", "bgr"], "--channels rgb"),
])
def test_the_running_statistics_tell_how_pictures_should_be_read(model, pictures, tmp_path, flags, advice):
    out = tmp_path / "out.onnx"
    runs = [tersor.run_json("quantize", model, "-d", pictures, "-n", 32, "-o", out, *flags, exits=[0, 1]),
            tersor.run_json("calibrate", model, "-d", pictures, "-o", tmp_path / "s.json", *flags),
            tersor.run_json("compare", model, out, "-d", pictures, *flags, exits=[0, 1])]
    for report in runs:
        said = [w["text"] for w in report["warnings"] if w["code"] == "W36"]
        assert len(said) == (advice is not None)
        assert not advice or advice in said[0]


def test_arrays_and_numbers_are_not_judged(model, tmp_path):
    report = tersor.run_json("compare", model, model, "-d", "random:8")
    assert not [w for w in report["warnings"] if w["code"] == "W36"]
