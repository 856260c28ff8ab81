"""--metric script: a user's command scores models during the search of --max-drop."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import onnx
import pytest

from support import tersor

RESNET = tersor.ROOT / "models" / "fashion_resnet.onnx"
PICTURES = tersor.ROOT / "tests" / "data" / "fashion"


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go: nothing may stay there."""
    folder = tmp_path / "temporary files"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def script(folder, text):
    path = folder / "the score.py"
    path.write_text(textwrap.dedent(text))
    return path


def command(path, *words):
    return " ".join([sys.executable, f"'{path}'", "{model}", *words])


def quantize(model, out, *words, exits=(0,)):
    return tersor.run_json("quantize", model, "-d", PICTURES, "-n", 8, "-o", out, *words, exits=exits)


# A tenth less for each of the spoiled layers that is in 8 bits.
COUNTING = """
    import sys, onnx
    graph = onnx.load(sys.argv[1]).graph
    floats = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    spoiled = [n for n in graph.node if n.name.endswith("/cancel")]
    print("looking at", sys.argv[1])
    print(2 - 0.1 * sum(n.input[1] not in floats for n in spoiled), end="")
"""


@pytest.mark.parametrize("drop, in_float", [("0", 6), ("0.25", 4), ("10%", 4), ("1", 0)])
def test_layers_stay_in_float_until_the_score_holds(hard, scratch, tmp_path, drop, in_float):
    model, spoiled = hard
    report = quantize(model, tmp_path / "out.onnx", "--max-drop", drop, "--metric", "script",
                      "--metric-command", command(script(tmp_path, COUNTING)), "--report",
                      tmp_path / "r.html")
    search = report["search"]
    chosen = search["tried"][search["chosen"]]
    assert search["measure"] == "score" and search["original"] == 2 and search["stopped"] is None
    assert chosen["holds"] and len(chosen["float"]) == in_float and set(chosen["float"]) <= set(spoiled)
    assert report["compare"]["passed"] and report["exit"] == 0
    page = (tmp_path / "r.html").read_text()
    assert "The original&#39;s score is 2." in page or "The original's score is 2." in page
    assert "metric-command" in page
    notes = {p.key: p.value for p in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert str(tmp_path) not in str(notes)


@pytest.mark.parametrize("text, words", [
    ("import sys; sys.exit(3)", "failed with exit code 3"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by signal 11"),
    ("print('accuracy: 0.93')", "printed 'accuracy: 0.93' last, which is no finite number"),
    ("print('nan')", "no finite number"),
    ("print(1, 2)", "no finite number"),
    ("", "printed no number"),
    ("import time; time.sleep(60)", "took longer than 0.5 s"),
    ("import subprocess; print(1, flush=True); subprocess.run(['sleep', '60'])", "took longer than 0.5 s"),
])
def test_what_is_no_score_is_an_error_of_one_sentence(scratch, tmp_path, text, words):
    start = time.monotonic()
    done = tersor.run("quantize", RESNET, "-d", PICTURES, "-n", 8, "-o", tmp_path / "o.onnx", "--max-drop", "1%",
                      "--metric-command", command(script(tmp_path, text)), "--metric-time",
                      "0.5s" if "sleep" in text else "1m", exits=[3])
    assert "error[E52]" in done.stderr and words in done.stderr and not (tmp_path / "o.onnx").exists()
    assert time.monotonic() - start < 30


def test_a_score_that_fails_later_ends_the_search_with_the_best_so_far(hard, scratch, tmp_path):
    counted = COUNTING + f"""
    calls = open({str(tmp_path / "calls")!r}, "a+")
    calls.write("x"); calls.seek(0)
    sys.exit(len(calls.read()) > 3)
    """
    report = quantize(hard[0], tmp_path / "out.onnx", "--max-drop", "0", "--metric-command",
                      command(script(tmp_path, counted)), exits=[1])
    search = report["search"]
    assert search["stopped"] == "failed" and "exit code 1" in search["failure"] and len(search["tried"]) == 2
    assert [w["code"] for w in report["warnings"] if "ended early" in w["text"]] == ["W37"]
    assert not report["compare"]["passed"]
    onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)


def test_no_shell_reads_the_command(scratch, tmp_path):
    text = "import sys; assert sys.argv[2:] == ['$HOME', ';', 'a b', '*', '`id`'], sys.argv; print(1)"
    quantize(RESNET, tmp_path / "o.onnx", "--max-drop", "1%", "--metric-command",
             command(script(tmp_path, text), "$HOME", ";", '"a b"', "*", "`id`"))


def test_interrupted_it_ends_the_command_too(scratch, tmp_path):
    text = f"""
        import os, time
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        time.sleep(100)
    """
    words = tersor.command() + ["quantize", str(RESNET), "-d", str(PICTURES), "-n", "8", "-o",
                                str(tmp_path / "o.onnx"), "--max-drop", "1%", "--metric-command",
                                command(script(tmp_path, text))]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("options, words", [
    (["--max-drop", "1%", "--metric", "script"], "--metric-command"),
    (["--max-drop", "1%", "--metric", "top1", "--metric-command", "x {model}"], "--metric script"),
    (["--max-drop", "1%", "--metric-command", "python3 score.py"], "{model}"),
    (["--max-drop", "1%", "--metric-command", "python3 'score.py {model}"], "quote"),
    (["--max-drop", "1dB", "--metric-command", "x {model}"], "--max-drop"),
    (["--max-drop", "1%", "--metric-command", "x {model}", "--metric-time", "soon"], "--metric-time"),
    (["--metric-command", "x {model}"], "--max-drop"),
])
def test_what_cannot_be_asked_for(tmp_path, options, words):
    done = tersor.run("quantize", RESNET, "-d", PICTURES, "-o", tmp_path / "o.onnx", *options, exits=[2])
    assert words in done.stderr and not (tmp_path / "o.onnx").exists()


def test_a_command_that_is_not_there(scratch, tmp_path):
    done = tersor.run("quantize", RESNET, "-d", PICTURES, "-n", 8, "-o", tmp_path / "o.onnx", "--max-drop", "1%",
                      "--metric-command", "/no/such/program {model}", exits=[3])
    assert "cannot be run: No such file or directory" in done.stderr
