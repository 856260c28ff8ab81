"""A small builder of ONNX graphs: names, weights and the spelling each opset wants."""

import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# The IR version that was current when an opset came out.
IR_OF_OPSET = {7: 3, 9: 4, 11: 6, 13: 7, 14: 7, 17: 8, 19: 9, 20: 9, 21: 10, 25: 13, 27: 13, 28: 14}
NEWEST = 27  # the newest opset that onnxruntime 1.32 runs

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class Net:
    """One graph under construction. `weights` says where weights live: "initializer", "input" (an
    initializer that is also listed as a graph input) or "constant" (a Constant node)."""

    def __init__(self, name, opset, weights="initializer", parent=None):
        self.name, self.opset, self.where = name, opset, weights
        self.parent = parent
        self.rng = parent.rng if parent else np.random.default_rng(zlib.crc32(name.encode()))
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.counts, self.functions, self.domains = {}, [], {}

    # names and nodes

    def fresh(self, stem):
        root = self
        while root.parent:
            root = root.parent
        number = root.counts[stem] = root.counts.get(stem, -1) + 1
        return f"{stem}_{number}"

    def op(self, kind, inputs, outputs=1, domain=None, name=None, **attributes):
        """Adds a node; gives the name of its output, or a list where outputs > 1 or is a list."""
        node = name or self.fresh(kind.lower())
        if isinstance(outputs, int):
            names = [node + "_y"] if outputs == 1 else [f"{node}_y{i}" for i in range(outputs)]
        else:
            names = outputs
        attributes = {k: v for k, v in attributes.items() if v is not None}
        self.nodes.append(helper.make_node(kind, inputs, names, name=node, domain=domain,
                                           **attributes))
        return names[0] if len(names) == 1 else names

    def input(self, name, shape, dtype=F32):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, value, name, shape=None, dtype=F32):
        """Names a value as graph output, by an Identity that costs nothing to remove."""
        for node in self.nodes:
            if value in node.output and not any(value in n.input for n in self.nodes):
                node.output[list(node.output).index(value)] = name
                break
        else:
            self.op("Identity", [value], [name])
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    # weights

    def weight(self, array, stem="w", dtype=np.float32):
        array = np.asarray(array, dtype=dtype)
        name = self.fresh(stem)
        tensor = numpy_helper.from_array(array, name)
        if self.where == "constant":
            tensor.name = name + "_value"
            self.nodes.append(helper.make_node("Constant", [], [name], name=name, value=tensor))
            return name
        self.initializers.append(tensor)
        if self.where == "input":
            self.inputs.append(helper.make_tensor_value_info(name, tensor.data_type, array.shape))
        return name

    def ints(self, *values):
        return self.weight(list(values), "ints", np.int64)

    def scalar(self, value, dtype=np.float32):
        return self.weight(value, "scalar", dtype)

    def random(self, *shape, scale=None, stem="w"):
        """Weights whose products keep the variance of what they are multiplied with."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        scale = scale if scale is not None else np.sqrt(2.0 / fan_in)
        return self.weight(self.rng.standard_normal(shape) * scale, stem)

    def bias(self, size):
        return self.random(size, scale=0.1, stem="b")

    # layers

    def conv(self, x, cin, cout, kernel=3, stride=1, group=1, bias=True, pads=None, auto_pad=None,
             dilation=1):
        w = self.random(cout, cin // group, kernel, kernel)
        same = dilation * (kernel - 1) // 2
        return self.op("Conv", [x, w] + ([self.bias(cout)] if bias else []),
                       kernel_shape=[kernel] * 2, strides=[stride] * 2, group=group,
                       dilations=[dilation] * 2, auto_pad=auto_pad,
                       pads=None if auto_pad else pads or [same] * 4)

    def batch_norm(self, x, channels):
        scale = self.weight(self.rng.uniform(0.5, 1.5, channels), "gamma")
        mean = self.weight(self.rng.standard_normal(channels) * 0.2, "mean")
        var = self.weight(self.rng.uniform(0.5, 2.0, channels), "var")
        return self.op("BatchNormalization", [x, scale, self.bias(channels), mean, var],
                       epsilon=1e-5, momentum=0.9)

    def conv_bn(self, x, cin, cout, kernel=3, stride=1, group=1):
        return self.batch_norm(self.conv(x, cin, cout, kernel, stride, group, bias=False), cout)

    def linear(self, x, cin, cout):
        """MatMul and Add, as exporters write a linear layer on more than two dimensions."""
        y = self.op("MatMul", [x, self.random(cin, cout, scale=np.sqrt(1.0 / cin))])
        return self.op("Add", [y, self.bias(cout)])

    def gemm(self, x, cin, cout):
        return self.op("Gemm", [x, self.random(cout, cin), self.bias(cout)], transB=1)

    # operators whose spelling changed between opsets

    def clip(self, x, low, high):
        if self.opset < 11:
            return self.op("Clip", [x], min=float(low), max=float(high))
        return self.op("Clip", [x, self.scalar(low), self.scalar(high)])

    def unsqueeze(self, x, *axes):
        if self.opset < 13:
            return self.op("Unsqueeze", [x], axes=list(axes))
        return self.op("Unsqueeze", [x, self.ints(*axes)])

    def squeeze(self, x, *axes):
        if self.opset < 13:
            return self.op("Squeeze", [x], axes=list(axes))
        return self.op("Squeeze", [x, self.ints(*axes)])

    def reduce_mean(self, x, *axes, keepdims=1):
        if self.opset < 18:
            return self.op("ReduceMean", [x], axes=list(axes), keepdims=keepdims)
        return self.op("ReduceMean", [x, self.ints(*axes)], keepdims=keepdims)

    def slice(self, x, start, end, axis):
        if self.opset < 10:
            return self.op("Slice", [x], starts=[start], ends=[end], axes=[axis])
        return self.op("Slice", [x, self.ints(start), self.ints(end), self.ints(axis)])

    def reshape(self, x, *shape):
        return self.op("Reshape", [x, self.ints(*shape)])

    def transpose(self, x, *perm):
        return self.op("Transpose", [x], perm=list(perm))

    def shape_of(self, x, index):
        """One dimension as a 1-D tensor: Shape, Gather, Unsqueeze as torch's exporter writes it."""
        index = self.op("Gather", [self.op("Shape", [x]), self.scalar(index, np.int64)], axis=0)
        return self.unsqueeze(index, 0)

    def reshape_to(self, x, *parts):
        """Reshape whose target is put together at run time: ints, or names of 1-D tensors."""
        parts = [p if isinstance(p, str) else self.ints(p) for p in parts]
        return self.op("Reshape", [x, self.op("Concat", parts, axis=0)])

    # subgraphs and the whole

    def branch(self, name):
        """A graph inside this one: it sees this one's values."""
        return Net(name, self.opset, self.where if self.where != "input" else "initializer", self)

    def graph(self):
        return helper.make_graph(self.nodes, self.name, self.inputs, self.outputs,
                                 self.initializers)

    def model(self, ir_version=None):
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(d, v) for d, v in self.domains.items()]
        model = helper.make_model(self.graph(), opset_imports=opsets, functions=self.functions,
                                  producer_name="tersor-tests",
                                  ir_version=ir_version or IR_OF_OPSET[self.opset])
        return onnx.ModelProto.FromString(model.SerializeToString(deterministic=True))
