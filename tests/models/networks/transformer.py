"""A BERT-like encoder with dynamic batch and sequence, in three spellings."""

import numpy as np

from .net import I64, Net

HIDDEN, HEADS, FEED, VOCABULARY, LONGEST = 32, 4, 64, 64, 24


def layer_norm(net, x):
    gamma = net.weight(net.rng.uniform(0.5, 1.5, HIDDEN), "gamma")
    beta = net.bias(HIDDEN)
    if net.opset >= 17:
        return net.op("LayerNormalization", [x, gamma, beta], axis=-1, epsilon=1e-12)
    centred = net.op("Sub", [x, net.reduce_mean(x, -1)])
    variance = net.reduce_mean(net.op("Pow", [centred, net.scalar(2.0)]), -1)
    deviation = net.op("Sqrt", [net.op("Add", [variance, net.scalar(1e-12)])])
    return net.op("Add", [net.op("Mul", [net.op("Div", [centred, deviation]), gamma]), beta])


def gelu(net, x):
    if net.opset >= 20:
        return net.op("Gelu", [x])
    erf = net.op("Erf", [net.op("Div", [x, net.scalar(np.sqrt(2.0))])])
    y = net.op("Mul", [x, net.op("Add", [erf, net.scalar(1.0)])])
    return net.op("Mul", [y, net.scalar(0.5)])


def attention(net, x, mask, einsum):
    batch, sequence = net.shape_of(x, 0), net.shape_of(x, 1)

    def heads(value):
        value = net.reshape_to(value, batch, sequence, HEADS, HIDDEN // HEADS)
        return value if einsum else net.transpose(value, 0, 2, 1, 3)

    q, k, v = (heads(net.linear(x, HIDDEN, HIDDEN)) for _ in range(3))
    if einsum:
        scores = net.op("Einsum", [q, k], equation="bshd,bthd->bhst")
    else:
        scores = net.op("MatMul", [q, net.transpose(k, 0, 1, 3, 2)])
    scores = net.op("Div", [scores, net.scalar(np.sqrt(HIDDEN / HEADS))])
    shape = net.op("Concat", [batch, net.ints(HEADS), sequence, sequence], axis=0)
    wide = net.op("Expand", [mask, shape])
    scores = net.op("Where", [wide, scores, net.scalar(np.finfo(np.float32).min)])
    weights = net.op("Softmax", [scores], axis=-1)
    if einsum:
        y = net.op("Einsum", [weights, v], equation="bhst,bthd->bshd")
    else:
        y = net.transpose(net.op("MatMul", [weights, v]), 0, 2, 1, 3)
    return net.linear(net.reshape_to(y, batch, sequence, HIDDEN), HIDDEN, HIDDEN)


def bert(opset, einsum=False, layers=2):
    """Token, type and position embeddings, `layers` encoder layers, a pooled output of two classes."""
    net = Net(f"bert_{'einsum_' if einsum else ''}opset{opset}", opset)
    ids = net.input("input_ids", ["batch", "sequence"], I64)
    seen = net.input("attention_mask", ["batch", "sequence"], I64)
    kinds = net.input("token_type_ids", ["batch", "sequence"], I64)
    sequence = net.shape_of(ids, 1)
    positions = net.op("Slice", [net.weight(np.arange(LONGEST)[None], "positions", np.int64),
                                 net.ints(0), sequence, net.ints(1)])
    table = net.random(VOCABULARY, HIDDEN, scale=0.5, stem="words")
    x = net.op("Gather", [table, ids])
    x = net.op("Add", [x, net.op("Gather", [net.random(2, HIDDEN, scale=0.3), kinds])])
    x = net.op("Add", [x, net.op("Gather", [net.random(LONGEST, HIDDEN, scale=0.3), positions])])
    x = layer_norm(net, x)
    mask = net.op("Cast", [net.unsqueeze(seen, 1, 2)], to=9)
    for _ in range(layers):
        x = layer_norm(net, net.op("Add", [x, attention(net, x, mask, einsum)]))
        y = net.linear(gelu(net, net.linear(x, HIDDEN, FEED)), FEED, HIDDEN)
        x = layer_norm(net, net.op("Add", [x, y]))
    first = net.op("Gather", [x, net.scalar(0, np.int64)], axis=1)
    pooled = net.op("Tanh", [net.gemm(first, HIDDEN, HIDDEN)])
    net.output(x, "last_hidden_state", ["batch", "sequence", HIDDEN])
    net.output(net.gemm(pooled, HIDDEN, 2), "logits", ["batch", 2])
    return net
