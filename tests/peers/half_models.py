"""What test_halves.py converts beside torch's networks: each stands for a trait that converters miss."""

import sys

import numpy as np
import onnx

from support import tersor

sys.path.insert(0, str(tersor.MODELS))
from networks.net import BOOL, I64, Net  # noqa: E402  (the builder of tests/models)


def save(net, folder):
    path = folder / f"{net.name}.onnx"
    onnx.save(net.model(), path)
    return path


def detector(folder, opset=17):
    """Backbone, Resize by scales and by sizes, boxes in pixels, NonMaxSuppression, GatherND."""
    net = Net(f"detector_nms_opset{opset}", opset)
    image = net.input("image", [1, 3, 128, 128])
    c2 = net.op("Relu", [net.conv(image, 3, 16, 3, 2)])
    c3 = net.op("Relu", [net.conv(c2, 16, 32, 3, 2)])
    c4 = net.op("Relu", [net.conv(c3, 32, 64, 3, 2)])
    up = net.op("Resize", [c4, "", net.weight([1, 1, 2, 2], "scales")], mode="nearest",
                nearest_mode="floor", coordinate_transformation_mode="asymmetric")
    p3 = net.op("Relu", [net.conv(net.op("Concat", [up, c3], axis=1), 96, 32)])
    size = net.op("Concat", [net.slice(net.op("Shape", [p3]), 0, 2, 0),
                             net.slice(net.op("Shape", [c2]), 2, 4, 0)], axis=0)
    p2 = net.op("Resize", [p3, "", "", size], mode="linear",
                coordinate_transformation_mode="half_pixel")
    head = net.conv(net.op("Concat", [p2, c2], axis=1), 48, 7, 1)
    head = net.transpose(net.reshape(head, 1, 7, -1), 0, 2, 1)
    corner = net.op("Mul", [net.op("Sigmoid", [net.slice(head, 0, 2, 2)]), net.scalar(120)])
    extent = net.op("Mul", [net.op("Exp", [net.slice(head, 2, 4, 2)]), net.scalar(8)])
    boxes = net.op("Concat", [corner, net.op("Add", [corner, extent])], axis=2)
    scores = net.transpose(net.op("Softmax", [net.slice(head, 4, 7, 2)], axis=2), 0, 2, 1)
    chosen = net.op("NonMaxSuppression", [boxes, scores, net.ints(20), net.weight([0.5]),
                                          net.weight([0.3])])
    best = net.op("GatherND", [scores, chosen])
    net.output(boxes, "boxes", [1, 4096, 4])
    net.output(scores, "scores", [1, 3, 4096])
    net.output(chosen, "chosen", ["found", 3], I64)
    net.output(best, "best", ["found"])
    return save(net, folder)


def control(folder, opset=17):
    """An If whose branches read a value and weights of the outer graph, then a Loop with state and
    scan outputs that holds an If of its own."""
    net = Net(f"control_opset{opset}", opset)
    x, count = net.input("x", [1, 3, 16, 16]), net.input("count", [], I64)
    features = net.op("Relu", [net.conv(x, 3, 8)])
    shared = net.random(8, 8, 3, 3)
    branches = []
    for label, dilation in [("near", 1), ("far", 2)]:
        branch = net.branch(label)
        y = branch.op("Conv", [features, shared], pads=[dilation] * 4, dilations=[dilation] * 2)
        y = branch.op("Add", [y, branch.op("Constant", [], value_float=0.25 * dilation)])
        branch.output(y, branch.fresh(label), [1, 8, 16, 16])
        branches.append(branch.graph())
    mean = net.op("ReduceMean", [x], keepdims=0)
    y = net.op("If", [net.op("Greater", [mean, net.scalar(0)])],
               then_branch=branches[0], else_branch=branches[1])
    pooled = net.op("Flatten", [net.op("GlobalAveragePool", [y])])
    w = net.random(8, 8, scale=0.5)

    body = net.branch("body")
    body.input("i", [], I64)
    go_on = body.input("go", [], BOOL)
    state = body.input("state", [1, 8])
    step = body.op("Tanh", [body.op("Add", [body.op("MatMul", [state, w]), pooled])])
    choices = []
    for factor in (2.0, 0.5):
        choice = body.branch(f"times_{factor}")
        choice.output(choice.op("Mul", [step, choice.scalar(factor)]), choice.fresh("scaled"), [1, 8])
        choices.append(choice.graph())
    large = body.op("ReduceMax", [body.op("Abs", [step])], keepdims=0)
    step = body.op("If", [body.op("Less", [large, body.scalar(0.5)])],
                   then_branch=choices[0], else_branch=choices[1])
    body.output(body.op("Identity", [go_on]), "go_on", [], BOOL)
    body.output(step, "next", [1, 8])
    body.output(body.op("ReduceSum", ["next"], keepdims=0), "sum", [])
    last, sums = net.op("Loop", [count, net.scalar(True, np.bool_), pooled], 2, body=body.graph())
    net.output(last, "last", [1, 8])
    net.output(sums, "sums", ["count"])
    return save(net, folder)


def lstm(folder, opset=17):
    """A bidirectional LSTM with lengths and one with state in and out, as torch writes them."""
    net = Net(f"lstm_opset{opset}", opset)
    size, hidden = 24, 32
    x = net.input("x", ["sequence", "batch", size])
    h, c = (net.input(name, [1, "batch", hidden]) for name in ("h", "c"))
    lengths = net.op("Cast", [net.input("lengths", ["batch"], I64)], to=6)

    def weights(columns, directions):
        return [net.random(directions, 4 * hidden, columns, scale=0.3),
                net.random(directions, 4 * hidden, hidden, scale=0.2),
                net.random(directions, 8 * hidden, scale=0.1)]

    y = net.op("LSTM", [x] + weights(size, 2) + [lengths], 3, hidden_size=hidden,
               direction="bidirectional")[0]
    y = net.op("Reshape", [net.transpose(y, 0, 2, 1, 3), net.ints(0, 0, -1)])
    y, hn, cn = net.op("LSTM", [y] + weights(2 * hidden, 1) + ["", h, c], 3, hidden_size=hidden)
    net.output(net.linear(net.squeeze(y, 1), hidden, 10), "y", ["sequence", "batch", 10])
    net.output(hn, "hn", [1, "batch", hidden])
    net.output(cn, "cn", [1, "batch", hidden])
    return save(net, folder)
