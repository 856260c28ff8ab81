"""Every verb as a user meets it: exit codes, one JSON document, what is written and what is not."""

import json

import numpy as np
import onnx
import pytest

from support import tersor

RESNET = tersor.ROOT / "models" / "fashion_resnet.onnx"
PICTURES = tersor.ROOT / "tests" / "data" / "fashion"
VERBS = ["inspect", "quantize", "calibrate", "convert", "compare", "eval", "bench", "run", "run-pb", "explain",
         "version"]


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    out = tmp_path_factory.mktemp("int8") / "resnet.int8.onnx"
    tersor.run("quantize", RESNET, "-d", PICTURES, "-o", out)
    return out


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """What the float model says, as labels: accuracy 1 for itself."""
    report = tersor.run_json("compare", RESNET, RESNET, "-d", PICTURES, "--show", 1000)
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    lines = [f"{s['source'].split('/')[-1]},{s['label'][0]}" for s in report["compare"]["samples"]]
    path.write_text("file,label\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example(verb):
    text = tersor.run(verb, "--help").stdout
    assert f"tersor {verb}" in text and "example" in text
    assert len(text.splitlines()) <= 60


def test_program_help_names_every_verb():
    text = tersor.run("--help").stdout
    assert all(verb in text for verb in VERBS)


def test_version():
    assert tersor.run("--version").stdout.startswith("tersor ")
    report = tersor.run_json("version")
    assert report["tersor"] and "portable" in report["host"]["isa"]


def test_inspect():
    text = tersor.run("inspect", RESNET, "--layers").stdout
    assert "quantizable: 21 of 21" in text
    report = tersor.run_json("inspect", RESNET, "--layers", "--plan")
    assert report["model"]["quantizable"] == 21 and len(report["layers"]) == report["model"]["nodes"]
    assert not [s for s in report["plan"]["steps"] if s["kernel"] == "reference"]


def test_quantize_writes_beside_the_model_and_never_over_it(tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(RESNET.read_bytes())
    done = tersor.run("quantize", model, "-d", PICTURES, "--verify", 0)
    out = tmp_path / "m.int8.onnx"
    assert "21 of 21" in done.stdout and out.stat().st_size <= 0.27 * model.stat().st_size
    onnx.checker.check_model(onnx.load(out), full_check=True)
    before = out.read_bytes()
    refused = tersor.run("quantize", model, "-d", PICTURES, exits=[4])
    assert "--force" in refused.stderr and out.read_bytes() == before
    tersor.run("quantize", model, "-d", PICTURES, "--verify", 0, "--force")
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.int8.onnx", "m.onnx"]


def test_quantize_json(tmp_path):
    report = tersor.run_json("quantize", RESNET, "-d", PICTURES, "-o", tmp_path / "q.onnx", "-n", 30)
    assert report["schema"] == "tersor.report/1" and report["exit"] == 0
    assert report["calibration"]["samples"] == 30 and not report["calibration"]["synthetic"]
    assert report["compare"]["n"] == 10 and report["compare"]["top1_agree"] >= 0.9
    assert report["result"]["bytes"] == (tmp_path / "q.onnx").stat().st_size
    weighted = [l for l in report["layers"] if "granularity" in l]
    assert len(weighted) == 21 and all(l["granularity"] == "channel" for l in weighted)


def test_quantize_keeps_what_is_asked(tmp_path):
    report = tersor.run_json("quantize", RESNET, "-d", PICTURES, "-o", tmp_path / "q.onnx",
                             "--keep", "/fc/*", "--per-tensor", "--calib", "minmax")
    assert {k["node"] for k in report["kept"]} == {"/fc/Gemm"}
    assert {l["granularity"] for l in report["layers"] if "granularity" in l} == {"tensor"}


def test_quantize_through_pipes(tmp_path):
    import subprocess
    done = subprocess.run([*tersor.command(), "quantize", "-", "-o", "-", "-q", "-d", str(PICTURES)],
                          input=RESNET.read_bytes(), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    onnx.checker.check_model(onnx.load_from_string(done.stdout))


def test_requantize(int8, tmp_path):
    refused = tersor.run("quantize", int8, "-d", PICTURES, "-o", tmp_path / "q.onnx", exits=[3])
    assert "already quantized" in refused.stderr
    tersor.run("quantize", int8, "-d", PICTURES, "-o", tmp_path / "q.onnx", "--requantize")
    agree = tersor.run_json("compare", RESNET, tmp_path / "q.onnx", "-d", PICTURES)["compare"]
    assert agree["top1_agree"] >= 0.9


def test_partial_leaves_unknown_operators_in_float(tmp_path):
    model = tersor.MODELS / "custom_operator" / "model.onnx"
    refused = tersor.run("quantize", model, "-d", "random:8", "-o", tmp_path / "q.onnx", exits=[5])
    assert "--partial" in refused.stderr and not list(tmp_path.iterdir())
    tersor.run("quantize", model, "-d", "random:8", "-o", tmp_path / "q.onnx", "--partial")
    ops = [n.op_type for n in onnx.load(tmp_path / "q.onnx").graph.node]
    assert "FooBar" in ops and "QuantizeLinear" in ops


def test_compare(int8, labels):
    good = tersor.run("compare", RESNET, int8, "-d", PICTURES, "--layers")
    assert "ok:" in good.stdout and "SQNR" in good.stdout
    bad = tersor.run("compare", RESNET, int8, "-d", PICTURES, "--fail-if", "sqnr<200", exits=[1])
    assert "not met: sqnr" in bad.stdout
    report = tersor.run_json("compare", RESNET, int8, "-d", PICTURES, "--labels", labels)["compare"]
    assert report["top1"][0] == 1.0 and report["n"] == 40 and report["passed"]
    assert len(report["top1_delta_ci95"]) == 2


def test_eval(int8, labels):
    report = tersor.run_json("eval", RESNET, "-d", PICTURES, "--labels", labels)
    assert report["top1"] == 1.0 and report["n"] == 40
    assert tersor.run_json("eval", int8, "-d", PICTURES, "--labels", labels)["top1"] >= 0.9
    assert tersor.run("eval", RESNET, "-d", PICTURES, exits=[2]).stderr.count("error") == 1


def test_bench(int8):
    report = tersor.run_json("bench", RESNET, int8, "--threads", "1,2", "--seconds", 0.05, "--profile")
    assert [(b["model"], b["threads"]) for b in report["bench"]] == [
        (str(m), t) for t in (1, 2) for m in (RESNET, int8)]
    assert all(b["p50_ms"] > 0 for b in report["bench"]) and len(report["profile"]) == 2
    assert tersor.run("bench", RESNET, "--seconds", 0.05, "--format", "md").stdout.startswith("| model")


def test_run(tmp_path):
    picture = PICTURES / "00.png"
    report = tersor.run_json("run", RESNET, "-i", picture, "-k", 3, "--save", tmp_path / "out.npz")
    assert len(report["outputs"][0]["top"]) == 3
    saved = np.load(tmp_path / "out.npz")["logits"]
    assert saved.shape == (1, 10) and saved.argmax() == report["outputs"][0]["top"][0]["label"]


def test_json_errors_stay_on_standard_error(tmp_path):
    done = tersor.run("inspect", tmp_path / "none.onnx", "--json", exits=[3])
    assert not done.stdout and done.stderr.startswith("error[E01]")


def test_environment_caps_the_instruction_sets(monkeypatch):
    monkeypatch.setenv("TERSOR_ISA", "portable")
    assert tersor.run_json("version")["host"]["isa"] == ["portable"]
    steps = tersor.run_json("inspect", RESNET, "--plan")["plan"]["steps"]
    assert all("avx" not in s["kernel"] for s in steps)
    assert json.loads(tersor.run("version", "--json").stdout)


def test_the_plan_says_why_a_kernel_is_exact(int8):
    steps = tersor.run_json("inspect", int8, "--plan")["plan"]["steps"]
    convolutions = [s for s in steps if s["op"] == "Conv"]
    assert convolutions and all("exact" in s["why"] for s in convolutions)
    assert any("Winograd" in s["why"] for s in convolutions)
    assert "exact" in tersor.run("inspect", int8, "--plan").stdout


def test_inspect_target(int8, tmp_path):
    clean = tersor.run("inspect", int8, "--target", "onnxruntime")
    assert "no finding" in clean.stdout
    assert "not quantized" in tersor.run("inspect", RESNET, "--target", "tensorrt").stdout
    found = tersor.run("inspect", int8, "--target", "tensorrt", exits=[1])
    assert "[zero-point]" in found.stdout and "help:" in found.stdout
    report = tersor.run_json("inspect", int8, "--target", "tensorrt", exits=[1])
    assert report["exit"] == 1 and report["target"]["name"] == "tensorrt"
    assert {"type", "zero-point", "bias"} <= {f["rule"] for f in report["target"]["findings"]}
    assert all(f["node"] and f["what"] and f["todo"] for f in report["target"]["findings"])
    wrong = tersor.run("inspect", int8, "--target", "tensort", exits=[2])
    assert "did you mean 'tensorrt'" in wrong.stderr


@pytest.fixture(scope="module")
def for_tensorrt(tmp_path_factory):
    out = tmp_path_factory.mktemp("trt") / "resnet.trt.onnx"
    report = tersor.run_json("quantize", RESNET, "-d", PICTURES, "-o", out, "--target", "tensorrt")
    assert report["result"]["target"] == "tensorrt" and report["compare"]["top1_agree"] >= 0.95
    return out


def test_quantize_for_tensorrt(for_tensorrt):
    assert "no finding" in tersor.run("inspect", for_tensorrt, "--target", "tensorrt").stdout
    model = onnx.load(for_tensorrt)
    onnx.checker.check_model(model, full_check=True)
    weights = {i.name: i for i in model.graph.initializer}
    made = {o: n for n in model.graph.node for o in n.output}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = onnx.numpy_helper.to_array(weights[node.input[2]])
            assert zero.dtype == np.int8 and not zero.any()
        if node.op_type == "Add":
            assert all(made[i].op_type == "DequantizeLinear" for i in node.input)


def test_tensorrt_model_means_the_same_in_onnxruntime(for_tensorrt, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(3)
    batch = rng.normal(size=(1, 1, 28, 28)).astype(np.float32)
    np.save(tmp_path / "x.npy", batch)
    tersor.run("run", for_tensorrt, "-i", tmp_path / "x.npy", "--save", tmp_path / "y.npz")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    expected = ort.InferenceSession(str(for_tensorrt), options,
                                    providers=["CPUExecutionProvider"]).run(None, {"input": batch})
    ours = np.load(tmp_path / "y.npz")["logits"]
    assert np.abs(ours - expected[0]).max() <= 0.04 * np.abs(expected[0]).max()


def test_planted_violations_are_found(for_tensorrt, tmp_path):
    def plant(change):
        model = onnx.load(for_tensorrt)
        change(model.graph)
        onnx.save(model, tmp_path / "planted.onnx")
        done = tersor.run_json("inspect", tmp_path / "planted.onnx", "--target", "tensorrt",
                               exits=[1])
        return {(f["rule"], f["op"]) for f in done["target"]["findings"]}

    def first(graph, op, skip=0):
        return [n for n in graph.node if n.op_type == op][skip]

    def skip_pair(graph):
        add = first(graph, "Add")
        dq = next(n for n in graph.node if add.input[1] in n.output)
        q = next(n for n in graph.node if dq.input[0] in n.output)
        add.input[1] = q.input[0]
        graph.node.remove(dq)

    def zero_point(graph, value, dtype):
        q = first(graph, "QuantizeLinear")
        graph.initializer.append(
            onnx.numpy_helper.from_array(np.array(value, dtype=dtype), "planted_zero"))
        for node in graph.node:
            if node.name == q.name and node.output == q.output or q.output[0] in node.input:
                node.input[2] = "planted_zero"

    def wrong_axis(graph):
        conv = first(graph, "Conv", 3)
        next(n for n in graph.node if conv.input[1] in n.output).attribute[0].i = 1

    assert plant(skip_pair) == {("residual-add", "Add")}
    assert plant(lambda g: zero_point(g, 5, np.int8)) == {("zero-point", "QuantizeLinear")}
    assert plant(lambda g: zero_point(g, 0, np.uint8)) == {("type", "QuantizeLinear")}
    assert plant(wrong_axis) == {("weight-axis", "DequantizeLinear")}


def test_default_target_is_any(int8, tmp_path):
    tersor.run("quantize", RESNET, "-d", PICTURES, "-o", tmp_path / "any.onnx", "--target", "any")
    assert (tmp_path / "any.onnx").read_bytes() == int8.read_bytes()


def test_explain(tmp_path):
    out = tmp_path / "q.onnx"
    tersor.run("quantize", RESNET, "-d", PICTURES, "-o", out, "--keep", "/fc/*", "--verify", 0)
    text = tersor.run("explain", out).stdout
    for part in ("recipe", "40 samples", "fingerprint", "kept as asked", "it ends a Relu",
                 "shares the format", "int8, 16 scales along axis 0"):
        assert part in text, part
    report = tersor.run_json("explain", out)["explain"]
    assert report["recipe"].startswith("int8 mse") and not report["changed"]
    assert len(report["layers"]) == 21 and all(v["min"] <= v["max"] for v in report["values"])
    assert [l["reason"] for l in report["layers"] if not l["quantized"]] == ["kept as asked"]
    model = onnx.load(out)
    notes = {p.key: p.value for p in model.metadata_props}
    assert sum(len(k) + len(v) for k, v in notes.items()) <= 0.02 * out.stat().st_size
    assert str(tmp_path) not in str(notes) and str(PICTURES) not in str(notes)
    foreign = tersor.MODELS / "foreign_onnxruntime_u8s8" / "model.onnx"
    assert "no notes of tersor" in tersor.run("explain", foreign).stdout
    assert "nothing to explain" not in tersor.run("explain", foreign).stdout
