"""Recurrent networks with their state as inputs and outputs, and control flow."""

import numpy as np

from .net import BOOL, I64, Net


def lstm_state(opset):
    """Two LSTM layers, state in and out, dynamic batch and sequence."""
    net = Net(f"lstm_state_opset{opset}", opset)
    size, hidden = 8, 16
    x = net.input("x", ["sequence", "batch", size])
    h = net.input("h", [2, "batch", hidden])
    c = net.input("c", [2, "batch", hidden])
    hs, cs = [], []
    for layer in range(2):
        columns = size if layer == 0 else hidden
        w = net.random(1, 4 * hidden, columns, scale=0.4)
        r = net.random(1, 4 * hidden, hidden, scale=0.3)
        b = net.random(1, 8 * hidden, scale=0.1)
        state = [net.slice(s, layer, layer + 1, 0) for s in (h, c)]
        y, hn, cn = net.op("LSTM", [x, w, r, b, ""] + state, 3, hidden_size=hidden)
        x = net.squeeze(y, 1)
        hs.append(hn)
        cs.append(cn)
    net.output(net.linear(x, hidden, 5), "y", ["sequence", "batch", 5])
    net.output(net.op("Concat", hs, axis=0), "hn", [2, "batch", hidden])
    net.output(net.op("Concat", cs, axis=0), "cn", [2, "batch", hidden])
    return net


def gru_state(opset):
    """One GRU as torch exports it (linear_before_reset) and a reverse one with sequence lengths."""
    net = Net(f"gru_state_opset{opset}", opset)
    size, hidden = 8, 12
    x = net.input("x", ["sequence", "batch", size])
    h = net.input("h", [1, "batch", hidden])
    lengths = net.op("Cast", [net.input("lengths", ["batch"], I64)], to=6)

    def weights(columns):
        return [net.random(1, 3 * hidden, columns, scale=0.4),
                net.random(1, 3 * hidden, hidden, scale=0.3), net.random(1, 6 * hidden, scale=0.1)]

    y, hn = net.op("GRU", [x] + weights(size) + ["", h], 2, hidden_size=hidden,
                   linear_before_reset=1)
    back = net.op("GRU", [net.squeeze(y, 1)] + weights(hidden) + [lengths], 2, hidden_size=hidden,
                  direction="reverse")[0]
    net.output(net.squeeze(back, 1), "y", ["sequence", "batch", hidden])
    net.output(hn, "hn", [1, "batch", hidden])
    return net


def voice_activity(opset):
    """A speech detector's shape: the sampling rate is an int64 scalar that chooses, in an If, between
    two stacks of Conv with weights inside the branches; then an LSTM with state."""
    net = Net(f"voice_activity_opset{opset}", opset)
    x = net.input("input", [1, 1, "samples"])
    state = net.input("state", [2, 1, 8])
    rate = net.input("sr", [], I64)
    branches = []
    for kernel in (8, 4):
        branch = net.branch("rate_16k" if kernel == 8 else "rate_8k")
        y = branch.op("Conv", [x, branch.random(8, 1, kernel), branch.bias(8)],
                      kernel_shape=[kernel], strides=[kernel // 2])
        y = branch.op("Relu", [y])
        y = branch.op("Conv", [y, branch.random(8, 8, 3), branch.bias(8)], kernel_shape=[3],
                      pads=[1, 1])
        branch.output(branch.op("Relu", [y]), branch.fresh("features"), [1, 8, None])
        branches.append(branch.graph())
    features = net.op("If", [net.op("Equal", [rate, net.scalar(16000, np.int64)])],
                      then_branch=branches[0], else_branch=branches[1])
    x = net.transpose(features, 2, 0, 1)
    w, r = net.random(1, 32, 8, scale=0.4), net.random(1, 32, 8, scale=0.4)
    h, c = net.slice(state, 0, 1, 0), net.slice(state, 1, 2, 0)
    _, hn, cn = net.op("LSTM", [x, w, r, net.random(1, 64, scale=0.1), "", h, c],
                       ["", net.fresh("hn"), net.fresh("cn")], hidden_size=8)
    y = net.op("Sigmoid", [net.gemm(net.squeeze(hn, 0), 8, 1)])
    net.output(y, "output", [1, 1])
    net.output(net.op("Concat", [hn, cn], axis=0), "stateN", [2, 1, 8])
    return net


def if_conv(opset):
    """A Conv before an If, a Conv in both branches, a Conv after it."""
    net = Net(f"if_conv_opset{opset}", opset)
    x = net.input("x", [1, 4, 8, 8])
    fine = net.input("fine", [], BOOL)
    x = net.op("Relu", [net.conv(x, 4, 8)])
    branches = []
    for kernel, label in [(3, "fine"), (1, "coarse")]:
        branch = net.branch(label)
        y = branch.op("Relu", [branch.conv(x, 8, 8, kernel)])
        branch.output(branch.op("Add", [y, x]), branch.fresh(label), [1, 8, 8, 8])
        branches.append(branch.graph())
    y = net.op("If", [fine], then_branch=branches[0], else_branch=branches[1])
    net.output(net.conv(y, 8, 4, 1), "y", [1, 4, 8, 8])
    return net


def loop(opset):
    """Loop: a carried state through a Gemm with the weights of the outer graph, a scan output, an
    early stop by condition."""
    net = Net(f"loop_opset{opset}", opset)
    state = net.input("state", [1, 6])
    count = net.input("count", [], I64)
    w, b = net.random(6, 6, scale=0.5), net.bias(6)
    body = net.branch("body")
    body.input("i", [], I64)
    body.input("keep_in", [], BOOL)
    carried = body.input("carried", [1, 6])
    nxt = body.op("Tanh", [body.op("Gemm", [carried, w, b])])
    norm = body.op("ReduceMax", [body.op("Abs", [nxt])], keepdims=0)
    body.output(body.op("Less", [norm, body.scalar(100.0)]), "keep", [], BOOL)
    body.output(nxt, "next", [1, 6])
    body.output(body.op("Identity", ["next"]), "seen", [1, 6])
    last, every = net.op("Loop", [count, net.scalar(True, np.bool_), state], 2, body=body.graph())
    net.output(last, "last", [1, 6])
    net.output(every, "every", ["count", 1, 6])
    return net


def scan(opset):
    """Scan: a running, gated sum over a sequence."""
    net = Net(f"scan_opset{opset}", opset)
    x = net.input("x", ["sequence", 6])
    start = net.input("start", [6])
    body = net.branch("body")
    total = body.input("total", [6])
    item = body.input("item", [6])
    body.output(body.op("Add", [total, body.op("Sigmoid", [item])]), "total_out", [6])
    body.output(body.op("Mul", ["total_out", body.random(6)]), "scaled", [6])
    end, scaled = net.op("Scan", [start, x], 2, body=body.graph(), num_scan_inputs=1)
    net.output(end, "end", [6])
    net.output(scaled, "scaled", ["sequence", 6])
    return net
