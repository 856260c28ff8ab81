"""A network made to break naive tools: ours by the default recipe, onnxruntime's tool for contrast."""

import numpy as np
import onnx
import pytest
from onnxruntime import quantization

import peers
from support import tersor, unkind_network


@pytest.fixture(scope="module")
def model(scratch):
    path = scratch / "unkind.onnx"
    unkind_network.write(path)
    return path


class Reader:
    def __init__(self, array):
        self.items = iter([{"image": a[None]} for a in array])

    def get_next(self):
        return next(self.items, None)


def values_of(model, names, x, folder):
    """Values inside the model."""
    with_outputs = onnx.load(model)
    with_outputs.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names)
    onnx.save(with_outputs, folder / "inside.onnx")
    return peers.run(folder / "inside.onnx", [x])[-len(names):]


def test_it_has_what_breaks_naive_tools(model, tmp_path):
    x = unkind_network.pictures(64, 1, 100)
    dead, joined = values_of(model, ["dead", unkind_network.JOINED], x, tmp_path)
    boxes, scores = joined[:, :4], joined[:, 4:]
    assert boxes.max() > 600 and boxes.min() > 0 and scores.max() < 1
    assert 0.9e-5 < np.mean(np.abs(x) > 90) < 1.1e-5 and np.abs(x)[np.abs(x) < 90].max() < 6
    assert all(dead[:, c].max() == 0 for c in unkind_network.DEAD)
    assert sum(dead[:, c].max() == 0 for c in range(dead.shape[1])) == len(unkind_network.DEAD)
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(model).graph.initializer}
    sizes = np.abs(next(w for n, w in weights.items() if n.startswith(unkind_network.EXTREME))).max((1, 2, 3))
    assert sizes.max() / sizes.min() > 10_000


def worst(got, wanted):
    return min(tersor.sqnr(a, b) for a, b in zip(got, wanted, strict=True))


@pytest.mark.parametrize("outlier", [30, 100, 1000])
def test_the_default_recipe_keeps_25_db_at_every_output(model, outlier, scratch, tmp_path):
    seen, unseen = (unkind_network.pictures(64, seed, outlier) for seed in (1, 2))
    wanted = peers.run(model, [unseen])
    data = peers.save(tmp_path / "seen.npy", seen)
    figures = {}
    for target in ("any", "onnxruntime", "openvino"):
        out = tmp_path / f"{target}.onnx"
        report = tersor.run_json("quantize", model, "-d", data, "-n", 64, "--verify", 0, "-o", out,
                                 "--target", target)
        figures[target] = worst(tersor.run_pb(out, [unseen], tmp_path / target), wanted)
        figures[target + " as onnxruntime executes it"] = worst(peers.run(out, [unseen]), wanted)
    naive = tmp_path / "naive.onnx"
    quantization.quantize_static(model, naive, Reader(seen), per_channel=True,
                                 activation_type=quantization.QuantType.QUInt8,
                                 weight_type=quantization.QuantType.QInt8)
    theirs = worst(peers.run(naive, [unseen], optimized=False), wanted)
    kept = [k["reason"] for k in report["kept"]]
    print(f"\n  outliers of {outlier}: " + ", ".join(f"{k} {v:.1f} dB" for k, v in figures.items()) +
          f"; onnxruntime's quantize_static {theirs:.1f} dB; in float here: {kept}")
    assert min(figures.values()) >= 25
    assert theirs < 10
