"""One run of a peer's static quantization, for ../calibration.py.

    python calibrate.py onnxruntime|nncf MODEL PICTURES COUNT minmax|percentile|entropy OUT

Prints the seconds between the call and the file on the disk, without imports, and the peak of its
resident memory in KiB.
"""

import itertools
import pathlib
import sys
import time

import numpy as np
from PIL import Image

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
PERCENTILE = 99.99


def picture(path):
    """As torchvision's transforms of its classifiers: resize 256, crop 224, normalise."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    scale = 256 / min(width, height)
    image = image.resize((round(width * scale), round(height * scale)), Image.BILINEAR)
    left, top = (image.size[0] - 224) // 2, (image.size[1] - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return np.ascontiguousarray(((pixels - MEAN) / STD).transpose(2, 0, 1)[None])


class Reader:
    """onnxruntime's way to pass calibration data, one picture at a time."""

    def __init__(self, paths, name):
        self.items = ({name: picture(p)} for p in paths)

    def get_next(self):
        return next(self.items, None)


def run_onnxruntime(model, paths, calibrator, out):
    import onnx
    from onnxruntime import quantization as q
    import onnxruntime
    onnxruntime.set_default_logger_severity(3)
    method = {"minmax": q.CalibrationMethod.MinMax, "percentile": q.CalibrationMethod.Percentile,
              "entropy": q.CalibrationMethod.Entropy}[calibrator]
    name = onnx.load(model, load_external_data=False).graph.input[0].name

    def work():
        q.quantize_static(model, out, Reader(paths, name), per_channel=True,
                          activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
                          calibrate_method=method, extra_options={"CalibPercentile": PERCENTILE})
    return work


def run_nncf(model, paths, calibrator, out):
    import logging
    import nncf
    import onnx
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import (
        AggregatorType, RangeEstimatorParameters, RangeEstimatorParametersSet,
        StatisticsCollectorParameters, StatisticsType)
    nncf.set_log_level(logging.ERROR)
    if calibrator == "minmax":
        ranges = RangeEstimatorParametersSet.MINMAX
    elif calibrator == "percentile":
        tail = (100 - PERCENTILE) / 200
        both = [StatisticsCollectorParameters(statistics_type=StatisticsType.QUANTILE,
                                              aggregator_type=AggregatorType.MEAN,
                                              quantile_outlier_prob=tail) for _ in range(2)]
        ranges = RangeEstimatorParameters(min=both[0], max=both[1])
    else:
        sys.exit(f"nncf has no calibrator {calibrator}")
    options = AdvancedQuantizationParameters(activations_range_estimator_params=ranges)

    def work():
        loaded = onnx.load(model)
        name = loaded.graph.input[0].name
        data = nncf.Dataset(list(paths), lambda path: {name: picture(path)})
        # Bias correction off: the faster way, and onnxruntime's tool has none either.
        quantized = nncf.quantize(loaded, data, subset_size=len(paths), fast_bias_correction=True,
                                  advanced_parameters=_without_bias_correction(options))
        onnx.save(quantized, out)
    return work


def _without_bias_correction(options):
    options.disable_bias_correction = True
    return options


def peak_kib():
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def main():
    engine, model, pictures, count, calibrator, out = sys.argv[1:]
    paths = list(itertools.islice(sorted(pathlib.Path(pictures).iterdir()), int(count)))
    work = {"onnxruntime": run_onnxruntime, "nncf": run_nncf}[engine](model, paths, calibrator, out)
    start = time.perf_counter()
    work()
    print("RESULT", time.perf_counter() - start, peak_kib())


if __name__ == "__main__":
    main()
