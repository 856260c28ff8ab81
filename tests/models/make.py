#!/usr/bin/env python3
"""Makes the small networks of tests/models/.

Each becomes a folder in the layout of the ONNX backend tests:

    tests/models/<name>/model.onnx
    tests/models/<name>/test_data_set_<i>/input_<k>.pb, output_<k>.pb     (TensorProto)

and a line in tests/models/index.json: what it is for, the class it stands for, whether it can run. All
of it is seeded; the same versions of onnx, numpy and onnxruntime make the same bytes. The expected
outputs are onnxruntime's, on the CPU, one thread, with its graph optimizations off. What onnxruntime
cannot run has no test data.

    make.py                     makes all of them
    make.py --only 'bert*'      makes some
    make.py --check             fails if what is stored differs from what would be made
"""

import argparse
import fnmatch
import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

from networks import convolutional, odd, sequential, transformer
from networks.net import IR_OF_OPSET, NEWEST

HERE = pathlib.Path(__file__).resolve().parent
rng = np.random.default_rng(2024)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def integer(value):
    return np.array(value, np.int64)


def tokens(*lengths):
    """A padded batch: ids, mask, types."""
    longest = max(lengths)
    mask = np.array([[1] * n + [0] * (longest - n) for n in lengths], np.int64)
    ids = rng.integers(1, transformer.VOCABULARY, mask.shape) * mask
    kinds = (np.arange(longest)[None] >= longest // 2) * mask
    return [ids, mask, kinds]


def pictures(*batches, shape=(3, 32, 32)):
    return [[normal(n, *shape)] for n in batches]


def catalogue():
    """(class, network, data sets, what it is there for)"""
    c, s, t, o = convolutional, sequential, transformer, odd
    for opset, about in [(7, "IR 3: every weight is also a graph input"),
                         (9, "IR 4, weights also listed as graph inputs"), (11, "plain"),
                         (13, "plain"), (17, "plain"), (NEWEST, "newest opset of onnxruntime"),
                         (28, "newest opset; expected outputs are those of its twin at opset 27")]:
        net = c.resnet(opset, weights="input" if opset <= 9 else "initializer")
        yield "resnet", net, pictures(1) if opset < 9 else pictures(1, 3), about
    yield ("resnet", c.resnet(11, "resnet_constant_weights", "constant"), pictures(1, 2),
           "all weights in Constant nodes")
    yield "mobilenet", c.mobilenet_v2(9), pictures(1, 2), "Clip with attributes"
    yield "mobilenet", c.mobilenet_v2(13), pictures(1, 2), "Clip with inputs"
    yield ("mobilenet", c.mobilenet_v3(11), pictures(1, 2),
           "hard-swish as Add, Clip, Mul, Div; squeeze-and-excite")
    yield "mobilenet", c.mobilenet_v3(17), pictures(1, 2), "HardSwish; squeeze-and-excite"
    for opset in (11, 13):
        yield ("efficientnet", c.efficientnet_lite(opset), pictures(1, 2, shape=(33, 33, 3)),
               "NHWC input and Transpose, SAME_UPPER padding, odd names")
    for opset in (9, 11, 17):
        yield ("detector", c.detector(opset), pictures(1, shape=(3, 64, 64)),
               "Resize (Upsample at 9), ConvTranspose, heads joined by Concat")
    yield ("recognizer", c.text_recognizer(13),
           [[normal(1, 1, 16, 40)], [normal(2, 1, 16, 24)]], "bidirectional LSTM over columns")

    def lstm(steps, batch):
        return [normal(steps, batch, 8), normal(2, batch, 16), normal(2, batch, 16)]

    for opset in (9, 17):
        yield ("recurrent", s.lstm_state(opset), [lstm(5, 1), lstm(3, 2)],
               "state in and out, dynamic batch and sequence")
    yield ("recurrent", s.gru_state(13),
           [[normal(5, 1, 8), normal(1, 1, 12), integer([5])],
            [normal(6, 3, 8), normal(1, 3, 12), integer([6, 2, 4])]],
           "linear_before_reset; reverse with sequence lengths")
    yield ("control", s.voice_activity(13),
           [[normal(1, 1, 256), normal(2, 1, 8), integer(16000)],
            [normal(1, 1, 128), normal(2, 1, 8), integer(8000)]],
           "int64 scalar input, Conv in both branches of an If, LSTM state")
    for opset in (11, 17):
        yield ("control", s.if_conv(opset),
               [[normal(1, 4, 8, 8), np.array(True)], [normal(1, 4, 8, 8), np.array(False)]],
               "Conv before, in both branches of, and after an If")
    yield ("control", s.loop(13), [[normal(1, 6), integer(4)], [normal(1, 6), integer(0)]],
           "Loop with a scan output, also with no iteration")
    yield "control", s.scan(13), [[normal(4, 6), normal(6)], [normal(7, 6), normal(6)]], "Scan"
    for net, about in [(t.bert(13), "LayerNorm and Gelu decomposed"),
                       (t.bert(20), "LayerNormalization, Gelu"),
                       (t.bert(13, einsum=True, layers=1), "attention by Einsum")]:
        yield "bert", net, [tokens(8), tokens(5, 12)], about + "; dynamic batch and sequence"
    yield ("odd", o.question_dims(), [[normal(2, 8, 5)], [normal(1, 8, 3)]],
           'two different dimensions named "?"')
    yield ("odd", o.int64_scalar(), [[normal(2, 16), integer(3)], [normal(1, 16), integer(5)]],
           "an int64 scalar input that shapes the result")
    yield "odd", o.typed_fields(), [[normal(2, 3)]], "tensors in every typed field"
    yield "odd", o.narrow_types(21), [[normal(1, 5)]], "4-bit integers and 8-bit floats"
    yield "odd", o.narrow_types(25), [[normal(1, 5)]], "also 2-bit integers"
    yield "odd", o.external_data(), [[normal(1, 16)], [normal(3, 16)]], "weights in a file beside"
    yield "odd", o.local_function(), [[normal(1, 8)], [normal(4, 8)]], "functions of its own domain"
    yield "odd", o.shared_and_dead(), [[normal(2, 4), normal(1)]], "shared, unused, passed through"
    yield "odd", o.custom_operator(), [], "an operator of an unknown domain: kept, not run"


def session(model_path, opset):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if opset <= NEWEST:
        return onnxruntime.InferenceSession(str(model_path), options, ["CPUExecutionProvider"])
    twin = onnx.load(model_path)
    twin.opset_import[0].version, twin.ir_version = NEWEST, IR_OF_OPSET[NEWEST]
    return onnxruntime.InferenceSession(twin.SerializeToString(), options, ["CPUExecutionProvider"])


def save(path, array, name):
    path.write_bytes(numpy_helper.from_array(np.asarray(array), name).SerializeToString())


def make(net, data_sets, folder):
    """Writes one network's folder; gives (bytes of the model, whether it runs)."""
    folder.mkdir(parents=True, exist_ok=True)
    model = net.model()
    path = folder / "model.onnx"
    if net.name == "external_data":
        (folder / "model.onnx.data").unlink(missing_ok=True)
        convert_model_to_external_data(model, location="model.onnx.data", size_threshold=256)
        onnx.save_model(model, path)
    else:
        path.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(path), full_check=True)
    if not data_sets:
        return path.stat().st_size, False
    run = session(path, net.opset)
    names = [i.name for i in run.get_inputs()]
    for number, inputs in enumerate(data_sets):
        where = folder / f"test_data_set_{number}"
        where.mkdir(exist_ok=True)
        assert len(names) == len(inputs), (net.name, names)
        for k, (name, array) in enumerate(zip(names, inputs)):
            save(where / f"input_{k}.pb", array, name)
        outputs = run.run(None, dict(zip(names, inputs)))
        for k, (output, array) in enumerate(zip(run.get_outputs(), outputs)):
            assert np.all(np.isfinite(array)), (net.name, output.name)
            save(where / f"output_{k}.pb", array, output.name)
    return path.stat().st_size, True


def same(a, b):
    left = {p.relative_to(a): p.read_bytes() for p in sorted(a.rglob("*")) if p.is_file()}
    right = {p.relative_to(b): p.read_bytes() for p in sorted(b.rglob("*")) if p.is_file()}
    return left == right


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="*", help="names to make, as a shell pattern")
    parser.add_argument("--check", action="store_true", help="compare with what is stored")
    arguments = parser.parse_args()
    index, changed = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for kind, net, data_sets, about in catalogue():
            out = pathlib.Path(scratch) if arguments.check else HERE
            wanted = fnmatch.fnmatch(net.name, arguments.only)
            if wanted:
                size, _ = make(net, data_sets, out / net.name)
                print(f"{net.name:28} {size / 1000:7.1f} kB  {about}")
                if arguments.check and not same(out / net.name, HERE / net.name):
                    changed.append(net.name)
            index.append({"name": net.name, "class": kind, "opset": net.opset, "about": about,
                          "data_sets": len(data_sets)})
    if changed:
        sys.exit(f"differs from what is stored: {', '.join(changed)}")
    if not arguments.check:
        text = ",\n".join("  " + json.dumps(line) for line in index)
        (HERE / "index.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
