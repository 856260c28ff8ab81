"""What the comparisons share: onnxruntime sessions, pictures, ways to count and to time."""

import collections
import importlib.util
import math
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
import skimage
from PIL import Image

PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png",
               "retina.jpg", "rocket.jpg", "motorcycle_left.png", "motorcycle_right.png",
               "camera.png", "brick.png", "grass.png", "gravel.png", "coins.png"]


def session(model, optimized=True, threads=1, keep=None):
    """An onnxruntime session on the CPU; `keep` is where it writes the graph it made."""
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if keep:
        options.optimized_model_filepath = str(keep)
    return onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])


def run(model, arrays, optimized=True):
    """Outputs for input arrays in the order of the model's inputs."""
    run_session = model if hasattr(model, "run") else session(model, optimized)
    names = [i.name for i in run_session.get_inputs()]
    return run_session.run(None, dict(zip(names, arrays)))


def optimized_operators(model):
    """How often each operator stands in the graph that onnxruntime runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "optimized.onnx"
        session(model, keep=path)
        graph = onnx.load(path).graph
    return collections.Counter(node.op_type for node in graph.node)


def openvino_work(model, shapes=None):
    """MACs that OpenVINO computes in int8, MACs of all its convolutions and products, and the nodes among them that
    run in float, as its compiled model says. `shapes`: of inputs, by name; batches of 1 otherwise."""
    import openvino
    core = openvino.Core()
    network = core.read_model(str(model))
    network.reshape(shapes or {i.any_name: [1] + [d.get_length() for d in list(i.partial_shape)[1:]]
                               for i in network.inputs})
    integer, total, floats = 0, 0, []
    for op in core.compile_model(network, "CPU").get_runtime_model().get_ops():
        info = {k: v.value for k, v in op.get_rt_info().items()}
        if info["layerType"] not in ("Convolution", "Deconvolution", "FullyConnected", "MatMul"):
            continue
        out, (a, b) = list(op.output(0).shape), (list(i.get_shape()) for i in op.inputs()[:2])
        if info["layerType"].endswith("onvolution"):
            grouped = len(b) > len(out)
            macs = math.prod(a if info["layerType"][0] == "D" else out) * math.prod(b[1 + grouped:])
        else:  # b is [..., k, n] or [..., n, k]
            macs = math.prod(out) * (math.prod(b[-2:]) // out[-1])
        total += macs
        if info["primitiveType"].endswith("I8"):
            integer += macs
        else:
            floats.append((info["originalLayersNames"], info["primitiveType"], macs))
    return integer, total, floats


def crops(count, seed, mean, std, size=224):
    """Random crops of scikit-image's photographs, [count, 3, size, size], normalised."""
    rng = np.random.default_rng(seed)
    folder = pathlib.Path(skimage.__file__).parent / "data"
    photographs = [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS]
    out = []
    for k in range(count):
        photograph = photographs[k % len(photographs)]
        side = int(min(photograph.size) * rng.uniform(0.5, 1.0))
        left, top = (int(rng.integers(0, n - side + 1)) for n in photograph.size)
        crop = photograph.resize((size, size), Image.BILINEAR, (left, top, left + side, top + side))
        out.append((np.asarray(crop, np.float32) / 255 - mean) / std)
    return np.ascontiguousarray(np.stack(out).transpose(0, 3, 1, 2), dtype=np.float32)


MORE_PICTURES = {
    "skimage": ["data/" + name for name in PHOTOGRAPHS + [
        "cell.png", "moon.png", "horse.png", "page.png", "text.png", "clock_motion.png", "color.png",
        "microaneurysms.png"]],
    "sklearn": ["datasets/images/china.jpg", "datasets/images/flower.jpg"],
    "matplotlib": ["mpl-data/sample_data/grace_hopper.jpg",
                   "mpl-data/sample_data/Minduka_Present_Blue_Pack.png"]}


def opened_pictures():
    """Every picture that these packages carry."""
    for package, names in MORE_PICTURES.items():
        spec = importlib.util.find_spec(package)
        for name in names if spec else []:
            yield Image.open(pathlib.Path(spec.origin).parent / name).convert("RGB")


def normalised(squares, mean, std):
    """[count, 3, size, size]"""
    return np.ascontiguousarray(((np.stack(squares) / 255 - mean) / std).transpose(0, 3, 1, 2), np.float32)


def square(picture, left, top, edge, size):
    box = (left, top, left + edge, top + edge)
    return np.asarray(picture.resize((size, size), Image.BILINEAR, box), np.float32)


def pictures(mean, std, size=224):
    """Four squares of every picture (the middle, two corners, the middle closer), normalised."""
    out = []
    for picture in opened_pictures():
        width, height = picture.size
        side = min(width, height)
        near = side * 2 // 3
        for left, top, edge in [((width - side) // 2, (height - side) // 2, side), (0, 0, side),
                                (width - side, height - side, side),
                                ((width - near) // 2, (height - near) // 2, near)]:
            out.append(square(picture, left, top, edge, size))
    return normalised(out, mean, std)


def views(half, count, mean, std, size=224):
    """Random squares of every second picture, mirrored at random, normalised: those of half 0 and of half 1 have no
    picture in common."""
    rng = np.random.default_rng(half + 1)
    chosen = list(opened_pictures())[half::2]
    out = []
    for k in range(count):
        picture = chosen[k % len(chosen)]
        edge = int(min(picture.size) * rng.uniform(0.5, 1.0))
        left, top = (int(rng.integers(0, n - edge + 1)) for n in picture.size)
        view = square(picture, left, top, edge, size)
        out.append(view[:, ::-1] if rng.integers(2) else view)
    return normalised(out, mean, std)


def save(path, array):
    np.save(path, array)
    return path
