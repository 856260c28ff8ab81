"""Sensitivity of layers, and the search for those that stay in float (--max-drop)."""

import json
import signal
import subprocess

import numpy as np
import onnx
import pytest
from PIL import Image

from support import tersor

RESNET = tersor.ROOT / "models" / "fashion_resnet.onnx"
PICTURES = tersor.ROOT / "tests" / "data" / "fashion"


def in_float(path):
    """Convolutions whose weights are floats."""
    graph = onnx.load(path).graph
    floats = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    return {n.name for n in graph.node if n.op_type == "Conv" and n.input[1] in floats}


def test_sensitivity_names_the_layers_that_hurt(hard):
    model, spoiled = hard
    report = tersor.run_json("sensitivity", model, "-d", PICTURES, "-n", 20)["sensitivity"]
    layers = report["layers"]
    assert report["samples"] == 16 and len(layers) == 33
    assert {layer["node"] for layer in layers[:len(spoiled)]} == set(spoiled)
    worst = layers[0]
    assert worst["alone_db"] < 20 < layers[len(spoiled)]["alone_db"]
    assert all(layer["without_db"] > report["all_int8_db"] - 1 for layer in layers)
    text = tersor.run("sensitivity", model, "-d", PICTURES, "-n", 20).stdout
    assert text.index(worst["node"]) < text.index("/fc/Gemm") and "--max-drop" in text


@pytest.mark.parametrize("goal", [("--max-drop", "5%"), ("--max-drop", "0.05", "--metric", "top1"),
                                  ("--max-drop", "20dB", "--metric", "sqnr"),
                                  ("--max-drop", "10%", "--metric", "sqnr"),
                                  ("--max-drop", "0.01", "--metric", "cosine")])
def test_layers_stay_in_float_until_the_accuracy_holds(hard, tmp_path, goal):
    model, spoiled = hard
    out, page = tmp_path / "out.onnx", tmp_path / "out.html"
    report = tersor.run_json("quantize", model, "-d", PICTURES, "-n", 8, "-o", out, "--report", page,
                             *goal)
    search = report["search"]
    tried, chosen = search["tried"], search["tried"][search["chosen"]]
    assert chosen["holds"] and not tried[0]["holds"] and search["stopped"] is None
    assert 0 < len(chosen["float"]) <= len(spoiled)
    assert set(chosen["float"]) == in_float(out) <= set(spoiled)
    assert all(len(t["float"]) >= len(chosen["float"]) for t in tried if t["holds"])
    assert chosen["bytes"] > tried[0]["bytes"]
    kept = {k["node"]: k["reason"] for k in report["kept"]}
    assert all("accuracy" in kept[name] for name in chosen["float"])
    assert len(report["bench"]) == 3
    html = page.read_text()
    assert "svg class=scatter" in html and json.loads((tmp_path / "out.json").read_text())["search"]
    explained = tersor.run("explain", out).stdout
    assert "for the accuracy asked for" in explained


def test_nothing_stays_in_float_where_int8_holds(tmp_path):
    done = tersor.run("quantize", RESNET, "-d", PICTURES, "-n", 8, "-o", tmp_path / "o.onnx",
                      "--max-drop", "10%")
    assert "1 mixes" in done.stdout and in_float(tmp_path / "o.onnx") == set()
    plain = tmp_path / "plain.onnx"
    tersor.run("quantize", RESNET, "-d", PICTURES, "-n", 8, "-o", plain)
    assert plain.read_bytes() == (tmp_path / "o.onnx").read_bytes()


def test_when_time_is_over_the_best_so_far_is_written(hard, tmp_path):
    out = tmp_path / "out.onnx"
    done = tersor.run("quantize", hard[0], "-d", PICTURES, "-n", 8, "-o", out, "--max-drop", "5%",
                      "--time", "0.000001s", exits=[1])
    assert "not met" in done.stdout and "time is over" in done.stdout
    onnx.checker.check_model(str(out), full_check=True)


def test_interrupted_it_writes_the_best_so_far(hard, tmp_path):
    """While mixes are tried, with enough samples that each takes its time."""
    pictures = [np.asarray(Image.open(p), np.float32)[None, None] for p in sorted(PICTURES.glob("*.png"))]
    many = tmp_path / "many.npy"
    np.save(many, np.tile((np.concatenate(pictures) / 255 - 0.286) / 0.353, (150, 1, 1, 1)))
    out = tmp_path / "out.onnx"
    words = tersor.command() + ["quantize", str(hard[0]), "-d", str(many), "-n", "40", "--verify", "5000",
                                "-o", str(out), "--max-drop", "0.1%", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("layers"):
                process.send_signal(signal.SIGINT)
                break
        report = json.loads(process.communicate(timeout=300)[0])
    assert process.returncode == 130 == report["exit"]
    assert report["search"]["stopped"] == "interrupted" and report["search"]["chosen"] is not None
    onnx.checker.check_model(str(out), full_check=True)
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


@pytest.mark.parametrize("options, words", [
    (["--max-drop", "much"], "--max-drop 'much'"),
    (["--max-drop", "3dB"], "25dB"),
    (["--max-drop", "200%"], "share"),
    (["--max-drop", "1%", "--metric", "top2"], "did you mean 'top1'"),
    (["--max-drop", "1%", "--time", "soon"], "90s"),
    (["--time", "10m"], "--max-drop"),
    (["--max-drop", "1%", "--verify", "0"], "samples"),
])
def test_what_cannot_be_asked_for(tmp_path, options, words):
    done = tersor.run("quantize", RESNET, "-d", PICTURES, "-o", tmp_path / "o.onnx", *options, exits=[2])
    assert words in done.stderr and not (tmp_path / "o.onnx").exists()
