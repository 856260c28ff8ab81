"""--max-drop beside NNCF's accuracy control, on a network that 8 bits spoil: layers left in float."""

import gzip
import logging

import nncf
import numpy as np
import openvino
import pytest

from support import hard_network, tersor

FASHION = "/usr/share/datasets/fashion-mnist"
SAMPLES = 200


def read(name, offset, count):
    with gzip.open(f"{FASHION}/{name}") as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)[:count]


def pictures(name, count):
    pixels = read(name, 16, count * 784).reshape(count, 1, 28, 28)
    return ((pixels / 255 - 0.286) / 0.353).astype(np.float32)


@pytest.fixture(scope="module")
def data(scratch):
    paths = [scratch / f"{name}.npy" for name in ("calibration", "judged", "labels")]
    for path, array in zip(paths, (pictures("train-images-idx3-ubyte.gz", 100),
                                   pictures("t10k-images-idx3-ubyte.gz", SAMPLES),
                                   read("t10k-labels-idx1-ubyte.gz", 8, SAMPLES))):
        np.save(path, array)
    return paths


def nncf_left_in_float(model, data):
    """Layers with weights that NNCF's accuracy control reverts, for at most 1 point of accuracy."""
    calibration, judged, labels = (np.load(path) for path in data)

    def accuracy(compiled, items):
        hits = [float(np.argmax(compiled(x)[0]) == label) for x, label in zip(items, labels)]
        return float(np.mean(hits)), hits

    told = []
    listener = logging.Handler()
    listener.emit = lambda record: told.append(record.getMessage())
    logging.getLogger("nncf").addHandler(listener)
    try:
        nncf.quantize_with_accuracy_control(
            openvino.Core().read_model(str(model)), nncf.Dataset([x[None] for x in calibration]),
            nncf.Dataset([x[None] for x in judged]), validation_fn=accuracy, max_drop=0.01)
    finally:
        logging.getLogger("nncf").removeHandler(listener)
    names = {name.strip() for text in told if text.startswith("Reverted ")
             for name in text.split("\n")[1:]}
    return [name for name in names if name and not name.endswith("/Add")]


def test_fewer_layers_stay_in_float_than_with_nncf(scratch, data):
    model, out = scratch / "hard.onnx", scratch / "hard.int8.onnx"
    spoiled = hard_network.write(model)
    stats = scratch / "hard.stats.json"
    tersor.run("calibrate", model, "-d", data[0], "-o", stats)
    report = tersor.run_json("quantize", model, "--stats", stats, "-d", data[1], "--labels", data[2],
                             "-o", out, "--max-drop", "1%")
    search = report["search"]
    ours, theirs = search["tried"][search["chosen"]], nncf_left_in_float(model, data)
    print(f"\nleft in float: tersor {len(ours['float'])} in {search['seconds']:.1f} s, NNCF {len(theirs)}")
    assert ours["holds"] and set(ours["float"]) <= set(spoiled)
    assert len(ours["float"]) < len(theirs)
