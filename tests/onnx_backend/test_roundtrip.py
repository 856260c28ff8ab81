"""Reading a model and writing it again gives an equal message: every node case of PyPI onnx, every
model that the package carries, every model under tests/models, and models made here of what those
lack.

TERSOR_ROUNDTRIP names the program; else it is the one beside the command under test."""

import os
import pathlib
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import cases
from support import tersor

PROGRAM = os.environ.get("TERSOR_ROUNDTRIP") or str(
    pathlib.Path(tersor.command()[0]).parents[1] / "tests" / "tersor_roundtrip")


def run_pairs(pairs):
    """Round trips many files in one process; the exit code of each."""
    lines = "".join(f"{a}\n{b}\n" for a, b in pairs)
    done = subprocess.run([PROGRAM], input=lines, capture_output=True, text=True, timeout=600)
    codes = [int(line) for line in done.stdout.split()]
    assert len(codes) == len(pairs), f"ended after {len(codes)} of {len(pairs)}: {done.stderr[-500:]}"
    return codes, done.stderr


def describe_difference(a, b):
    a, b = str(a).splitlines(), str(b).splitlines()
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return f"line {i}: {x[:200]!r} became {y[:200]!r}"
    return f"{len(a)} lines became {len(b)}"


def compare(pairs):
    codes, errors = run_pairs(pairs)
    bad = []
    for (before, after), code in zip(pairs, codes):
        if code != 0:
            bad.append(f"{before}: exit {code}")
            continue
        a = onnx.load(before, load_external_data=False)
        b = onnx.load(after, load_external_data=False)
        if any(t.data_location == TensorProto.EXTERNAL for t in a.graph.initializer):
            a = onnx.load(before)
            for tensor in a.graph.initializer:  # loading leaves the default behind
                if tensor.data_location == TensorProto.DEFAULT:
                    tensor.ClearField("data_location")
        if a != b:
            bad.append(f"{before}: {describe_difference(a, b)}")
    assert not bad, f"{len(bad)} of {len(pairs)}:\n" + "\n".join(bad[:20]) + errors[:2000]
    return len(pairs)


def trip(model, tmp_path):
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    before.write_bytes(model.SerializeToString())
    compare([(before, after)])
    return onnx.load(after)


def test_node_cases(tmp_path):
    pairs = []
    for case in cases.node_cases():
        before = tmp_path / f"{case.name}.onnx"
        before.write_bytes(case.model.SerializeToString())
        pairs.append((before, tmp_path / f"{case.name}.out"))
    assert compare(pairs) > 1000


def test_model_cases(tmp_path):
    pairs = []
    for case in cases.model_cases():
        before = tmp_path / f"{case.name}.onnx"
        before.write_bytes(case.model.SerializeToString())
        pairs.append((before, tmp_path / f"{case.name}.out"))
    compare(pairs)


@pytest.mark.parametrize("models", [cases.stored_models(),
                                    sorted((tersor.ROOT / "tests" / "models").rglob("*.onnx")),
                                    sorted((tersor.ROOT / "models").rglob("*.onnx"))],
                         ids=["package", "tests", "demo"])
def test_files(models, tmp_path):
    if not models:
        pytest.skip("no models here")
    compare([(path, tmp_path / f"{i}.onnx") for i, path in enumerate(models)])


def simple(nodes=None, inputs=None, outputs=None, **graph):
    nodes = nodes or [helper.make_node("Relu", ["x"], ["y"], name="r")]
    inputs = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])]
    outputs = outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, **graph))


def typed_tensors():
    """One tensor for each type in each of its encodings, with counts that do not fill a byte."""
    made = []
    for code in sorted(TensorProto.DataType.values()):
        if code in (TensorProto.UNDEFINED, TensorProto.STRING):
            continue
        name = TensorProto.DataType.Name(code)
        for count in (0, 1, 5):
            if code in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
                values = [complex(i, -i) for i in range(count)]
            elif code == TensorProto.BOOL:
                values = [i % 2 == 1 for i in range(count)]
            else:
                dtype = helper.tensor_dtype_to_np_dtype(code)
                values = np.array([i % 2 for i in range(count)]).astype(dtype)
            made.append(helper.make_tensor(f"{name}_{count}_typed", code, [count], values))
            made.append(numpy_helper.from_array(
                np.array(values, dtype=helper.tensor_dtype_to_np_dtype(code)).reshape(count),
                f"{name}_{count}_raw"))
    signed = {TensorProto.INT8: [-128, 127], TensorProto.INT16: [-32768, 32767],
              TensorProto.INT32: [-2**31, 2**31 - 1], TensorProto.INT64: [-2**63, 2**63 - 1],
              TensorProto.UINT16: [0, 65535], TensorProto.UINT32: [0, 2**32 - 1],
              TensorProto.UINT64: [0, 2**64 - 1], TensorProto.INT4: [-8, 7, -1],
              TensorProto.INT2: [-2, 1, -1, 0, 1]}
    for code, values in signed.items():
        made.append(helper.make_tensor(f"signed_{code}", code, [len(values)], values))
    made.append(helper.make_tensor("text", TensorProto.STRING, [2, 2], [b"a", b"", b"\xff\x00", b"d"]))
    made.append(helper.make_tensor("scalar", TensorProto.FLOAT, [], [1.5]))
    return made


def test_every_encoding_as_initializer(tmp_path):
    trip(simple(initializer=typed_tensors()), tmp_path)


def test_every_encoding_as_attribute(tmp_path):
    nodes = [helper.make_node("Constant", [], [f"c{i}"], value=t) for i, t in enumerate(typed_tensors())]
    nodes.append(helper.make_node("Relu", ["x"], ["y"]))
    nodes.append(helper.make_node("Many", [], ["m"], domain="my.ops", all=typed_tensors()))
    trip(simple(nodes), tmp_path)


def test_everything_unmodelled_is_kept(tmp_path):
    model = simple(value_info=[
        helper.make_tensor_value_info("gone", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["M", 3]),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3]),
        helper.make_tensor_value_info("gone", TensorProto.FLOAT, [2])],
        initializer=[numpy_helper.from_array(np.ones(3, np.float32), "w")])
    model.doc_string = "doc"
    model.producer_version = ""
    model.domain = "org.example"
    model.model_version = 7
    helper.set_model_props(model, {"b": "2", "a": "1"})
    model.opset_import.append(helper.make_opsetid("my.ops", 3))
    graph = model.graph
    graph.doc_string = "graph doc"
    graph.initializer[0].doc_string = "w doc"
    graph.input[0].doc_string = "x doc"
    graph.input[0].type.denotation = "IMAGE"
    graph.input[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    graph.node[0].doc_string = "node doc"
    graph.node[0].domain = ""
    graph.metadata_props.add(key="k", value="v")
    graph.node[0].metadata_props.add(key="k", value="v")
    graph.quantization_annotation.add(tensor_name="x").quant_parameter_tensor_names.add(
        key="SCALE_TENSOR", value="w")
    device = model.configuration.add(name="c", num_devices=2)
    device.device.extend(["a", "b"])
    graph.node[0].device_configurations.add(configuration_id="c", pipeline_stage=1)
    graph.sparse_initializer.append(helper.make_sparse_tensor(
        helper.make_tensor("s", TensorProto.FLOAT, [1], [2.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [3]), [5]))
    info = model.training_info.add()
    info.algorithm.CopyFrom(graph)
    # A field of the future.
    model = onnx.ModelProto.FromString(model.SerializeToString() + b"\xaa\x06\x03abc")
    trip(model, tmp_path)


def test_attribute_kinds(tmp_path):
    body = helper.make_graph([helper.make_node("Neg", ["x"], ["z"])], "b", [],
                             [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
    node = helper.make_node("Odd", ["x", "", "x"], ["y", ""], domain="my.ops", f=0.0, i=0, s="", t=[1.0, 2.0],
                            ints=[1, -2], strings=["a", ""], g=body, graphs=[body, body],
                            tp=helper.make_tensor_type_proto(1, [2]),
                            sparse=helper.make_sparse_tensor(
                                helper.make_tensor("", TensorProto.FLOAT, [1], [2.0]),
                                helper.make_tensor("", TensorProto.INT64, [1], [3]), [5]))
    empty = node.attribute.add(name="empty", type=onnx.AttributeProto.INTS)
    empty.doc_string = "an empty list"
    node.attribute.add(name="implicit_zero", type=onnx.AttributeProto.INT)
    node.attribute.add(name="untyped", i=5)
    model = simple([node])
    model.opset_import.append(helper.make_opsetid("my.ops", 1))
    trip(model, tmp_path)


def test_types(tmp_path):
    infos = [helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, [None, 3]),
             helper.make_value_info("o", helper.make_optional_type_proto(
                 helper.make_tensor_type_proto(TensorProto.FLOAT, ["a", 2]))),
             helper.make_value_info("m", helper.make_map_type_proto(
                 TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))),
             helper.make_sparse_tensor_value_info("p", TensorProto.FLOAT, [3, 4]),
             helper.make_tensor_value_info("q", TensorProto.FLOAT, ["?", None, 0, "2*n"]),
             helper.make_tensor_value_info("r", TensorProto.FLOAT, None),
             onnx.ValueInfoProto(name="u")]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])] + infos
    negative = helper.make_tensor_value_info("v", TensorProto.FLOAT, [1])
    negative.type.tensor_type.shape.dim[0].dim_value = -1
    trip(simple(inputs=inputs + [negative]), tmp_path)


def test_input_that_is_output_and_initializer(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])
    x_out = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["M"])
    w = helper.make_tensor_value_info("w", TensorProto.FLOAT, ["K"])
    weights = [numpy_helper.from_array(np.ones(k, np.float32), n) for n, k in (("z", 1), ("w", 2), ("a", 3))]
    model = simple([helper.make_node("Add", ["x", "w"], ["y"])], [w, x], [x_out, x_out], initializer=weights)
    model.ir_version = 3
    trip(model, tmp_path)


def test_functions(tmp_path):
    body = [helper.make_node("Constant", [], ["c"]), helper.make_node("Mul", ["a", "c"], ["b"])]
    body[0].attribute.add(name="value_float", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)
    function = helper.make_function("my.ops", "Scale", ["a"], ["b"], body,
                                    [helper.make_opsetid("", 17)], ["alpha"])
    function.doc_string = "doc"
    function.attribute_proto.append(helper.make_attribute("beta", 2))
    model = simple([helper.make_node("Scale", ["x"], ["y"], domain="my.ops", alpha=2.0)])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("my.ops", 1))
    trip(model, tmp_path)


def test_nodes_out_of_order_are_sorted(tmp_path):
    model = simple([helper.make_node("Relu", ["m"], ["y"]), helper.make_node("Neg", ["x"], ["m"])])
    before, after = tmp_path / "a.onnx", tmp_path / "b.onnx"
    before.write_bytes(model.SerializeToString())
    assert run_pairs([(before, after)])[0] == [0]
    assert [n.op_type for n in onnx.load(after).graph.node] == ["Neg", "Relu"]


def test_external_data(tmp_path):
    values = np.arange(3000, dtype=np.float32).reshape(3, 1000)
    model = simple([helper.make_node("Add", ["x", "w"], ["y"])],
                   initializer=[numpy_helper.from_array(values, "w"),
                                numpy_helper.from_array(values + 1, "v")])
    before, after = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx.save_model(model, before, save_as_external_data=True, location="weights.bin", size_threshold=16)
    assert run_pairs([(before, after)])[0] == [0]
    # The weights are in the file itself now.
    again = onnx.load(after, load_external_data=False)
    for a, b in zip(again.graph.initializer, onnx.load(before).graph.initializer):
        assert np.array_equal(numpy_helper.to_array(a), numpy_helper.to_array(b))
    (tmp_path / "weights.bin").unlink()
    codes, errors = run_pairs([(before, after)])
    assert codes == [3] and "E04" in errors and "'weights.bin' named by" in errors


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "link.bin",
                                      "sub/../../weights.bin", "hard.bin", "a\\b",
                                      "*/_ORT_MEM_ADDR_/*", "", "sub"])
def test_external_data_stays_inside(tmp_path, location):
    inner = tmp_path / "inner"
    (inner / "sub").mkdir(parents=True)
    (tmp_path / "weights.bin").write_bytes(bytes(4000))
    (inner / "link.bin").symlink_to("../weights.bin")
    os.link(tmp_path / "weights.bin", inner / "hard.bin")
    tensor = numpy_helper.from_array(np.zeros(1000, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    before = inner / "m.onnx"
    before.write_bytes(simple(initializer=[tensor]).SerializeToString())
    codes, errors = run_pairs([(before, tmp_path / "out.onnx")])
    assert codes == [3] and "E05" in errors, errors
    assert not (tmp_path / "out.onnx").exists()
