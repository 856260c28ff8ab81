"""A network that 8 bits spoil: fashion_resnet with pairs of layers in between that double every
channel, and put both back together with large weights that cancel each other. In float that
changes next to nothing; in 8 bits, nothing is left of the difference of the weights."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from support import tersor

# Behind which values, and how large.
PLACES = {"/stem/stem.3/MaxPool_output_0": 400.0, "/body/body.0/r2/Relu_output_0": 150.0,
          "/body/body.1/r2/Relu_output_0": 400.0, "/body/body.2/r2/Relu_output_0": 150.0,
          "/body/body.3/r2/Relu_output_0": 300.0, "/body/body.4/r2/Relu_output_0": 400.0}


def pair(value, channels, k, large):
    """Nodes and weights of pair `k` behind a value of so many channels."""
    eye = np.eye(channels, dtype=np.float32)
    twice = np.concatenate([eye, eye])[:, :, None, None]
    once = np.concatenate([(0.5 + large) * eye, (0.5 - large) * eye], 1)[:, :, None, None]
    nodes = [helper.make_node("Conv", [value, f"twice{k}"], [f"doubled{k}"], name=f"pair{k}/double"),
             helper.make_node("Conv", [f"doubled{k}", f"once{k}"], [f"again{k}"], name=f"pair{k}/cancel")]
    return nodes, [numpy_helper.from_array(t.astype(np.float32), n)
                   for t, n in ((twice, f"twice{k}"), (once, f"once{k}"))]


def write(path):
    """Writes the network; returns the names of the layers that 8 bits spoil."""
    model = onnx.load(tersor.ROOT / "models" / "fashion_resnet.onnx")
    graph, spoiled = model.graph, []
    shapes = {t.name: list(t.dims) for t in graph.initializer}
    for k, (value, large) in enumerate(PLACES.items()):
        reader = next(n for n in graph.node if n.op_type == "Conv" and value in n.input)
        nodes, weights = pair(value, shapes[reader.input[1]][1], k, large)
        for node in graph.node:
            node.input[:] = [f"again{k}" if name == value else name for name in node.input]
        at = 1 + next(i for i, n in enumerate(graph.node) if value in n.output)
        for node in reversed(nodes):
            graph.node.insert(at, node)
        graph.initializer.extend(weights)
        spoiled.append(nodes[1].name)
    onnx.save(model, path)
    return spoiled
