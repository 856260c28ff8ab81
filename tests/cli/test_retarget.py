"""Quantized models moved to another target without calibrating again."""

import onnx
import pytest

from support import tersor

PICTURES = tersor.ROOT / "tests" / "data" / "fashion"
MOBILENET = tersor.ROOT / "models" / "fashion_mobilenet.onnx"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")

    def make(name, target):
        out = folder / f"{name}.{target}.onnx"
        if not out.exists():
            tersor.run("quantize", tersor.ROOT / "models" / f"{name}.onnx", "-d", PICTURES, "-o", out,
                       "--target", target, "--verify", 0)
        return out
    return make


@pytest.mark.parametrize("name", ["fashion_resnet", "fashion_mobilenet"])
@pytest.mark.parametrize("source, target", [("any", "onnxruntime"), ("any", "openvino"), ("openvino", "onnxruntime"),
                                            ("onnxruntime", "openvino"), ("tensorrt", "tersor")])
def test_it_computes_the_same_and_breaks_no_rule(made, tmp_path, name, source, target):
    model, out = made(name, source), tmp_path / "out.onnx"
    report = tersor.run_json("convert", model, "--target", target, "-o", out, "-d", PICTURES)
    onnx.checker.check_model(str(out), full_check=True)
    assert "no finding" in tersor.run("inspect", out, "--target", target).stdout
    compare = report["compare"]
    assert report["findings"] == 0 and compare["top1_agree"] == 1
    # Equal, but for biases that were floats.
    db = compare["outputs"][0]["sqnr_db"]
    assert db is None or (report["biases_rounded"] > 0 and db > 40)


def test_what_is_not_the_same_is_refused_in_one_sentence(made, tmp_path):
    out = tmp_path / "out.onnx"
    done = tersor.run("convert", made("fashion_mobilenet", "any"), "--target", "tensorrt", "-o", out, exits=[5])
    assert "E33" in done.stderr and "zero point" in done.stderr and "--target tensorrt" in done.stderr
    assert not out.exists()
    assert "E34" in tersor.run("convert", MOBILENET, "--target", "tensorrt", "-o", out, exits=[3]).stderr
    tersor.run("convert", MOBILENET, "--target", "tensorrt", "--to", "fp16", "-o", out, exits=[2])
    done = tersor.run("convert", MOBILENET, "--target", "tensorflow", "-o", out, exits=[2])
    assert "targets: any" in done.stderr


def test_foreign_models_move_too(tmp_path):
    """Quantized by onnxruntime's tool and by NNCF."""
    for name in ("foreign_onnxruntime_u8s8", "foreign_onnxruntime_s8s8", "foreign_nncf"):
        model = tersor.MODELS / name / "model.onnx"
        out = tmp_path / f"{name}.onnx"
        done = tersor.run("convert", model, "--target", "tersor", "-o", out, exits=[0, 5])
        assert done.returncode == 0 or "would not compute the same" in done.stderr
        if done.returncode == 0:
            compare = tersor.run_json("compare", model, out, "-d", "random:8")["compare"]
            assert all(o["sqnr_db"] is None or o["sqnr_db"] > 40 for o in compare["outputs"])
