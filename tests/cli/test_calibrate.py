"""Statistics as files: gathered, added up, interrupted, used, and refused."""

import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest

from support import tersor

RESNET = tersor.ROOT / "models" / "fashion_resnet.onnx"
MOBILENET = tersor.ROOT / "models" / "fashion_mobilenet.onnx"
PICTURES = tersor.ROOT / "tests" / "data" / "fashion"
CALIBRATORS = ["mse", "minmax", "moving-average", "percentile:99.9", "entropy"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("stats") / "whole.stats.json"
    tersor.run("calibrate", RESNET, "-d", PICTURES, "-o", out)
    return out


def test_calibrate_writes_beside_the_model_and_never_over_it(tmp_path, whole):
    model = tmp_path / "m.onnx"
    model.write_bytes(RESNET.read_bytes())
    done = tersor.run("calibrate", model, "-d", PICTURES)
    assert "tersor quantize" in done.stdout
    assert (tmp_path / "m.stats.json").read_bytes() == whole.read_bytes()
    assert "--force" in tersor.run("calibrate", model, "-d", PICTURES, exits=[4]).stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.stats.json"]


def test_the_file_is_readable_and_holds_no_paths(whole):
    text = whole.read_text()
    document = json.loads(text)
    assert document["schema"] == "tersor.stats/1" and document["samples"] == 40
    assert len(document["model"]) == 64 and document["settings"] == "equalize=auto per-channel"
    assert len(document["tensors"]) + 11 == len(text.splitlines())
    assert str(PICTURES) not in text and "/models" not in text and "fashion/" not in text


def test_same_bytes_for_any_number_of_threads(whole, tmp_path):
    for threads in (1, 2, 7):
        out = tmp_path / f"{threads}.json"
        tersor.run("calibrate", RESNET, "-d", PICTURES, "-o", out, "--threads", threads)
        assert out.read_bytes() == whole.read_bytes()


def test_parts_add_up_to_the_whole(whole, tmp_path):
    parts = [tmp_path / f"{i}.json" for i in range(1, 4)]
    for i, part in enumerate(parts, 1):
        tersor.run("calibrate", RESNET, "-d", PICTURES, "-o", part, "--shard", f"{i}/3")
    for order in (parts, parts[::-1]):
        report = tersor.run_json("calibrate", "--merge", *order, "-o", tmp_path / "sum.json", "--force")
        assert report["statistics"]["samples"] == 40
        assert (tmp_path / "sum.json").read_bytes() == whole.read_bytes()
    one = tersor.run("calibrate", "--merge", parts[0], "-o", "-").stdout
    assert one == parts[0].read_text()


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_quantizing_from_statistics_is_quantizing(whole, tmp_path, calibrator):
    direct, used = tmp_path / "direct.onnx", tmp_path / "used.onnx"
    tersor.run("quantize", RESNET, "-d", PICTURES, "-o", direct, "--calib", calibrator, "--verify", 0)
    done = tersor.run("quantize", RESNET, "--stats", whole, "-o", used, "--calib", calibrator)
    assert used.read_bytes() == direct.read_bytes() and "40 samples" in done.stdout
    agree = tersor.run_json("compare", RESNET, used, "-d", PICTURES)["compare"]
    assert agree["top1_agree"] >= 0.9


@pytest.mark.parametrize("options", [["--target", "tensorrt"], ["--keep", "Gemm"],
                                     ["--bias-correct", "off"], ["--target", "onnxruntime"]])
def test_one_file_serves_every_recipe(whole, tmp_path, options):
    direct, used = tmp_path / "direct.onnx", tmp_path / "used.onnx"
    tersor.run("quantize", RESNET, "-d", PICTURES, "-o", direct, "--verify", 0, *options)
    report = tersor.run_json("quantize", RESNET, "--stats", whole, "-d", PICTURES, "-o", used, *options)
    assert used.read_bytes() == direct.read_bytes() and report["compare"]["n"] > 0


def refused(*arguments):
    done = tersor.run(*arguments, exits=[3])
    assert done.stderr.count("error[E25]") == 1, done.stderr
    return done.stderr


def test_statistics_of_another_model_or_settings_are_refused(whole, tmp_path):
    other, off, shifted = (tmp_path / f"{n}.json" for n in ("other", "off", "shifted"))
    tersor.run("calibrate", MOBILENET, "-d", PICTURES, "-o", other)
    tersor.run("calibrate", RESNET, "-d", PICTURES, "-o", off, "--equalize", "off")
    tersor.run("calibrate", RESNET, "-d", PICTURES, "-o", shifted, "--mean", 0.4, "--std", 0.3)
    out = tmp_path / "out"
    assert "models" in refused("calibrate", "--merge", whole, other, "-o", out)
    assert "settings" in refused("calibrate", "--merge", whole, off, "-o", out)
    assert "preprocessing" in refused("calibrate", "--merge", whole, shifted, "-o", out)
    assert "another model" in refused("quantize", RESNET, "--stats", other, "-o", out)
    assert "equalize=off" in refused("quantize", RESNET, "--stats", off, "-o", out)
    assert not out.exists()
    tersor.run("quantize", RESNET, "--stats", off, "-o", out, "--equalize", "off")


@pytest.mark.parametrize("text", [
    "", "{}", "[]", "null", "{\"schema\": \"tersor.stats/2\"}", "[" * 100000, "\xff\xfe",
    "{\"a\":" * 50000])
def test_what_is_no_statistics_is_refused(tmp_path, text):
    bad = tmp_path / "bad.json"
    bad.write_text(text, encoding="latin-1")
    refused("quantize", RESNET, "--stats", bad, "-o", tmp_path / "q.onnx")
    refused("calibrate", "--merge", bad, "-o", tmp_path / "m.json")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.json"]


def test_damaged_statistics_are_refused(whole, tmp_path):
    document = json.loads(whole.read_text())
    name = sorted(document["tensors"])[1]

    def damaged(change):
        copy = json.loads(whole.read_text())
        change(copy, copy["tensors"][name])
        path = tmp_path / "damaged.json"
        path.write_text(json.dumps(copy))
        return refused("quantize", RESNET, "--stats", path, "-o", tmp_path / "q.onnx")

    assert name in damaged(lambda d, t: t.update(count=1))
    assert name in damaged(lambda d, t: t["histogram"]["positive"].append(1 << 63))
    assert name in damaged(lambda d, t: t["histogram"].update(exponent=-5000))
    assert name in damaged(lambda d, t: t["histogram"].update(positive=[0] * 5000))
    assert name in damaged(lambda d, t: t.update(max=1e300))
    assert name in damaged(lambda d, t: t["extremes"].update(samples=0))
    assert "nothing about" in damaged(lambda d, t: d["tensors"].pop(name))
    assert "samples" in damaged(lambda d, t: d.update(samples=-1))


def test_usage(tmp_path, whole):
    def wrong(*arguments):
        return tersor.run("calibrate", *arguments, exits=[2]).stderr
    assert "no model" in wrong()
    assert "--data" in wrong(RESNET)
    assert "--merge" in wrong(RESNET, "--merge", whole, "-o", tmp_path / "x")
    assert "-o" in wrong("--merge", whole)
    for shard in ("0/3", "4/3", "x", "1", "1/", "/2", "1/2/3", "1/-2"):
        assert "part" in wrong(RESNET, "-d", PICTURES, f"--shard={shard}")
    assert "did you mean 'entropy'" in tersor.run(
        "quantize", RESNET, "-d", PICTURES, "--calib", "entropi", exits=[2]).stderr


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "x.npy"
    np.save(path, np.random.default_rng(1).normal(size=(4000, 1, 28, 28)).astype(np.float32))
    return path


@pytest.mark.parametrize("number,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("checkpoint", [True, False])
def test_interruption(many, tmp_path, number, code, checkpoint):
    out = tmp_path / "part.stats.json"
    words = [*tersor.command(), "calibrate", str(RESNET), "-d", str(many), "-n", "1000000", "-o",
             str(out)] + ["--checkpoint"] * checkpoint
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Once it reads the data, the work has begun.
    fds = f"/proc/{process.pid}/fd"
    while process.poll() is None and str(many) not in [
            os.readlink(f"{fds}/{n}") for n in os.listdir(fds) if os.path.islink(f"{fds}/{n}")]:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(number)
    start = time.perf_counter()
    process.communicate()
    assert process.returncode in (code, 0) and time.perf_counter() - start < 10
    if process.returncode == 0:
        pytest.skip("it was done before the signal came")
    if not checkpoint:
        assert not list(tmp_path.iterdir())
        return
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    samples = json.loads(out.read_text())["samples"]
    assert 0 < samples < 4000
    tersor.run("quantize", RESNET, "--stats", out, "-o", tmp_path / "q.onnx")
    tersor.run("calibrate", "--merge", out, out, "-o", tmp_path / "sum.json")
    assert json.loads((tmp_path / "sum.json").read_text())["samples"] == 2 * samples
