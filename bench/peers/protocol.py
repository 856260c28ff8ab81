"""The worker protocol of ../worker.cc in Python, for the peers.

    python protocol.py onnxruntime|openvino|torch
"""

import pathlib
import sys
import time

import numpy as np
import onnx
from onnx import numpy_helper


def inputs_of(folder):
    """The arrays of input_0.pb, input_1.pb, ..."""
    arrays, folder = [], pathlib.Path(folder)
    while (path := folder / f"input_{len(arrays)}.pb").exists():
        arrays.append(numpy_helper.to_array(onnx.load_tensor(path)))
    return arrays


def onnxruntime_runner(model, threads, arrays):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Its threads must not take the cores from the engine that is timed next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    feed = dict(zip([i.name for i in session.get_inputs()], arrays))
    return lambda: session.run(None, feed)


def openvino_runner(model, threads, arrays, precision="f32"):
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
        # Without it fp32 models are computed in bfloat16 where the CPU has it.
        "INFERENCE_PRECISION_HINT": precision})
    request = compiled.create_infer_request()
    feed = dict(enumerate(arrays))

    def run():
        # Outputs are not copied: they stay in the request.
        results = request.infer(feed, share_inputs=True, share_outputs=True)
        return [results[i] for i in range(len(compiled.outputs))]

    return run


def torch_runner(model, threads, arrays):
    """`model` is a TorchScript file made by compare_peers.py."""
    import torch
    torch.set_num_threads(threads)
    network = torch.jit.load(model)
    tensors = [torch.from_numpy(a) for a in arrays]

    def run():
        with torch.inference_mode():
            out = network(*tensors)
        return [t.numpy() for t in (out if isinstance(out, (list, tuple)) else [out])]

    return run


def resident_kib():
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def serve(make_runner):
    runners = []
    for line in sys.stdin:
        try:
            verb, _, rest = line.rstrip("\n").partition(" ")
            if verb == "load":
                threads, _, rest = rest.partition(" ")
                model, folder = rest.split("\t")
                arrays = inputs_of(folder)
                start = time.perf_counter()
                runner = make_runner(model, int(threads), arrays)
                runner()
                answer = f"{len(runners)} {(time.perf_counter() - start) * 1e3}"
                runners.append(runner)
            elif verb == "run":
                index, count = map(int, rest.split())
                times = []
                for _ in range(count):
                    start = time.perf_counter()
                    runners[index]()
                    times.append((time.perf_counter() - start) * 1e3)
                answer = " ".join(f"{t:.5f}" for t in times)
            elif verb == "save":
                index, _, path = rest.partition(" ")
                np.savez(path, **{str(i): np.array(a) for i, a in enumerate(runners[int(index)]())})
                answer = ""
            elif verb == "memory":
                answer = str(resident_kib())
            else:
                raise ValueError(f"unknown verb {verb!r}")
            print("ok", answer, flush=True)
        except Exception as error:  # every failure is an answer
            print("no", str(error).replace("\n", " ")[:300], flush=True)


if __name__ == "__main__":
    serve({"onnxruntime": onnxruntime_runner, "openvino": openvino_runner,
           "torch": torch_runner}[sys.argv[1]])
