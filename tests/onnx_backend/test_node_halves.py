"""Every node case of PyPI onnx in half precision and back: valid files, which onnxruntime loads where it
loads the original."""

import subprocess
import warnings

import onnx
import pytest

import cases
from support import tersor

onnxruntime = pytest.importorskip("onnxruntime")  # of tests/peers/requirements.txt

# Functions written out say nothing new; the reader is tested elsewhere with what is no tensor.
SKIP = ("_expanded", "_expanded_ver")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of the cases whose models pass the checker."""
    root = tmp_path_factory.mktemp("cases")
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in cases.node_cases():
            if any(s in case.name for s in SKIP):
                continue
            path = root / f"{case.name}.onnx"
            path.write_bytes(case.model.SerializeToString())
            try:
                onnx.checker.check_model(str(path), full_check=True)
            except Exception:
                continue
            found.append(path)
    return found


def load_error(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as e:
        return str(e)
    return ""


@pytest.mark.parametrize("options", [["--to", "fp16"], ["--to", "fp16", "--io", "half"], ["--to", "bf16"],
                                     ["--to", "bf16", "--storage-only"]], ids=" ".join)
def test_valid_and_loads(options, models, tmp_path):
    bad = []
    for path in models:
        half, back = tmp_path / path.name, tmp_path / ("back_" + path.name)
        plain = len(options) == 2
        for source, out, words in ((path, half, options), (half, back, ["--to", "fp32"]))[:1 + plain]:
            done = subprocess.run(tersor.command() + ["convert", str(source), "-q", "-o", str(out)] + words,
                                  capture_output=True, text=True)
            if done.returncode == 5 and "bfloat16 begins with opset 13" in done.stderr:
                break
            if done.returncode:
                bad.append(f"{path.stem}: exit {done.returncode}: {done.stderr[:300]}")
                break
            try:
                onnx.checker.check_model(str(out), full_check=True)
            except Exception as e:
                bad.append(f"{path.stem}: {out.name}: {str(e)[:300]}")
        else:
            error = load_error(half)
            # A kernel that onnxruntime does not have in a half is no fault of the file.
            if error and "NOT_IMPLEMENTED" not in error and not load_error(path):
                bad.append(f"{path.stem}: {error[:300]}")
    assert not bad, f"{len(bad)} of {len(models)}:\n" + "\n".join(bad[:30])
    assert len(models) > 1000
