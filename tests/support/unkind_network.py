"""A detector made to break naive tools, with data for it. Its head joins boxes of 0..640 and scores of 0..1; one of
10^5 numbers of its input, and so of what follows, is far larger than the others; two channels are dead; one layer
has weights from 2^-10 to 2^6 times the usual."""

import pathlib
import sys

import numpy as np
import onnx

from support import tersor

sys.path.insert(0, str(tersor.MODELS))
from networks.net import Net  # noqa: E402  (the builder of tests/models)

CELLS, CLASSES = 256, 4
DEAD = (5, 9)  # channels of value "dead": without weights, and with a bias far below zero
JOINED, EXTREME = "joined", "extreme_w"


def write(path):
    net = Net("unkind", 17)
    rng = np.random.default_rng(0)

    def layer(x, cin, cout, kernel=3, stride=1, change=lambda w, b: (w, b), name=None):
        w = rng.standard_normal((cout, cin, kernel, kernel)) * np.sqrt(2 / (cin * kernel * kernel))
        w, b = change(w, rng.standard_normal(cout) * 0.1)
        return net.op("Conv", [x, net.weight(w, name or "w"), net.weight(b, "b")], kernel_shape=[kernel] * 2,
                      strides=[stride] * 2, pads=[kernel // 2] * 4)

    def kill(w, b):
        w[DEAD[0]] = b[DEAD[0]] = 0
        b[DEAD[1]] = -1000
        return w, b

    sizes = 2.0 ** rng.uniform(-10, 6, 32)
    image = net.input("image", ["N", 3, 64, 64])
    x = net.op("Relu", [layer(image, 3, 16, stride=2)])
    x = net.op("Relu", [layer(x, 16, 16, change=kill)], ["dead"])
    x = net.op("Relu", [layer(x, 16, 32, stride=2, name=EXTREME,
                              change=lambda w, b: (w * sizes[:, None, None, None], b * sizes))])
    x = net.op("Relu", [layer(x, 32, 32, change=lambda w, b: (w / sizes[None, :, None, None], b))])
    x = net.clip(layer(x, 32, 32), 0, 6)
    x = net.reshape(layer(x, 32, 4 + CLASSES, kernel=1), 0, 4 + CLASSES, -1)
    boxes = net.op("Mul", [net.op("Sigmoid", [net.slice(x, 0, 4, 1)]), net.scalar(640)])
    scores = net.op("Sigmoid", [net.slice(x, 4, 4 + CLASSES, 1)])
    joined = net.op("Concat", [boxes, scores], [JOINED], axis=1)
    net.output(net.slice(joined, 0, 4, 1), "boxes", ["N", 4, CELLS])
    net.output(net.slice(joined, 4, 4 + CLASSES, 1), "scores", ["N", CLASSES, CELLS])
    onnx.save(net.model(), pathlib.Path(path))


def pictures(count, seed, outlier):
    """Standard normal numbers but for one in 10^5, which is `outlier`."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 3, 64, 64)).astype(np.float32)
    chosen = rng.choice(x.size, round(x.size / 1e5), replace=False)
    x.reshape(-1)[chosen] = outlier * rng.choice([-1, 1], len(chosen))
    return x
