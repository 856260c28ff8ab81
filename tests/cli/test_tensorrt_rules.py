"""Violations planted into a file of ours for TensorRT: each is found where it is, and nothing else."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from support import tersor

PICTURES = tersor.ROOT / "tests" / "data" / "fashion"


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    out = tmp_path_factory.mktemp("ours") / "resnet.onnx"
    tersor.run("quantize", tersor.ROOT / "models" / "fashion_resnet.onnx", "-d", PICTURES, "-o", out, "--target",
               "tensorrt", "--verify", 0)
    return out


class Graph:
    """The file, to break."""

    def __init__(self, path):
        self.model = onnx.load(path)
        self.graph = self.model.graph
        self.nodes = list(self.graph.node)
        self.weights = {t.name: t for t in self.graph.initializer}
        self.maker = {o: n for n in self.nodes for o in n.output}

    def of(self, kind, where=lambda node: True):
        return next(n for n in self.nodes if n.op_type == kind and where(n))

    def readers(self, value):
        return [n for n in self.nodes if value in n.input]

    def constant(self, name, array):
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def before(self, node, *new):
        at = list(self.graph.node).index(node)
        for other in reversed(new):
            self.graph.node.insert(at, other)

    def pair(self):
        """A QuantizeLinear inside the model and those that read it."""
        quantize = self.of("QuantizeLinear", lambda n: n.input[0] in self.maker)
        return [quantize] + self.readers(quantize.output[0])

    def weight(self):
        """The DequantizeLinear of the weights of a Conv, not of the first, which has one input channel."""
        conv = self.of("Conv", lambda n: self.weights[self.maker[n.input[1]].input[0]].dims[1] > 1)
        return self.maker[conv.input[1]], conv

    def give_pair(self, place, value):
        for node in self.pair():
            node.input[place] = value


def zero_point(g):
    g.give_pair(2, g.constant("five", np.int8(5)))


def unsigned(g):
    g.give_pair(2, g.constant("unsigned", np.uint8(0)))


def wrong_axis(g):
    dequantize, conv = g.weight()
    columns = numpy_helper.to_array(g.weights[dequantize.input[0]]).shape[1]
    dequantize.input[1] = g.constant("columns", np.full(columns, 0.01, np.float32))
    dequantize.input[2] = g.constant("columns_zero", np.zeros(columns, np.int8))
    dequantize.attribute[0].i = 1


def float_into_residual_add(g):
    add = g.of("Add", lambda n: all(i in g.maker and g.maker[i].op_type == "DequantizeLinear" for i in n.input))
    add.input[1] = g.maker[g.maker[add.input[1]].input[0]].input[0]


def int32_bias(g):
    _, conv = g.weight()
    channels = numpy_helper.to_array(g.weights[conv.input[2]]).size
    codes = g.constant("codes", np.zeros(channels, np.int32))
    g.before(conv, helper.make_node("DequantizeLinear", [codes, g.maker[conv.input[0]].input[1]], ["real_bias"],
                                    name="bias"))
    conv.input[2] = "real_bias"


def scale_of_zero(g):
    g.give_pair(1, g.constant("nothing", np.float32(0)))


def float_weights(g):
    dequantize, conv = g.weight()
    conv.input[1] = g.constant("real", numpy_helper.to_array(g.weights[dequantize.input[0]]).astype(np.float32))


def shared_dequantize(g):
    quantize, first, second, *_ = next(
        p for p in ([n] + g.readers(n.output[0]) for n in g.nodes if n.op_type == "QuantizeLinear") if len(p) > 2)
    for reader in g.readers(second.output[0]):
        reader.input[list(reader.input).index(second.output[0])] = first.output[0]
    # The Add comes later: the one that is shared stays before both.
    g.graph.node.remove(second)


def pair_that_differs(g):
    g.pair()[1].input[1] = g.constant("other", np.float32(0.3))


def unread_opset(g):
    next(o for o in g.model.opset_import if not o.domain).version = 27


PLANTED = [(zero_point, "zero-point"), (unsigned, "type"), (wrong_axis, "weight-axis"),
           (float_into_residual_add, "residual-add"), (int32_bias, "bias"), (scale_of_zero, "scale"),
           (float_weights, "both-inputs"), (shared_dequantize, "own-dequantize"), (pair_that_differs, "pair"),
           (unread_opset, "opset")]


def rules_broken(path):
    report = tersor.run_json("inspect", path, "--target", "tensorrt", exits=[0, 1])
    return {finding["rule"] for finding in report["target"]["findings"]}


def test_ours_breaks_none(ours):
    assert rules_broken(ours) == set()


@pytest.mark.parametrize("plant, rule", PLANTED, ids=[rule for _, rule in PLANTED])
def test_a_planted_violation_is_found(ours, tmp_path, plant, rule):
    g = Graph(ours)
    plant(g)
    onnx.save(g.model, tmp_path / "planted.onnx")
    assert rules_broken(tmp_path / "planted.onnx") == {rule}
