"""Learned rounding and 4-bit weights as a user meets them: files, recipes, what is refused."""

import numpy as np
import onnx
import pytest

from support import tersor

RESNET = tersor.ROOT / "models" / "fashion_resnet.onnx"
MOBILENET = tersor.ROOT / "models" / "fashion_mobilenet.onnx"
PICTURES = tersor.ROOT / "tests" / "data" / "fashion"


def quantize(model, out, *options, **how):
    return tersor.run_json("quantize", model, "-d", PICTURES, "-o", out, "--force", *options, **how)


@pytest.fixture(scope="module")
def int4(tmp_path_factory):
    out = tmp_path_factory.mktemp("int4") / "resnet.int4.onnx"
    return out, quantize(RESNET, out, "-t", "int4")


def test_int4_is_standard_onnx(int4):
    out, report = int4
    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    assert {o.domain: o.version for o in model.opset_import}[""] >= 21
    weights = [i for i in model.graph.initializer if len(i.dims) > 1 and i.data_type != onnx.TensorProto.FLOAT]
    assert [i.data_type for i in weights] == [onnx.TensorProto.INT4] * 21
    assert out.stat().st_size < 0.16 * RESNET.stat().st_size
    assert {l["type"] for l in report["layers"] if "rounding" in l} == {"int4"}
    assert {l["rounding"] for l in report["layers"] if "rounding" in l} == {"learned"}
    assert report["result"]["type"] == "int4"


def test_int4_runs_in_integers(int4):
    out, _ = int4
    steps = tersor.run_json("inspect", "--plan", out)["plan"]["steps"]
    assert len([s for s in steps if s["op"] in ("Conv", "Gemm") and s["type"] == "int8"]) == 21
    assert not [s for s in steps if s["kernel"] == "reference"]
    for target in ("tersor", "onnxruntime", "openvino"):
        tersor.run("inspect", out, "--target", target)
    assert "int4, 16 scales along axis 0" in tersor.run("explain", out).stdout
    assert tersor.run_json("explain", out)["explain"]["recipe"].startswith("int4 mse per-channel")


@pytest.mark.parametrize("options", [("-t", "int4"), ("--recipe", "best")])
def test_same_bytes_for_any_number_of_threads(options, tmp_path):
    files = []
    for threads in (1, 2, 5):
        files.append(tmp_path / f"{threads}.onnx")
        quantize(MOBILENET, files[-1], *options, "--threads", threads, "--verify", 0)
    assert len({f.read_bytes() for f in files}) == 1


@pytest.mark.parametrize("model", [RESNET, MOBILENET])
def test_learned_rounding_is_closer_to_the_original(model, tmp_path):
    def sqnr(*options):
        report = quantize(model, tmp_path / "q.onnx", "-t", "int4", *options, exits=[0, 1])
        return report["compare"]["outputs"][0]["sqnr_db"]

    nearest, fed, learned = (sqnr("--gptq", "off", "--adaround", "off"),
                             sqnr("--gptq", "on", "--adaround", "off"), sqnr())
    print(f"  {model.stem}: nearest {nearest:.1f} dB, gptq {fed:.1f}, with adaround {learned:.1f}")
    assert fed > nearest + 2 and learned > nearest + 2


def test_recipes(tmp_path):
    out = tmp_path / "q.onnx"
    told = {r: quantize(MOBILENET, out, "--recipe", r, "--verify", 0) for r in ("fast", "balanced", "best")}
    assert [told[r]["calibration"]["method"] for r in told] == ["minmax", "mse", "mse"]
    rounding = {r: {l["rounding"] for l in told[r]["layers"] if "rounding" in l} for r in told}
    assert rounding == {"fast": {"nearest"}, "balanced": {"nearest"}, "best": {"learned"}}
    single = quantize(MOBILENET, out, "--recipe", "fast", "--adaround", "on", "--calib", "entropy",
                      "--verify", 0)
    assert single["calibration"]["method"] == "entropy"
    assert tersor.run_json("explain", out)["explain"]["recipe"] == "int8 entropy per-channel adaround"
    wrong = tersor.run("quantize", MOBILENET, "-d", PICTURES, "--recipe", "besst", exits=[2])
    assert "best" in wrong.stderr


def test_statistics_are_not_enough_to_learn_from(tmp_path):
    stats, out = tmp_path / "s.json", tmp_path / "q.onnx"
    tersor.run("calibrate", MOBILENET, "-d", PICTURES, "-o", stats)
    for options in (["-t", "int4"], ["--recipe", "best"]):
        refused = tersor.run("quantize", MOBILENET, "--stats", stats, "-o", out, *options, exits=[2])
        assert "data" in refused.stderr and not out.exists()
    tersor.run("quantize", MOBILENET, "--stats", stats, "-o", out, "-t", "int4", "--gptq", "off",
               "--adaround", "off")
    with_stats, without = tmp_path / "a.onnx", tmp_path / "b.onnx"
    quantize(MOBILENET, with_stats, "--stats", stats, "-t", "int4")
    quantize(MOBILENET, without, "-t", "int4")
    assert with_stats.read_bytes() == without.read_bytes()


def test_targets(tmp_path):
    out = tmp_path / "q.onnx"
    refused = tersor.run("quantize", MOBILENET, "-d", PICTURES, "-o", out, "-t", "int4", "--target",
                         "tensorrt", exits=[5])
    assert "TensorRT" in refused.stderr and not out.exists()
    quantize(RESNET, out, "--recipe", "best", "--target", "onnxruntime", "--verify", 0)
    model = onnx.load(out)
    for i in model.graph.initializer:
        w = onnx.numpy_helper.to_array(i).astype(np.int32)
        if i.data_type == onnx.TensorProto.INT8 and w.ndim == 4 and w.shape[1] > 1:
            inner = w.transpose(0, 2, 3, 1).reshape(len(w), -1)  # input channels are neighbours
            pairs = np.maximum(inner[:, ::2], 0) + np.maximum(inner[:, 1::2], 0)
            assert pairs.max() <= 128


@pytest.mark.parametrize("recipe", ["balanced", "best"])
def test_weights_for_avx2(recipe, tmp_path, monkeypatch):
    """Of eight neighbouring input channels 0, 1, 4, 5 and 2, 3, 6, 7 meet in one sum of 16 bits; layers that would
    lose more than a bit by that stay as they are."""
    out, any_out = tmp_path / "avx2.onnx", tmp_path / "any.onnx"
    quantize(MOBILENET, out, "--recipe", recipe, "--target", "tersor-avx2")
    quantize(MOBILENET, any_out, "--recipe", recipe, "--verify", 0)

    def largest(path):
        """By layer, of each kernel of 1x1."""
        sums = []
        for i in onnx.load(path).graph.initializer:
            w = onnx.numpy_helper.to_array(i).astype(np.int32)
            if i.data_type == onnx.TensorProto.INT8 and w.ndim == 4 and w.shape[1] % 8 == 0:
                fours = w.transpose(0, 2, 3, 1).reshape(-1, 8)[:, [0, 1, 4, 5, 2, 3, 6, 7]]
                sums.append(max(np.maximum(sign * fours, 0).reshape(-1, 4).sum(1).max() for sign in (1, -1)))
        return np.array(sums)

    assert (largest(out) <= 128).sum() >= 14 and (largest(any_out) > 128).all()
    # Every instruction set computes the same, and without VNNI the kernels are those for such weights.
    picture = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype(np.float32)
    results = {}
    for isa in "portable", "avx2", "avx512":
        monkeypatch.setenv("TERSOR_ISA", isa)
        steps = tersor.run_json("inspect", out, "--plan")["plan"]["steps"]
        fours = [s for s in steps if "fours" in s["kernel"]]
        if isa == "avx2" and "avx2" in tersor.run_json("version")["host"]["isa"]:
            assert len(fours) >= 14 and all("16 bits" in s["why"] for s in fours)
        results[isa] = tersor.run_pb(out, [picture], tmp_path / isa)[0]
    assert np.array_equal(results["portable"], results["avx2"])
    assert np.array_equal(results["portable"], results["avx512"])
