"""tersor against onnxruntime, OpenVINO and torch on the same models, in one run.

    python bench/compare_peers.py [MODEL ...] [--threads 1,2] [--batch 1] [--rounds 15] [--json OUT]

Every engine runs every int8 file (ours, onnxruntime's tool's, NNCF's; torch its own; without VNNI also
what tersor makes by --target tersor-avx2) in a process of its own; the engines take turns, some
milliseconds each, so that a noisy machine slows all of them.
An engine stands with its best file whose SQNR against the fp32 model is at least --least-sqnr, and the
ratio is that of the medians. With --types fp32,fp16,bf16 our half-precision files run, fp16 in onnxruntime
too, and their times are also given as parts of our fp32 time. Needs the environment of
tests/peers/requirements.txt and a build.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "peers"), str(ROOT / "tests"), str(ROOT / "tests" / "peers")]

import files  # noqa: E402
from protocol import inputs_of  # noqa: E402,F401

ENGINES = ["tersor", "onnxruntime", "openvino", "torch"]


class Worker:
    """One engine in a process of its own."""

    def __init__(self, engine, build):
        words = ([str(build / "bin" / "bench_worker")] if engine == "tersor" else
                 [sys.executable, str(HERE / "peers" / "protocol.py"), engine])
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        verdict, _, rest = answer.partition(" ")
        if verdict != "ok":
            raise RuntimeError(rest or "the process ended")
        return rest

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Candidate:
    """One file in one engine."""

    def __init__(self, engine, kind, worker, index, first_ms):
        self.engine, self.kind, self.worker, self.index = engine, kind, worker, index
        self.first_ms, self.times, self.sqnr = first_ms, [], None

    def run(self, count):
        return [float(t) for t in self.worker.ask(f"run {self.index} {count}").split()]

    def outputs(self, folder):
        path = pathlib.Path(folder) / f"{self.engine}.{self.kind}.npz"
        self.worker.ask(f"save {self.index} {path}")
        with np.load(path) as arrays:
            return arrays["0"]

    @property
    def type(self):
        return self.kind if self.kind in ("fp32", *files.HALVES) else "int8"

    @property
    def median(self):
        return statistics.median(self.times)

    def as_json(self):
        return {"engine": self.engine, "file": self.kind, "median_ms": self.median,
                "min_ms": min(self.times), "sqnr_db": self.sqnr, "first_result_ms": self.first_ms}


def sqnr(got, wanted):
    error = np.sum((got.astype(np.float64) - wanted) ** 2)
    return 200.0 if error == 0 else float(10 * np.log10(np.sum(wanted.astype(np.float64) ** 2) / error))


def candidates_of(model, threads, arrays, args, folder):
    """Loads every file in every engine; says what did not load."""
    for i, array in enumerate(arrays):
        onnx.save_tensor(numpy_helper.from_array(array), pathlib.Path(folder) / f"input_{i}.pb")
    out = []
    for engine in args.engines:
        for kind, path in model.files(engine, args.types, args.isa).items():
            worker = Worker(engine, args.build)
            try:
                index, ms = worker.ask(f"load {threads} {path}\t{folder}").split()
                out.append(Candidate(engine, kind, worker, int(index), float(ms)))
            except RuntimeError as error:
                print(f"  {engine} does not run {kind}: {error}", file=sys.stderr)
                worker.close()
    return out


def measure(candidates, rounds, slice_ms):
    """Turns of about slice_ms; the first round only warms up."""
    counts = [max(1, int(slice_ms / max(1e-3, min(c.run(2))))) for c in candidates]
    for turn in range(rounds + 1):
        for candidate, count in zip(candidates, counts):
            times = candidate.run(count)
            if turn:
                candidate.times += times


def best(candidates, least_sqnr):
    fit = [c for c in candidates if c.sqnr is None or c.sqnr >= least_sqnr]
    return min(fit or candidates, key=lambda c: c.median)


def compare(model, threads, batch, args):
    arrays = model.inputs(batch)
    with tempfile.TemporaryDirectory() as folder:
        candidates = candidates_of(model, threads, arrays, args, folder)
        try:
            wanted = model.reference(arrays)
            for c in candidates:
                c.sqnr = sqnr(c.outputs(folder), wanted)
            measure(candidates, args.rounds, args.slice)
        finally:
            for c in candidates:
                c.worker.close()
    rows = []
    for precision in args.types:
        of_type = [c for c in candidates if c.type == precision]
        ours = [c for c in of_type if c.engine == "tersor"]
        engines = [best([c for c in of_type if c.engine == e], args.least_sqnr)
                   for e in args.engines if any(c.engine == e for c in of_type)]
        peers = [c for c in engines if c.engine != "tersor"]
        print(f"\n{model.name}  {precision}  threads {threads}  batch {batch}")
        for c in sorted(of_type, key=lambda c: c.median):
            mark = "*" if c in engines else " "
            print(f"  {mark} {c.engine:12} {c.kind:7} median {c.median:8.3f} ms   "
                  f"min {min(c.times):8.3f} ms   SQNR {c.sqnr:5.1f} dB   first {c.first_ms:6.0f} ms")
        row = {"model": model.name, "type": precision, "threads": threads, "batch": batch,
               "candidates": [c.as_json() for c in of_type]}
        if ours and peers:
            mine, theirs = best(ours, args.least_sqnr), min(peers, key=lambda c: c.median)
            row["ratio"] = theirs.median / mine.median
            row["ratio_of_minima"] = min(theirs.times) / min(mine.times)
            print(f"    {row['ratio']:.2f} x the best peer ({theirs.engine} {theirs.kind}; "
                  f"minima {row['ratio_of_minima']:.2f} x)")
        wide = [c for c in candidates if c.engine == "tersor" and c.type == "fp32"]
        if ours and wide and precision in files.HALVES:
            row["of_fp32"] = best(ours, args.least_sqnr).median / wide[0].median
            print(f"    {row['of_fp32']:.2f} of our fp32 time")
        rows.append(row)
        sys.stdout.flush()
    return rows


def host(build):
    text = subprocess.run([str(build / "bin" / "tersor"), "version", "--json"], text=True,
                          capture_output=True, check=True).stdout
    return json.loads(text)["host"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help=" ".join(files.MODELS))
    parser.add_argument("--threads", default="1", help="one number or a list: 1,2")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice", type=float, default=60, help="milliseconds of a turn")
    parser.add_argument("--least-sqnr", type=float, default=10.0, help="dB an int8 file must reach")
    parser.add_argument("--types", default="fp32,int8", help="of fp32, fp16, bf16, int8")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--build", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("TERSOR_BUILD", ROOT / "build" / "release")))
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.types, args.engines = args.types.split(","), args.engines.split(",")
    os.environ["TERSOR_BIN"] = str(args.build / "bin" / "tersor")
    unknown = [m for m in args.models if m not in files.MODELS]
    if unknown:
        parser.error(f"unknown model {unknown[0]!r}; there are {', '.join(files.MODELS)}")
    machine = host(args.build)
    print(machine["cpu"], f"({machine['cores']} cores):", " ".join(machine["isa"]))
    args.isa = machine["isa"]
    rows = []
    for name in args.models or files.MODELS:
        model = files.MODELS[name](name)
        for threads in map(int, args.threads.split(",")):
            rows += compare(model, threads, args.batch, args)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
