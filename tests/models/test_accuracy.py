"""The trained networks of models/ by the default recipe, and with weights of 4 bits: accuracy on all test
pictures."""

import pathlib

import pytest

from support import tersor

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
TRAIN = ["-d", FASHION / "train-images-idx3-ubyte.gz", "--preprocess", "fashion-mnist"]
TEST = ["-d", FASHION / "t10k-images-idx3-ubyte.gz", "--preprocess", "fashion-mnist", "--labels",
        FASHION / "t10k-labels-idx1-ubyte.gz"]


def trained(name):
    return tersor.ROOT / "models" / f"{name}.onnx"


def accuracy(model):
    """In percent."""
    return 100 * tersor.run_json("eval", model, *TEST)["top1"]


@pytest.mark.parametrize("name,drop,equalized", [("fashion_resnet", 0.1, 0),
                                                 ("fashion_mobilenet", 0.1, 0),
                                                 ("fashion_resnet_unequal", 0.3, 8)])
def test_keeps_accuracy(name, drop, equalized, tmp_path):
    out = tmp_path / "int8.onnx"
    report = tersor.run_json("quantize", trained(name), *TRAIN, "-o", out)
    before, after = accuracy(trained(name)), accuracy(out)
    print(f"  {name}: {before:.2f} % -> {after:.2f} %, {len(report['equalize']['pairs'])} of "
          f"{report['equalize']['pairs_examined']} pairs equalized")
    assert before - after <= drop
    assert len(report["equalize"]["pairs"]) == equalized


@pytest.mark.parametrize("name,drop", [("fashion_resnet", 0.5), ("fashion_mobilenet", 1.0)])
def test_weights_of_four_bits_keep_accuracy(name, drop, tmp_path):
    """All layers; nearest rounding for contrast."""
    learned, nearest = tmp_path / "learned.onnx", tmp_path / "nearest.onnx"
    report = tersor.run_json("quantize", trained(name), *TRAIN, "-t", "int4", "-o", learned)
    assert {l["type"] for l in report["layers"] if "rounding" in l} == {"int4"} and not report["kept"]
    tersor.run("quantize", trained(name), *TRAIN, "-t", "int4", "--gptq", "off", "--adaround", "off",
               "-o", nearest, exits=[0, 1])
    before, after, contrast = (accuracy(m) for m in (trained(name), learned, nearest))
    print(f"  {name}: {before:.2f} % -> {after:.2f} % with 4 bits (nearest rounding {contrast:.2f} %)")
    assert before - after <= drop
    assert after > contrast


def test_unequal_channels_need_equalization(tmp_path):
    """What the default recipe prevents, and what it says about it."""
    model = trained("fashion_resnet_unequal")
    off = tersor.run("quantize", model, *TRAIN, "-o", tmp_path / "off.onnx", "--equalize", "off",
                     exits=[1])
    assert "pairs of layers" not in off.stdout
    assert accuracy(tmp_path / "off.onnx") < 60
    auto = tersor.run("quantize", model, *TRAIN, "-o", tmp_path / "auto.onnx")
    assert "8 of 8 pairs of layers" in auto.stdout
