#!/usr/bin/env python3
"""Makes tests/malformed/: files that are wrong in one way each, and expected.json, which says what the
command has to do with them.

expected.json is a list of {"name", "args", "exit", "says"}: the arguments of `tersor`, the exit codes
that are right, words that have to stand in the message. In `args`, {bad} is the folder of the files,
{models} is tests/models and {out} an empty folder in which nothing may have been written afterwards.
"""

import io
import json
import pathlib
import struct
import sys
import zipfile

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
sys.path.insert(0, str(MODELS))
from networks.net import BOOL, F32, Net  # noqa: E402

FILES = HERE / "files"
CASES = []
RUN = ["run-pb", "{bad}/FILE", "{bad}/inputs", "{out}"]
INSPECT = ["inspect", "{bad}/FILE"]
STATIC = ["-d", "random:4", "-o", "{out}/q.onnx"]
QUANTIZE = ["quantize", "{bad}/FILE"] + STATIC
RESNET = "{models}/resnet_opset13/model.onnx"


def case(name, args, exits, says=()):
    exits = exits if isinstance(exits, list) else [exits]
    CASES.append({"name": name, "args": [a.replace("FILE", name) for a in args], "exit": exits,
                  "says": [says] if isinstance(says, str) else list(says)})


def put(name, content):
    path = FILES / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString(
        deterministic=True))


def bad_model(name, model, args, exits, says=()):
    put(name, model.model() if isinstance(model, Net) else model)
    case(name, args, exits, says)


def small(name="net", opset=13):
    """x [1, 4], waiting for something to go wrong with it."""
    net = Net(name, opset)
    return net, net.input("x", [1, 4])


def one_node(kind, *more, shape=(1, 4), out=None, **attributes):
    net = Net(kind, 13)
    x = net.input("x", list(shape))
    more = [net.weight(m, "m", m.dtype) if isinstance(m, np.ndarray) else m for m in more]
    net.output(net.op(kind, [x] + more, **attributes), "y", out)
    return net


def not_models():
    whole = (MODELS / "resnet_opset13" / "model.onnx").read_bytes()
    bad_model("truncated.onnx", whole[:4000], INSPECT, 3, "cut off")
    bad_model("lfs_pointer.onnx", b"version https://git-lfs.github.com/spec/v1\n"
              b"oid sha256:" + b"4d" * 32 + b"\nsize 46800000\n", INSPECT, 3, "LFS")
    bad_model("html.onnx", b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n",
              INSPECT, 3, "HTML")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr(zipfile.ZipInfo("archive/data.pkl"), b"\x80\x02.")
    bad_model("checkpoint.onnx", archive.getvalue(), INSPECT, 3, "not an ONNX model")
    bad_model("empty.onnx", b"", INSPECT, 3)
    bad_model("noise.onnx", np.random.default_rng(1).bytes(300), INSPECT, 3)
    bad_model("no_graph.onnx", helper.make_model(helper.make_graph([], "g", [], [])), INSPECT,
              [0, 3])
    case("missing model", ["inspect", "{bad}/trncated.onnx"], 3, ["no such file", "truncated"])
    case("folder as model", ["inspect", "{bad}"], 3)
    deep = b""
    for _ in range(200):  # attribute > graph > node > attribute ...
        deep = b"\x32" + varint(len(deep)) + deep
    bad_model("deep_message.onnx", b"\x08\x08\x3a" + varint(len(deep)) + deep, INSPECT, [3, 6])


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def nested(depth):
    """An If in an If in an If; written by hand, since onnx's own reader refuses such a file."""
    graph = field(1, field(1, b"x") + field(2, b"y") + field(4, b"Relu")) + field(2, b"g")
    for _ in range(depth):
        branches = [field(5, field(1, name) + field(6, graph if name == b"then_branch" else
                                                    field(2, b"e")) + varint(20 << 3) + b"\5")
                    for name in (b"then_branch", b"else_branch")]
        graph = field(1, field(1, b"c") + field(2, b"y") + field(4, b"If") + b"".join(branches))
        graph += field(2, b"g")
    return b"\x08\x07" + field(7, graph) + field(8, b"\x10\x0d")


def external(location, **entries):
    net, x = small()
    tensor = TensorProto(name="w", data_type=F32, dims=[4, 2],
                         data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    net.initializers.append(tensor)
    net.output(net.op("MatMul", [x, "w"]), "y", [1, 2])
    return net


def external_data():
    put("eight_floats.bin", np.arange(8, dtype=np.float32).tobytes())
    bad_model("external_missing.onnx", external("nowhere.bin"), INSPECT, 3, "nowhere.bin")
    for name, location in [("external_parent", "../expected.json"),
                           ("external_absolute", "/etc/hostname"),
                           ("external_inner_parent", "a/../../expected.json"),
                           ("external_backslash", "..\\expected.json")]:
        bad_model(name + ".onnx", external(location), INSPECT, 3)
    bad_model("external_short.onnx", external("eight_floats.bin", offset=4), INSPECT, 3)
    bad_model("external_overflow.onnx", external("eight_floats.bin", offset=2 ** 63 - 1,
                                                 length=32), INSPECT, 3)
    bad_model("external_negative.onnx", external("eight_floats.bin", offset=-4), INSPECT, 3)
    bad_model("external_length.onnx", external("eight_floats.bin", length=16), INSPECT, 3)


def tensors():
    def with_tensor(**fields):
        net, x = small()
        net.initializers.append(TensorProto(name="w", **fields))
        net.output(net.op("MatMul", [x, "w"]), "y", None)
        return net

    bad_model("tensor_short.onnx", with_tensor(data_type=F32, dims=[4, 2 ** 20],
                                               raw_data=b"\0" * 16), INSPECT, 3, "w")
    bad_model("tensor_long.onnx", with_tensor(data_type=F32, dims=[4, 1], raw_data=b"\0" * 64),
              INSPECT, 3, "w")
    bad_model("tensor_negative_dim.onnx", with_tensor(data_type=F32, dims=[-4, 2],
                                                      raw_data=b"\0" * 32), INSPECT, 3, "w")
    bad_model("tensor_overflow.onnx", with_tensor(data_type=F32, dims=[2 ** 33, 2 ** 33],
                                                  raw_data=b"\0" * 32), INSPECT, [3, 6], "w")
    bad_model("tensor_rank.onnx", with_tensor(data_type=F32, dims=[1] * 65, raw_data=b"\0" * 4),
              INSPECT, 6, "65")
    bad_model("tensor_type.onnx", with_tensor(data_type=99, dims=[4, 1], raw_data=b"\0" * 16),
              RUN, [3, 5], "99")
    net, x = small("nan")
    weights = np.ones((4, 2), np.float32)
    weights[2, 1] = np.nan
    net.output(net.op("MatMul", [x, net.weight(weights, "spoiled")]), "y", [1, 2])
    bad_model("nan_weights.onnx", net, QUANTIZE, 3, "spoiled_0")
    net, x = small("inf")
    weights[2, 1] = np.inf
    net.output(net.op("MatMul", [x, net.weight(weights, "spoiled")]), "y", [1, 2])
    bad_model("infinite_weights.onnx", net, QUANTIZE, 3, "spoiled_0")


def graphs():
    def graph(nodes, name):
        return helper.make_model(
            helper.make_graph(nodes, name, [helper.make_tensor_value_info("x", F32, [1, 4])],
                              [helper.make_tensor_value_info("y", F32, [1, 4])]),
            opset_imports=[helper.make_opsetid("", 13)], ir_version=7)

    node = helper.make_node
    bad_model("cycle.onnx", graph([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]),
                                   node("Relu", ["b"], ["y"])], "cycle"), RUN, 3)
    bad_model("self_cycle.onnx", graph([node("Relu", ["y"], ["y"])], "self"), RUN, 3)
    bad_model("duplicate_value.onnx", graph([node("Relu", ["x"], ["y"]),
                                             node("Neg", ["x"], ["y"])], "twice"), INSPECT, 3, "y")
    bad_model("undefined_value.onnx", graph([node("Add", ["x", "ghost"], ["y"])], "ghost"), RUN, 3,
              "ghost")
    bad_model("undefined_output.onnx", graph([node("Relu", ["x"], ["z"])], "noy"), RUN, 3, "y")
    bad_model("unknown_operator.onnx", graph([node("NoSuchThing", ["x"], ["y"], name="odd/one")],
                                             "odd"), RUN, 5, ["NoSuchThing", "odd/one"])
    case("unknown operator, static int8", ["quantize", "{bad}/unknown_operator.onnx"] + STATIC, 5,
         "NoSuchThing")
    case("unknown domain", ["quantize", "{models}/custom_operator/model.onnx"] + STATIC, 5,
         "FooBar")
    bad_model("too_few_inputs.onnx", graph([node("Add", ["x"], ["y"])], "few"), RUN, 3)
    bad_model("too_many_inputs.onnx", graph([node("Relu", ["x", "x"], ["y"])], "many"), RUN, [3, 5])
    model = graph([node("Relu", ["x"], ["y"])], "future")
    model.opset_import[0].version = 1000
    bad_model("opset_1000.onnx", model, RUN, [3, 5], "1000")
    model = graph([node("Relu", ["x"], ["y"])], "past")
    model.opset_import[0].version = 3
    bad_model("opset_3.onnx", model, RUN, [3, 5], "3")
    model = graph([node("Relu", ["x"], ["y"])], "none")
    del model.opset_import[:]
    bad_model("no_opset.onnx", model, RUN, [3, 5])

    put("nested_40.onnx", nested(40))
    case("nested_40.onnx", INSPECT, 6)

    def calls(name, body):
        net, x = small(name, 17)
        net.domains = {"loop": 1}
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("loop", 1)]
        net.functions = [helper.make_function("loop", "F", ["a"], ["b"], body, opsets)]
        net.output(net.op("F", [x], domain="loop"), "y", [1, 4])
        return net

    bad_model("recursive_function.onnx",
              calls("again", [node("F", ["a"], ["b"], domain="loop")]), RUN, [3, 5, 6], "F")


def arithmetic():
    ints = lambda *v: np.array(v, np.int64)  # noqa: E731
    ones = lambda *s: np.ones(s, np.float32)  # noqa: E731
    picture = (1, 3, 8, 8)
    for name, net, exits in [
            ("reshape_size", one_node("Reshape", ints(3, 5)), 3),
            ("reshape_two_unknown", one_node("Reshape", ints(-1, -1)), 3),
            ("matmul_shapes", one_node("MatMul", ones(5, 2)), 3),
            ("add_shapes", one_node("Add", ones(1, 3)), 3),
            ("concat_shapes", one_node("Concat", ones(2, 3), axis=1), 3),
            ("concat_axis", one_node("Concat", ones(1, 4), axis=7), 3),
            ("transpose_perm", one_node("Transpose", perm=[0, 0]), 3),
            ("gather_index", one_node("Gather", ints(9), axis=1), 3),
            ("squeeze_axis", one_node("Squeeze", ints(1)), 3),
            ("slice_step_0", one_node("Slice", ints(0), ints(2), ints(1), ints(0)), 3),
            ("split_sum", one_node("Split", ints(3), axis=1), 3),
            ("cast_type", one_node("Cast", to=77), [3, 5]),
            ("conv_weight_rank", one_node("Conv", ones(4), shape=picture), 3),
            ("conv_channels", one_node("Conv", ones(4, 5, 3, 3), shape=picture), 3),
            ("conv_kernel_shape", one_node("Conv", ones(4, 3, 3, 3), shape=picture,
                                           kernel_shape=[5, 5]), 3),
            ("conv_stride_0", one_node("Conv", ones(4, 3, 3, 3), shape=picture, strides=[0, 1]), 3),
            ("conv_group_0", one_node("Conv", ones(4, 3, 3, 3), shape=picture, group=0), 3),
            ("conv_pads_count", one_node("Conv", ones(4, 3, 3, 3), shape=picture, pads=[1, 1]), 3),
            ("conv_pads_huge", one_node("Conv", ones(4, 3, 3, 3), shape=picture,
                                        pads=[2 ** 62] * 4), [3, 6]),
            ("conv_too_large", one_node("Conv", ones(4, 3, 9, 9), shape=picture), 3),
            ("conv_dilation_huge", one_node("Conv", ones(4, 3, 3, 3), shape=picture,
                                            dilations=[2 ** 62, 2 ** 62]), [3, 6]),
            ("pool_kernel_0", one_node("MaxPool", shape=picture, kernel_shape=[0, 0]), 3),
            ("pool_no_kernel", one_node("MaxPool", shape=picture), 3),
            ("expand_huge", one_node("Expand", ints(2 ** 30, 2 ** 12, 1)), 6),
            ("tile_overflow", one_node("Tile", ints(2 ** 62, 2 ** 62)), [3, 6]),
            ("pad_huge", one_node("Pad", ints(0, 2 ** 40, 0, 0)), 6),
            ("pad_negative", one_node("Pad", ints(0, -9, 0, 0)), 3),
            ("resize_scale", one_node("Resize", "", np.array([1, 1, 0, -2], np.float32),
                                      shape=picture), 3),
            ("quantize_scale_0", one_node("QuantizeLinear", np.zeros((), np.float32)), 3),
            ("quantize_scale_nan", one_node("QuantizeLinear", np.array(np.nan, np.float32)), 3),
            ("quantize_axis", one_node("QuantizeLinear", ones(3), axis=1), 3),
            ("softmax_axis", one_node("Softmax", axis=5), 3),
            ("einsum_text", one_node("Einsum", equation="ij->ik"), 3)]:
        rank = len(net.inputs[0].type.tensor_type.shape.dim)
        folder = "{bad}/picture" if rank == 4 else "{bad}/inputs"
        arguments = ["run-pb", "{bad}/FILE", folder, "{out}"]
        bad_model(f"op_{name}.onnx", net, arguments, exits)


def inputs():
    put("inputs/input_0.pb", numpy_helper.from_array(np.ones((1, 4), np.float32), "x"))
    put("picture/input_0.pb", numpy_helper.from_array(np.ones((1, 3, 8, 8), np.float32), "x"))
    put("wrong_rank/input_0.pb", numpy_helper.from_array(np.ones((4,), np.float32), "input"))
    put("wrong_type/input_0.pb", numpy_helper.from_array(np.ones((1, 3, 32, 32)), "input"))
    put("cut/input_0.pb", numpy_helper.from_array(np.ones((1, 3, 32, 32), np.float32),
                                                  "input").SerializeToString()[:999])
    for name in ("wrong_rank", "wrong_type", "cut", "nowhere"):
        case(f"run-pb, {name}", ["run-pb", RESNET, "{bad}/" + name, "{out}"], 3)


def npy(array, **fields):
    out = io.BytesIO()
    np.save(out, array, **fields)
    return out.getvalue()


def data():
    rng = np.random.default_rng(3)
    photo = Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8))
    jpeg, png = io.BytesIO(), io.BytesIO()
    photo.save(jpeg, "jpeg")
    photo.save(png, "png")
    put("images_jpeg_cut/a.jpg", jpeg.getvalue()[:700])
    put("images_jpeg_text/a.jpg", b"this is not a picture\n")
    spoiled = bytearray(jpeg.getvalue())
    spoiled[300:420] = b"\xff" * 120
    put("images_jpeg_spoiled/a.jpg", bytes(spoiled))
    put("images_png_cut/a.png", png.getvalue()[:900])
    spoiled = bytearray(png.getvalue())
    spoiled[16:20] = struct.pack(">I", 2 ** 31 - 1)
    put("images_png_huge/a.png", bytes(spoiled))
    put("images_none/readme.txt", b"no picture here\n")
    good = rng.standard_normal((2, 3, 32, 32)).astype(np.float32)
    put("shape.npy", npy(good[:, :1]))
    put("cut.npy", npy(good)[:5000])
    put("text.npy", b"not an array\n")
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1048576, 3), }\n"
    put("huge.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    put("pickle.npy", npy(np.array([{"a": 1}], dtype=object), allow_pickle=True))
    nan = good.copy()
    nan[1, 2, 3, 4] = np.nan
    put("nan.npy", npy(nan))
    put("no_samples.npy", npy(good[:0]))
    archive = io.BytesIO()
    np.savez(archive, wrong_name=good[:1])
    put("wrong_key.npz", archive.getvalue())
    put("cut.npz", archive.getvalue()[:2000])
    put("cut-idx3-ubyte", struct.pack(">IIII", 0x803, 100, 28, 28) + b"\0" * 784)
    put("overflow-idx3-ubyte", struct.pack(">IIII", 0x803, *[2 ** 32 - 1] * 3) + b"\0" * 784)
    put("three-labels.csv", b"label\n1\n2\n3\n")
    put("text-labels.csv", b"label\ncat\ndog\n")

    def calibrate(name, *says):
        case(f"calibration data: {name}",
             ["quantize", RESNET, "-d", "{bad}/" + name, "-o", "{out}/q.onnx"], 3, says)

    for folder in ("images_jpeg_cut", "images_jpeg_text", "images_jpeg_spoiled", "images_png_cut",
                   "images_png_huge"):
        calibrate(folder, "a.jpg" if "jpeg" in folder else "a.png")
    calibrate("images_none")
    calibrate("shape.npy", "shape.npy")
    for name in ("cut.npy", "text.npy", "huge.npy", "pickle.npy", "no_samples.npy", "cut.npz",
                 "cut-idx3-ubyte", "overflow-idx3-ubyte", "nowhere.npy"):
        calibrate(name, name)
    calibrate("nan.npy", "nan.npy", "NaN")
    calibrate("wrong_key.npz", "wrong_key.npz", "input")
    put("good.npy", npy(good))
    for labels in ("three-labels.csv", "text-labels.csv", "nowhere.csv"):
        case(f"labels: {labels}", ["eval", RESNET, "-d", "{bad}/good.npy", "--labels",
                                   "{bad}/" + labels], 3, labels)


def usage():
    good = ["quantize", RESNET, "-d", "{bad}/good.npy", "-o", "{out}/q.onnx"]
    case("no data", ["quantize", RESNET, "-o", "{out}/q.onnx"], 2, "--data")
    case("output folder missing", good[:-1] + ["{out}/no/such/q.onnx"], 4, "no/such")
    case("output is a folder", good[:-1] + ["{out}"], 4)
    case("output exists", good[:-1] + ["{bad}/truncated.onnx"], 4, "--force")
    case("unknown option", good + ["--calibrate-harder"], 2, "calibrate-harder")
    case("unknown type", good + ["-t", "int-8"], 2, ["int-8", "int8"])
    case("unknown calibrator", good + ["--calib", "magic"], 2, "magic")
    case("percentile over 100", good + ["--calib", "percentile:101"], 2)
    case("unknown target", good + ["--target", "abacus"], 2, "abacus")
    case("no samples", good + ["-n", "0"], 2)
    case("negative threads", good + ["--threads", "-3"], 2)
    case("unknown verb", ["quantise", RESNET], 2, "quantize")
    case("no verb's argument", ["inspect"], 2)
    case("random without a count", ["quantize", RESNET, "-d", "random:many", "-o",
                                    "{out}/q.onnx"], 2)
    case("unknown threshold", ["compare", RESNET, RESNET, "-d", "{bad}/good.npy", "--fail-if",
                               "beauty<1"], 2, "beauty")
    quantized = Net("quantized", 13)
    x = quantized.input("x", [1, 4])
    scale, zero = quantized.scalar(0.05), quantized.scalar(128, np.uint8)
    q = quantized.op("QuantizeLinear", [x, scale, zero])
    q = quantized.op("DequantizeLinear", [q, scale, zero])
    w = quantized.op("DequantizeLinear", [quantized.weight(np.arange(8).reshape(4, 2), "w", np.int8),
                                          scale])
    quantized.output(quantized.op("MatMul", [q, w]), "y", [1, 2])
    bad_model("quantized.onnx", quantized, QUANTIZE, [2, 3], "already quantized")


def main():
    for part in (not_models, external_data, tensors, graphs, arithmetic, inputs, data, usage):
        part()
    lines = ",\n".join("  " + json.dumps(c) for c in CASES)
    (HERE / "expected.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(CASES)} cases")


if __name__ == "__main__":
    main()
