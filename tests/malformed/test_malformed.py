"""Every wrong input of expected.json: the right exit code, one clear sentence, nothing written."""

import json
import pathlib

import pytest

from support import tersor

HERE = pathlib.Path(__file__).resolve().parent
CASES = json.loads((HERE / "expected.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"].replace(" ", "_"))
def test_malformed(case, tmp_path):
    files = HERE / "files"
    before = {p: p.stat().st_mtime_ns for p in files.rglob("*")}
    words = [a.format(bad=files, models=tersor.MODELS, out=tmp_path) for a in case["args"]]
    done = tersor.run(*words, exits=case["exit"], timeout=60)
    assert before == {p: p.stat().st_mtime_ns for p in files.rglob("*")}
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    if done.returncode == 0:
        return
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(errors) == 1, done.stderr
    for word in case["says"]:
        assert word.lower() in done.stderr.lower(), done.stderr
