"""Networks that break naive quantizers: each hazard is common in trained networks."""

import numpy as np

from .net import Net

HAZARDS = ["dead", "extreme", "outlier", "concat"]


def hostile(*hazards):
    """A small detector for noise of [batch, 3, 32, 32], with any of

    dead     channels of zero weights: silent ones, and one with a constant of 40
    extreme  a layer some of whose weights are a thousand times the others
    outlier  a channel of a residual sum in which one value in 10^5 is about 100, the others 0
    concat   boxes of 0..640 and scores of 0..1 in one tensor, taken apart again
    """
    net = Net("hostile_" + "_".join(hazards), 17)
    net.rng = np.random.default_rng(11)
    x = net.input("input", ["batch", 3, 32, 32])
    stem = net.rng.standard_normal((16, 3, 3, 3)) * np.sqrt(1 / 27)
    bias = net.rng.standard_normal(16) * 0.1
    reads = net.rng.standard_normal((16, 16, 3, 3)) * np.sqrt(2 / 144)
    skips = np.ones(16)
    if "outlier" in hazards:  # 16 times a normal number above 4.26 of its deviations
        stem[7] = np.sign(stem[7]) * 400 / np.sqrt(27)
        bias[7] = -400 * 4.26
        reads[:, 7] *= 0.01
        skips[7] = 0.01
    if "dead" in hazards:
        stem[[2, 3, 5]] = 0
        bias[[2, 3]] = -0.5, 0
        bias[5] = 40
        reads[:, 5] = 0
        skips[5] = 0
    a = net.op("Relu", [conv(net, x, stem, bias)])
    y = net.op("Relu", [conv(net, a, reads, net.rng.standard_normal(16) * 0.1)])
    a = net.op("Add", [y, a])
    down = net.rng.standard_normal((24, 16, 3, 3)) * np.sqrt(1 / 144) * skips[:, None, None]
    a = net.op("Relu", [conv(net, a, down, net.rng.standard_normal(24) * 0.1, 2)])
    wide = net.rng.standard_normal((24, 24, 3, 3)) * np.sqrt(2 / 216)
    bias = net.rng.standard_normal(24) * 0.1
    reads = net.rng.standard_normal((32, 24, 1, 1)) * np.sqrt(2 / 24)
    if "extreme" in hazards:
        wide[[4, 9]] *= 1000
        bias[[4, 9]] *= 1000
        reads[:, [4, 9]] /= 1000
        wide[11] /= 1000
        bias[11] /= 1000
        reads[:, 11] *= 1000
    a = net.op("Relu", [conv(net, a, wide, bias)])
    a = net.op("Relu", [conv(net, a, reads, net.rng.standard_normal(32) * 0.1)])
    boxes = net.op("Relu", [conv(net, a, net.rng.standard_normal((4, 32, 1, 1)) * 30,
                                 np.full(4, 200.0))])
    scores = net.op("Sigmoid", [conv(net, a, net.rng.standard_normal((6, 32, 1, 1)) * 0.4,
                                     np.full(6, -1.0))])
    if "concat" in hazards:
        both = net.op("Concat", [boxes, scores], axis=1)
        both = net.op("Reshape", [both, net.ints(0, 10, 256)])
        boxes, scores = net.op("Split", [both, net.ints(4, 6)], 2, axis=1)
        # What a decoder does next: from corners to centres and sizes.
        centres = np.array([[.5, 0, .5, 0], [0, .5, 0, .5], [-1, 0, 1, 0], [0, -1, 0, 1]])
        boxes = net.op("Conv", [boxes, net.weight(centres[:, :, None])])
        best = net.op("Conv", [scores, net.random(3, 6, 1)])
        net.output(best, "groups", ["batch", 3, 256])
    net.output(boxes, "boxes")
    net.output(scores, "scores")
    return net


def conv(net, x, weights, bias, stride=1):
    same = weights.shape[-1] // 2
    return net.op("Conv", [x, net.weight(weights), net.weight(bias, "b")],
                  kernel_shape=list(weights.shape[2:]), strides=[stride] * 2, pads=[same] * 4)
