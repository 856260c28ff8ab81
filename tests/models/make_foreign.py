#!/usr/bin/env python3
"""Makes the int8 models of other tools in tests/models/: foreign_<tool>_<form>, and foreign.json.

They are made from resnet_opset13 and bert_opset20 beside this file. The expected outputs are
onnxruntime's with its graph optimizations off, which evaluates Q and DQ in float; where a file holds
integer operators their weights have 7 bits, since onnxruntime saturates on CPUs without VNNI otherwise.
Needs the environment of tests/peers/requirements.txt.
"""

import json
import pathlib
import tempfile

import nncf
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization import shape_inference

from make import HERE, save, session

QInt8, QUInt8 = quantization.QuantType.QInt8, quantization.QuantType.QUInt8
QDQ, QOperator = quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator
RESNET, BERT = (HERE / n / "model.onnx" for n in ("resnet_opset13", "bert_opset20"))
rng = np.random.default_rng(5)
SAMPLES = [rng.standard_normal((1, 3, 32, 32)).astype(np.float32) for _ in range(16)]


class Reader(quantization.CalibrationDataReader):
    def __init__(self):
        self.items = iter([{"input": s} for s in SAMPLES])

    def get_next(self):
        return next(self.items, None)


def static(out, **options):
    folded = out.with_name("folded.onnx")
    shape_inference.quant_pre_process(RESNET, folded, skip_symbolic_shape=True)
    quantization.quantize_static(folded, out, Reader(), **options)


def make(name, source, about, write):
    folder = HERE / f"foreign_{name}"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "m.onnx"
        write(path)
        model = onnx.load(path)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    run = session(folder / "model.onnx", 21)
    for k, data in enumerate(sorted(source.parent.glob("test_data_set_*"))):
        where = folder / data.name
        where.mkdir(exist_ok=True)
        feed = {}
        for i, entry in enumerate(run.get_inputs()):
            tensor = TensorProto.FromString((data / f"input_{i}.pb").read_bytes())
            feed[entry.name] = numpy_helper.to_array(tensor)
            save(where / f"input_{i}.pb", feed[entry.name], entry.name)
        for i, (entry, array) in enumerate(zip(run.get_outputs(), run.run(None, feed))):
            save(where / f"output_{i}.pb", array, entry.name)
    print(f"{folder.name:36} {len(model.SerializeToString()) / 1000:6.1f} kB  {about}")
    return {"name": folder.name, "about": about, "data_sets": k + 1}


def main():
    lines = [
        make("onnxruntime_u8s8", RESNET, "QDQ, uint8 by int8, per channel",
             lambda out: static(out, quant_format=QDQ, per_channel=True, activation_type=QUInt8,
                                weight_type=QInt8)),
        make("onnxruntime_s8s8", RESNET, "QDQ, int8 by int8, symmetric activations",
             lambda out: static(out, quant_format=QDQ, activation_type=QInt8, weight_type=QInt8,
                                extra_options={"ActivationSymmetric": True})),
        make("onnxruntime_u8u8", RESNET, "QDQ, uint8 weights with a zero point",
             lambda out: static(out, quant_format=QDQ, activation_type=QUInt8, weight_type=QUInt8)),
        make("onnxruntime_qoperator", RESNET, "QLinearConv",
             lambda out: static(out, quant_format=QOperator, per_channel=True,
                                activation_type=QUInt8, weight_type=QInt8, reduce_range=True,
                                op_types_to_quantize=["Conv", "MaxPool", "Relu"])),
        make("onnxruntime_dynamic", BERT, "DynamicQuantizeLinear and MatMulInteger",
             lambda out: quantization.quantize_dynamic(BERT, out, weight_type=QInt8,
                                                       reduce_range=True)),
        make("nncf", RESNET, "QDQ as NNCF writes it",
             lambda out: onnx.save(nncf.quantize(
                 onnx.load(RESNET), nncf.Dataset([{"input": s} for s in SAMPLES]),
                 subset_size=16), out))]
    text = ",\n".join("  " + json.dumps(line) for line in lines)
    (HERE / "foreign.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
