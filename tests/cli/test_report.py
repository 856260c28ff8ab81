"""The page of `--report`: whole and harmless."""

import json

import onnx
import pytest

from support import tersor
from support.page import check_harmless

RESNET = tersor.ROOT / "models" / "fashion_resnet.onnx"
PICTURES = tersor.ROOT / "tests" / "data" / "fashion"
EVIL = "</title><script>document.title='owned'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def evil_model(tmp_path_factory):
    model = onnx.load(RESNET)
    names = {}
    for node in model.graph.node:
        node.name = node.name + EVIL
        for i, output in enumerate(node.output):
            if output not in [o.name for o in model.graph.output]:
                names[output] = node.output[i] = output + EVIL
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
    del model.graph.value_info[:]
    path = tmp_path_factory.mktemp("evil") / "m.onnx"
    onnx.save(model, path)
    return path


def test_quantize_report(tmp_path):
    done = tersor.run("quantize", RESNET, "-d", PICTURES, "-n", 20, "-o", tmp_path / "q.onnx",
                      "--keep", "/fc/*", "--report", tmp_path / "r.html")
    assert "r.html" in done.stdout and "r.json" in done.stdout
    page = check_harmless(tmp_path / "r.html")
    for text in ("answers as the original", "x smaller", "same label", "Error of each layer",
                 "Activations and the range", "Weights", "Size of each layer", "Labels and prob",
                 "What stayed in float", "kept as asked", "Values stored in 8 bits", "--keep",
                 "sha256"):
        assert text in page.text, text
    assert page.sources  # thumbnails
    twin = json.loads((tmp_path / "r.json").read_text())
    assert twin["schema"] == "tersor.report/1" and twin["exit"] == 0
    assert len(twin["tensors"]) > 20 and all(t["histogram"]["counts"] for t in twin["tensors"])
    assert len(twin["compare"]["layers"]) > 20 and len(twin["compare"]["most_changed"]) == 20
    weighted = [l for l in twin["layers"] if "weight_sqnr_db" in l]
    assert len(weighted) == 20 and all(l["bytes"][1] < l["bytes"][0] for l in weighted)


def test_compare_report(tmp_path):
    tersor.run("compare", RESNET, RESNET, "-d", PICTURES, "--report", tmp_path / "r.html")
    page = check_harmless(tmp_path / "r.html")
    assert "Error of each layer" in page.text and "equal" in page.text
    assert json.loads((tmp_path / "r.json").read_text())["compare"]["passed"]


def test_report_never_replaces_files(tmp_path):
    (tmp_path / "r.json").write_text("mine")
    refused = tersor.run("quantize", RESNET, "-d", PICTURES, "-o", tmp_path / "q.onnx",
                         "--report", tmp_path / "r.html", exits=[4])
    assert "--force" in refused.stderr and (tmp_path / "r.json").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json"]
    wrong = tersor.run("quantize", RESNET, "-d", PICTURES, "--report", tmp_path / "x.json", exits=[2])
    assert "x.html" in wrong.stderr


def test_names_cannot_script_the_page(evil_model, tmp_path):
    tersor.run("quantize", evil_model, "-d", PICTURES, "-n", 20, "-o", tmp_path / "q.onnx",
               "--report", tmp_path / "r.html")
    page = check_harmless(tmp_path / "r.html")
    assert "<script>document.title='owned'</script>" in page.text  # as text
    tersor.run("compare", evil_model, tmp_path / "q.onnx", "-d", PICTURES, "--report",
               tmp_path / "c.html")
    check_harmless(tmp_path / "c.html")
