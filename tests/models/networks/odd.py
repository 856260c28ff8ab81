"""What real files carry besides their network: every encoding of tensors, external data, functions,
dimension names that mean nothing, operators of unknown domains."""

import ml_dtypes
import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from .net import F32, I64, Net


def question_dims():
    """Two different dimensions, both named "?"."""
    net = Net("question_dims", 11)
    x = net.input("x", ["?", 8, "?"])
    y = net.op("MatMul", [net.transpose(x, 0, 2, 1), net.random(8, 6)])
    net.output(net.op("Relu", [y]), "y", ["?", "?", 6])
    return net


def int64_scalar():
    """An int64 scalar input that shapes the result: Range, Expand, TopK."""
    net = Net("int64_scalar", 13)
    x = net.input("x", ["n", 16])
    k = net.input("k", [], I64)
    best, index = net.op("TopK", [x, net.unsqueeze(k, 0)], 2, axis=1)
    steps = net.op("Range", [net.scalar(0, np.int64), k, net.scalar(1, np.int64)])
    y = net.op("Mul", [best, net.op("Cast", [steps], to=1)])
    net.output(y, "y", ["n", "k"])
    net.output(index, "index", ["n", "k"], I64)
    return net


def add_tensor(net, name, data_type, dims, **fields):
    tensor = TensorProto(name=name, data_type=data_type, dims=dims)
    for field, values in fields.items():
        getattr(tensor, field).extend(values)
    net.initializers.append(tensor)
    return name


def typed_fields():
    """Initializers in float_data, int32_data (int32, int8, uint8, bool, fp16, bf16), int64_data,
    double_data and uint64_data, summed up."""
    net = Net("typed_fields", 13)
    total = net.input("x", [2, 3])
    values = net.rng.standard_normal((2, 3)).astype(np.float32)
    floats = add_tensor(net, "f32", TensorProto.FLOAT, [2, 3], float_data=values.ravel().tolist())
    total = net.op("Add", [total, floats])
    halves = values.astype(np.float16).view(np.uint16).ravel().tolist()
    brains = values.astype(ml_dtypes.bfloat16).view(np.uint16).ravel().tolist()
    small = [-128, -3, 0, 5, 77, 127]
    for name, kind, field, content in [
            ("f16", TensorProto.FLOAT16, "int32_data", halves),
            ("bf16", TensorProto.BFLOAT16, "int32_data", brains),
            ("i32", TensorProto.INT32, "int32_data", [-70000, 5, 6, 7, 8, 99999]),
            ("i8", TensorProto.INT8, "int32_data", small),
            ("u8", TensorProto.UINT8, "int32_data", [0, 1, 128, 200, 254, 255]),
            ("flags", TensorProto.BOOL, "int32_data", [0, 1, 1, 0, 1, 0]),
            ("i64", TensorProto.INT64, "int64_data", [-1, 2, 3, 4, 5, 6]),
            ("f64", TensorProto.DOUBLE, "double_data", values.astype(float).ravel().tolist()),
            ("u64", TensorProto.UINT64, "uint64_data", [1, 2, 3, 4, 5, 6])]:
        add_tensor(net, name, kind, [2, 3], **{field: content})
        total = net.op("Add", [total, net.op("Cast", [name], to=1)])
    net.output(total, "y", [2, 3])
    return net


def narrow_types(opset):
    """Weights of 4 bit (odd count: a padded nibble), 8-bit floats and, from opset 25, 2 bit, behind
    DequantizeLinear."""
    net = Net(f"narrow_types_opset{opset}", opset)
    total = net.input("x", [1, 5])
    scale = net.scalar(0.25)
    kinds = [(TensorProto.INT4, np.arange(15) % 16 - 8), (TensorProto.UINT4, np.arange(15) % 16),
             (TensorProto.FLOAT8E4M3FN, net.rng.standard_normal(15) * 20),
             (TensorProto.FLOAT8E5M2, net.rng.standard_normal(15) * 20)]
    if opset >= 25:
        kinds += [(TensorProto.INT2, np.arange(15) % 4 - 2), (TensorProto.UINT2, np.arange(15) % 4)]
    for kind, values in kinds:
        name = net.fresh("narrow")
        raw = numpy_helper.from_array(
            values.astype(helper.tensor_dtype_to_np_dtype(kind)).reshape(3, 5), name)
        net.initializers.append(raw)
        sums = net.op("ReduceSum", [net.op("DequantizeLinear", [name, scale]), net.ints(0)],
                      keepdims=1)
        total = net.op("Add", [total, sums])
    # int4 in int32_data: one packed byte, two values, to an entry
    add_tensor(net, "entries", TensorProto.INT4, [5], int32_data=[0x21, 0x8F, 0x07])
    total = net.op("Add", [total, net.op("DequantizeLinear", ["entries", scale])])
    net.output(total, "y", [1, 5])
    return net


def external_data():
    """Weights in a file beside the model, at offsets of whole pages."""
    net = Net("external_data", 17)
    x = net.input("x", ["batch", 16])
    x = net.op("Relu", [net.gemm(x, 16, 24)])
    net.output(net.gemm(x, 24, 4), "y", ["batch", 4])
    return net


def local_function(opset=17):
    """A function of the model's own domain, with an attribute reference, called twice and through
    another function."""
    net = Net("local_function", opset)
    net.domains = {"tersor.tests": 1}
    x = net.input("x", ["batch", 8])
    w = net.random(8, 8)
    leak = helper.make_node("LeakyRelu", ["t"], ["y"])
    leak.attribute.append(AttributeProto(name="alpha", ref_attr_name="slope",
                                         type=AttributeProto.FLOAT))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("tersor.tests", 1)]
    dense = helper.make_function("tersor.tests", "Dense", ["x", "w"], ["y"],
                                 [helper.make_node("MatMul", ["x", "w"], ["t"]), leak], opsets,
                                 ["slope"])
    twice = helper.make_function(
        "tersor.tests", "Twice", ["x", "w"], ["y"],
        [helper.make_node("Dense", ["x", "w"], ["t"], domain="tersor.tests", slope=0.25),
         helper.make_node("Dense", ["t", "w"], ["y"], domain="tersor.tests", slope=0.5)], opsets)
    net.functions = [dense, twice]
    y = net.op("Dense", [x, w], domain="tersor.tests", slope=0.1)
    net.output(net.op("Twice", [y, w], domain="tersor.tests"), "y", ["batch", 8])
    return net


def custom_operator():
    """An operator of an unknown domain, with every kind of attribute, that must be kept verbatim."""
    net = Net("custom_operator", 17)
    net.domains = {"my.ops": 3}
    x = net.input("x", [1, 4, 8, 8])
    x = net.op("Relu", [net.conv(x, 4, 6)])
    x = net.op("FooBar", [x, ""], domain="my.ops", name="head/foo", gain=1.5, order=[3, 1, 2],
               label="left\nright", table=numpy_helper.from_array(np.arange(4, dtype=np.int16)))
    net.output(net.conv(x, 6, 4, 1), "y", [1, 4, 8, 8])
    return net


def shared_and_dead():
    """One weight used by two nodes, an initializer nobody reads, an unused input, an output that is an
    input and one that is an initializer."""
    net = Net("shared_and_dead", 13)
    x = net.input("x", [2, 4])
    net.input("unused", [1])
    w = net.random(4, 4)
    net.weight(np.zeros(3), "dead")
    y = net.op("MatMul", [net.op("Relu", [net.op("MatMul", [x, w])]), w])
    constant = net.random(4, stem="constant")
    net.output(y, "y", [2, 4])
    net.outputs.append(helper.make_tensor_value_info(x, F32, [2, 4]))
    net.outputs.append(helper.make_tensor_value_info(constant, F32, [4]))
    return net
