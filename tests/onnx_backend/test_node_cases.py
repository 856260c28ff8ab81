"""The ONNX backend node cases of PyPI onnx through `tersor run-pb`.

The command is TERSOR_BIN, as in tests/support; tersor_run_case can stand in for it: it runs a model
without the command line, with --reference by the operators' references. Exit code 5 counts as
unsupported; any other failure or a wrong result is a failure of the test. Run as a program, it prints
one line per case that is not passed, and with `--table FILE` writes the table of operators:

    TERSOR_BIN=... python test_node_cases.py [--table docs/operator-support.md] [--only PATTERN] [--jobs 2]
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import cases
from support import tersor

# The rules that tersor quantizes by: no case of these may be unsupported.
MUST_PASS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul",
             "ConvInteger", "MatMulInteger"}
# Element types of QuantizeLinear and DequantizeLinear that are carried but not computed with.
OUTSIDE = re.compile(r"float6")
# Results that depend on a random generator: only shape and type are given by the specification.
RANDOM = re.compile(r"bernoulli|random|multinomial|training_dropout(?!.*zero_ratio)")
# Two steps of its last place: numpy rounds intermediate results elsewhere.
BFLOAT16_RTOL = 2.0 ** -6
# Chains of operators: the wanted values are rounded to a half after each, ours less often where
# operators are fused; either may be the nearer one to the exact value.
EXPANDED_HALF_RTOL = 2 ** -9

Result = collections.namedtuple("Result", "name operator status detail")


EXPANDED = "(functions, expanded)"


def operator_of(case):
    """The operator a case is about. Functions that are written out by their definition say nothing of
    the function itself."""
    if "_expanded" in case.name:
        return EXPANDED
    node = case.model.graph.node[-1]
    domain = "" if node.domain in ("", "ai.onnx") else node.domain + "."
    return domain + node.op_type


def difference(got, wanted, case, random):
    """Why two values differ, or None."""
    if isinstance(wanted, (list, tuple)):
        return "a sequence is wanted"
    wanted = np.asarray(wanted)
    if got.shape != wanted.shape:
        return f"shape {got.shape}, wanted {wanted.shape}"
    if wanted.dtype == object or wanted.dtype.kind in "US":
        same = [_text(v) for v in got.reshape(-1)] == [_text(v) for v in wanted.reshape(-1)]
        return None if same else "strings differ"
    if got.dtype != wanted.dtype:
        return f"type {got.dtype}, wanted {wanted.dtype}"
    if random:
        return None
    rtol = case.rtol
    if wanted.dtype == np.float16 and case.name.endswith("_expanded"):
        rtol = max(rtol, EXPANDED_HALF_RTOL)
    if wanted.dtype.kind == "V" or wanted.dtype.name not in np.sctypeDict:
        if wanted.dtype.name == "bfloat16":
            rtol = max(rtol, BFLOAT16_RTOL)
        got, wanted = got.astype(np.float32), wanted.astype(np.float32)
    try:
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=case.atol)
    except AssertionError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return " ".join(lines[1:4])
    return None


def _text(value):
    return value.encode() if isinstance(value, str) else bytes(value)


def run_case(case, operator, folder):
    where = cases.write_case(case, folder)
    for n, (_, outputs) in enumerate(case.data_sets):
        data, out = where / f"test_data_set_{n}", where / f"out_{n}"
        out.mkdir()
        try:
            done = subprocess.run([*tersor.command(), "run-pb", where / "model.onnx", data, out],
                                  capture_output=True, text=True, errors="replace", timeout=120)
        except subprocess.TimeoutExpired:
            return Result(case.name, operator, "failed", "no end within 120 s")
        if done.returncode == 5:
            return Result(case.name, operator, "unsupported", done.stderr.strip().splitlines()[0])
        if done.returncode != 0:
            return Result(case.name, operator, "failed",
                          f"exit {done.returncode}: " + " | ".join(done.stderr.strip().splitlines()[:3]))
        random = RANDOM.search(case.name)
        for i, wanted in enumerate(outputs):
            file = out / f"output_{i}.pb"
            if not file.exists():
                return Result(case.name, operator, "failed", f"no output {i}")
            if isinstance(wanted, onnx.TensorProto):
                wanted = numpy_helper.to_array(wanted)
            got = numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes()))
            why = difference(got, wanted, case, random)
            if why:
                return Result(case.name, operator, "failed", f"output {i}: {why}")
    return Result(case.name, operator, "passed", "")


def run_all(only="*", jobs=2):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every = cases.node_cases() + cases.model_cases()
    chosen = [c for c in every if fnmatch.fnmatch(c.name, only)]
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda c: run_case(c, operator_of(c), folder), chosen))


def table(results):
    counts = collections.defaultdict(collections.Counter)
    for result in results:
        counts[result.operator][result.status] += 1
    supported = {op: c for op, c in counts.items() if c["passed"]}
    missing = sorted(op for op in counts if op not in supported)
    total = collections.Counter(r.status for r in results)
    lines = ["# Operators", "",
             f"The backend node cases of onnx {onnx.__version__} ({len(results)} cases, written by "
             "`tests/onnx_backend/test_node_cases.py --table`):",
             f"{total['passed']} passed, {total['unsupported']} unsupported, {total['failed']} wrong.",
             "A case is unsupported when tersor says so (exit 5): its operator, or an element type "
             "in it, is missing.", "",
             "| operator | passed | unsupported | wrong |", "|---|---:|---:|---:|"]
    lines += [f"| {op} | {c['passed']} | {c['unsupported']} | {c['failed']} |"
              for op, c in sorted(supported.items(), key=lambda row: row[0].lower())]
    lines += ["", f"No case passes of these {len(missing)}:", ""]
    text, row = [], ""
    for op in missing:
        if len(row) + len(op) > 96:
            text.append(row.rstrip())
            row = ""
        row += op + ", "
    lines += text + [row.rstrip(", ")]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def results():
    return run_all()


def test_no_wrong_result(results):
    wrong = [f"{r.name} ({r.operator}): {r.detail}" for r in results if r.status == "failed"]
    assert not wrong, f"{len(wrong)} of {len(results)}:\n" + "\n".join(wrong)


def test_quantization_operators_pass(results):
    of = [r for r in results if r.operator in MUST_PASS and not OUTSIDE.search(r.name)]
    assert len(of) >= 40
    bad = [f"{r.name}: {r.detail}" for r in of if r.status != "passed"]
    assert not bad, f"{len(bad)} of {len(of)}:\n" + "\n".join(bad)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--only", default="*")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    found = run_all(options.only, options.jobs)
    for result in found:
        if result.status != "passed":
            print(f"{result.status:12}{result.operator:24}{result.name}: {result.detail}")
    print(dict(collections.Counter(r.status for r in found)))
    if options.table:
        options.table.write_text(table(found))
    return any(r.status == "failed" for r in found)


if __name__ == "__main__":
    sys.exit(main())
