"""How much of efficientnet_lite0 is left in int8 on real pictures: tersor beside onnxruntime's tool and NNCF.

    python bench/accuracy.py [--model FILE] [--calibration 96] [--evaluation 192] [--json OUT]

Pictures are crops and flips of the photographs that scikit-image, scikit-learn and matplotlib carry, calibration and
evaluation from different ones. SQNR is that of the logits, agreement that of the class where the float model's
margin is at least 0.2. Every file runs in the engines of its line: `exact` is onnxruntime without optimizations,
in float as Q and DQ are written; `onnxruntime` is how it executes it (with saturation on processors without
VNNI). Needs the environment of tests/peers/requirements.txt and a build.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time

import numpy as np
import onnx

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "peers"), str(ROOT / "tests"), str(ROOT / "tests" / "peers")]

import files  # noqa: E402
import peers  # noqa: E402
import torch_models  # noqa: E402
from support import tersor  # noqa: E402

MARGIN = 0.2
# Ours: name, options, engine -> least SQNR in dB that is wanted.
OURS = [("balanced", [], {"tersor": 20.0}),
        ("best", ["--recipe", "best"], {"tersor": 20.0}),
        ("balanced", ["--target", "onnxruntime"], {"onnxruntime": 16.0}),
        ("best", ["--recipe", "best", "--target", "onnxruntime"], {"onnxruntime": 16.0}),
        ("int4", ["-t", "int4"], {"tersor": None})]


class Judge:
    """What the float model says about the pictures of the evaluation."""

    def __init__(self, model, pictures, folder):
        self.pictures, self.folder = pictures, folder
        self.wanted = self.onnxruntime(model)
        chance = np.exp(self.wanted - self.wanted.max(1, keepdims=True))
        chance = np.sort(chance / chance.sum(1, keepdims=True), 1)
        self.sure = chance[:, -1] - chance[:, -2] >= MARGIN

    def onnxruntime(self, model, optimized=True):
        session = peers.session(model, optimized, threads=2)
        return np.concatenate([peers.run(session, [self.pictures[i:i + 16]])[0]
                               for i in range(0, len(self.pictures), 16)])

    def exact(self, model):
        return self.onnxruntime(model, False)

    def tersor(self, model):
        return tersor.run_pb(model, [self.pictures], self.folder)[0]

    def row(self, tool, kind, engine, model, seconds):
        got = getattr(self, engine)(model)
        same = got.argmax(1) == self.wanted.argmax(1)
        row = {"tool": tool, "file": kind, "engine": engine, "sqnr_db": tersor.sqnr(got, self.wanted),
               "agreement": float(same[self.sure].mean()), "seconds": seconds}
        print(f"{tool:12} {kind:30} {engine:12} {row['sqnr_db']:6.2f} dB   "
              f"{100 * row['agreement']:6.2f} % of {int(self.sure.sum())}   {seconds:6.1f} s", flush=True)
        return row


def timed(make, path):
    start = time.perf_counter()
    make(path)
    return time.perf_counter() - start


def by_onnxruntime(model, samples, calibrator, **options):
    from onnxruntime import quantization

    def make(path):
        quantization.quantize_static(model, path, files.Reader(samples), per_channel=True,
                                     activation_type=quantization.QuantType.QUInt8,
                                     weight_type=quantization.QuantType.QInt8,
                                     calibrate_method=quantization.CalibrationMethod[calibrator], **options)
    return make


def by_nncf(model, samples):
    import nncf

    def make(path):
        onnx.save(nncf.quantize(onnx.load(model), nncf.Dataset(samples), subset_size=len(samples)), path)
    return make


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--calibration", type=int, default=96)
    parser.add_argument("--evaluation", type=int, default=192)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--build", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("TERSOR_BUILD", ROOT / "build" / "release")))
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    os.environ["TERSOR_BIN"] = str(args.build / "bin" / "tersor")
    model = args.model or torch_models.efficientnet_lite0()
    scale = {"mean": files.Lite0.mean, "std": files.Lite0.std}
    calibration, evaluation = (peers.views(half, count, **scale)
                               for half, count in ((0, args.calibration), (1, args.evaluation)))
    name = onnx.load(model, load_external_data=False).graph.input[0].name
    samples = [{name: picture[None]} for picture in calibration]
    rows, missed = [], []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data, out = peers.save(folder / "calibration.npy", calibration), folder / "q.onnx"
        judge = Judge(model, evaluation, folder)
        for kind, options, engines in OURS:
            seconds = timed(lambda path: tersor.run("quantize", model, "-d", data, "--verify", 0, "--force",
                                                    "-o", path, *options, timeout=3600), out)
            kind = " ".join([kind] + options[-2:] * ("--target" in options))
            for engine, least in engines.items():
                rows.append(judge.row("tersor", kind, engine, out, seconds))
                if least and (rows[-1]["sqnr_db"] < least or rows[-1]["agreement"] < 0.99):
                    missed.append(f"{kind} in {engine}: wanted {least} dB and 99 %")
        if not args.no_peers:
            makers = [("onnxruntime", "minmax", by_onnxruntime(model, samples, "MinMax")),
                      ("onnxruntime", "percentile", by_onnxruntime(model, samples, "Percentile")),
                      ("onnxruntime", "minmax, 7-bit weights",
                       by_onnxruntime(model, samples, "MinMax", reduce_range=True)),
                      ("nncf", "default", by_nncf(model, samples))]
            for tool, kind, make in makers:
                seconds = timed(make, out)
                for engine in ("exact", "onnxruntime"):
                    rows.append(judge.row(tool, kind, engine, out, seconds))
    for sentence in missed:
        print("MISSED", sentence)
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "missed": missed}, indent=1) + "\n")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
