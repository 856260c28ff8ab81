"""Image networks: ResNet, MobileNetV2 and V3, EfficientNet-Lite, a detector, a text recognizer."""

import numpy as np

from .net import Net


def resnet(opset, name=None, weights="initializer"):
    """Stem, a plain residual block, one that halves the picture, pooling, Gemm: 15 thousand
    weights."""
    net = Net(name or f"resnet_opset{opset}", opset, weights)
    net.rng = np.random.default_rng(7)  # the same network at every opset
    batch = 1 if opset < 9 else "batch"
    x = net.input("input", [batch, 3, 32, 32])
    x = net.op("Relu", [net.conv_bn(x, 3, 8, 3, 1)])
    x = net.op("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = block(net, x, 8, 8, 1)
    x = block(net, x, 8, 24, 2)
    x = net.op("Flatten", [net.op("GlobalAveragePool", [x])], axis=1)
    net.output(net.gemm(x, 24, 10), "logits", [batch, 10])
    return net


def block(net, x, cin, cout, stride):
    y = net.op("Relu", [net.conv_bn(x, cin, cout, 3, stride)])
    y = net.conv_bn(y, cout, cout, 3, 1)
    if stride != 1:
        x = net.conv_bn(x, cin, cout, 1, stride)
    return net.op("Relu", [net.op("Add", [y, x])])


def mobilenet_v2(opset):
    """Inverted residuals, depthwise convolutions, ReLU6 as Clip."""
    net = Net(f"mobilenet_v2_opset{opset}", opset)
    x = net.input("input", ["batch", 3, 32, 32])
    x = net.clip(net.conv_bn(x, 3, 8, 3, 2), 0, 6)
    for cin, cout, stride in [(8, 8, 1), (8, 12, 2), (12, 12, 1)]:
        wide = cin * 4
        y = net.clip(net.conv_bn(x, cin, wide, 1), 0, 6)
        y = net.clip(net.conv_bn(y, wide, wide, 3, stride, group=wide), 0, 6)
        y = net.conv_bn(y, wide, cout, 1)
        x = net.op("Add", [x, y]) if cin == cout and stride == 1 else y
    x = net.clip(net.conv_bn(x, 12, 32, 1), 0, 6)
    x = net.op("GlobalAveragePool", [x])
    net.output(net.gemm(net.op("Flatten", [x], axis=1), 32, 10), "logits", ["batch", 10])
    return net


def hard_swish(net, x):
    """The operator from opset 14 on, the chain Add, Clip, Mul, Div before."""
    if net.opset >= 14:
        return net.op("HardSwish", [x])
    y = net.clip(net.op("Add", [x, net.scalar(3.0)]), 0, 6)
    return net.op("Div", [net.op("Mul", [x, y]), net.scalar(6.0)])


def hard_sigmoid(net, x):
    if net.opset >= 14:
        return net.op("HardSigmoid", [x], alpha=1 / 6, beta=0.5)
    return net.op("Div", [net.clip(net.op("Add", [x, net.scalar(3.0)]), 0, 6), net.scalar(6.0)])


def mobilenet_v3(opset):
    """Squeeze-and-excite (pool, two 1x1 convolutions, Mul) and hard-swish."""
    net = Net(f"mobilenet_v3_opset{opset}", opset)
    x = net.input("input", ["batch", 3, 32, 32])
    x = hard_swish(net, net.conv_bn(x, 3, 8, 3, 2))
    for cin, cout, kernel, stride in [(8, 8, 3, 1), (8, 12, 5, 2)]:
        wide = cin * 3
        y = hard_swish(net, net.conv_bn(x, cin, wide, 1))
        y = hard_swish(net, net.conv_bn(y, wide, wide, kernel, stride, group=wide))
        gate = net.op("Relu", [net.conv(net.op("GlobalAveragePool", [y]), wide, 8, 1)])
        y = net.op("Mul", [y, hard_sigmoid(net, net.conv(gate, 8, wide, 1))])
        y = net.conv_bn(y, wide, cout, 1)
        x = net.op("Add", [x, y]) if cin == cout and stride == 1 else y
    x = net.op("GlobalAveragePool", [hard_swish(net, net.conv_bn(x, 12, 32, 1))])
    x = hard_swish(net, net.gemm(net.op("Flatten", [x], axis=1), 32, 24))
    net.output(net.gemm(x, 24, 10), "logits", ["batch", 10])
    return net


def efficientnet_lite(opset):
    """As converters from TensorFlow write it: NHWC input, Transpose, SAME_UPPER padding, ReduceMean,
    probabilities at the end."""
    net = Net(f"efficientnet_lite_opset{opset}", opset)
    x = net.input("images:0", ["unk__1", 33, 33, 3])
    x = net.transpose(x, 0, 3, 1, 2)
    x = net.clip(net.conv(x, 3, 8, 3, 2, auto_pad="SAME_UPPER"), 0, 6)
    for cin, cout, kernel, stride in [(8, 8, 3, 1), (8, 12, 5, 2), (12, 12, 5, 1)]:
        wide = cin * 3
        y = net.clip(net.conv(x, cin, wide, 1), 0, 6)
        y = net.conv(y, wide, wide, kernel, stride, group=wide, auto_pad="SAME_UPPER")
        y = net.conv(net.clip(y, 0, 6), wide, cout, 1)
        x = net.op("Add", [y, x]) if cin == cout and stride == 1 else y
    x = net.clip(net.conv(x, 12, 32, 1), 0, 6)
    x = net.squeeze(net.reduce_mean(x, 2, 3), 2, 3)
    x = net.op("Add", [net.op("MatMul", [x, net.random(32, 10, scale=0.4)]), net.bias(10)])
    net.output(net.op("Softmax", [x], axis=-1), "Softmax:0", ["unk__1", 10])
    return net


def resize(net, x, mode, scale=2):
    if net.opset < 10:
        return net.op("Upsample", [x, net.weight([1, 1, scale, scale], "scales")], mode=mode)
    scales = net.weight([1, 1, scale, scale], "scales")
    if net.opset < 11:
        return net.op("Resize", [x, scales], mode=mode)
    roi = net.weight([], "roi") if net.opset < 13 else ""
    return net.op("Resize", [x, roi, scales], mode=mode,
                  coordinate_transformation_mode="asymmetric" if mode == "nearest" else
                  "half_pixel", nearest_mode="floor" if mode == "nearest" else None)


def detector(opset):
    """Backbone, upsampling by Resize (nearest and linear) and ConvTranspose, spatial pyramid pooling,
    two heads whose boxes (pixels) and scores (0 to 1) meet in Concats."""
    net = Net(f"detector_opset{opset}", opset)
    x = net.input("image", [1, 3, 64, 64])

    def silu(value):
        return net.op("Mul", [value, net.op("Sigmoid", [value])])

    def leaky(value):
        return net.op("LeakyRelu", [value], alpha=0.1)

    x = silu(net.conv(x, 3, 8, 3, 2))
    c3 = silu(net.conv(x, 8, 12, 3, 2))
    c4 = leaky(net.conv(c3, 12, 16, 3, 2))
    pools = [c4] + [net.op("MaxPool", [c4], kernel_shape=[k, k], strides=[1, 1], pads=[k // 2] * 4)
                    for k in (3, 5)]
    c4 = leaky(net.conv(net.op("Concat", pools, axis=1), 48, 16, 1))
    up = resize(net, c4, "nearest")
    smooth = resize(net, leaky(net.conv(c4, 16, 8, 1)), "linear")
    learned = net.op("ConvTranspose", [c4, net.random(16, 8, 2, 2, scale=0.2), net.bias(8)],
                     kernel_shape=[2, 2], strides=[2, 2])
    p3 = net.op("Concat", [up, smooth, learned, c3], axis=1)
    p3 = silu(net.conv(p3, 44, 16, 3))
    p4 = silu(net.op("Add", [net.conv(p3, 16, 16, 3, 2), c4]))
    flat = []
    for level, cells, stride in [(p3, 16 * 16, 4), (p4, 8 * 8, 8)]:
        head = net.conv(level, 16, 14, 1)  # two anchors of x, y, width, height and three classes
        head = net.reshape(head, 1, 2, 7, cells)
        head = net.transpose(head, 0, 1, 3, 2)
        head = net.op("Sigmoid", [net.reshape(head, 1, 2 * cells, 7)])
        box = net.op("Mul", [net.slice(head, 0, 4, 2), net.scalar(16.0 * stride)])
        flat.append(net.op("Concat", [box, net.slice(head, 4, 7, 2)], axis=2))
    every = net.op("Concat", flat, axis=1)
    net.output(net.slice(every, 0, 4, 2), "boxes", [1, 640, 4])
    net.output(net.slice(every, 4, 7, 2), "scores", [1, 640, 3])
    return net


def text_recognizer(opset):
    """Convolutions squeeze the height away, a bidirectional LSTM reads the columns, Softmax over
    characters. Batch and width are dynamic."""
    net = Net(f"text_recognizer_opset{opset}", opset)
    x = net.input("line", ["batch", 1, 16, "width"])
    x = net.op("Relu", [net.conv_bn(x, 1, 8, 3)])
    x = net.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Relu", [net.conv_bn(x, 8, 16, 3)])
    x = net.op("MaxPool", [x], kernel_shape=[2, 1], strides=[2, 1])
    x = net.op("AveragePool", [x], kernel_shape=[4, 1], strides=[4, 1])
    x = net.transpose(net.squeeze(x, 2), 2, 0, 1)  # column, batch, channel
    hidden = 12
    w = net.random(2, 4 * hidden, 16, scale=0.3)
    r = net.random(2, 4 * hidden, hidden, scale=0.3)
    b = net.random(2, 8 * hidden, scale=0.1)
    y = net.op("LSTM", [x, w, r, b], 3, hidden_size=hidden, direction="bidirectional")[0]
    y = net.transpose(y, 2, 0, 1, 3)  # batch, column, direction, hidden
    y = net.op("Reshape", [y, net.ints(0, 0, -1)])
    y = net.linear(y, 2 * hidden, 20)
    net.output(net.op("Softmax", [y], axis=2), "characters", ["batch", "columns", 20])
    return net
