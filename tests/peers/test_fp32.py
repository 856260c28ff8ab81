"""fp32 against onnxruntime: the small networks live, and networks exported by torch.

One line per network: max|a-b| / max|b|, at most 1e-4.
"""

import json

import numpy as np
import pytest

import peers
import torch_models
from support import tersor

SMALL = [e["name"] for e in json.loads((tersor.MODELS / "index.json").read_text())
         if e["data_sets"] and e["opset"] < 28]
rng = np.random.default_rng(11)


def pictures(*batches):
    return [[rng.standard_normal((b, 3, 224, 224)).astype(np.float32)] for b in batches]


def sentences(*shapes):
    for batch, length in shapes:
        mask = np.arange(length)[None] < rng.integers(1, length + 1, (batch, 1))
        ids = rng.integers(1, 500, mask.shape) * mask
        yield [ids, mask.astype(np.int64), rng.integers(0, 2, mask.shape) * mask]


def check(name, model, inputs, folder):
    wanted = peers.run(model, inputs)
    got = tersor.run_pb(model, inputs, folder)
    worst = max(tersor.relative_error(a, b) for a, b in zip(got, wanted, strict=True))
    print(f"  {name:32} {' '.join('x'.join(map(str, i.shape)) or 'scalar' for i in inputs):40} "
          f"{worst:.1e}")
    assert worst <= 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_small(name, tmp_path):
    folder = tersor.MODELS / name
    for k in range(len(list(folder.glob("test_data_set_*")))):
        data = folder / f"test_data_set_{k}"
        inputs = [tersor.read_pb(data / f"input_{i}.pb")
                  for i in range(len(list(data.glob("input_*.pb"))))]
        check(name, folder / "model.onnx", inputs, tmp_path / str(k))


@pytest.mark.parametrize("make,options", [
    (torch_models.resnet18, {}), (torch_models.resnet18, {"dynamo": True, "opset": 20}),
    (torch_models.mobilenet_v2, {}), (torch_models.mobilenet_v3, {})],
    ids=["resnet18", "resnet18_dynamo", "mobilenet_v2", "mobilenet_v3_small"])
def test_torchvision(make, options, tmp_path):
    model = make(**options)
    for k, inputs in enumerate(pictures(1, 2)):
        check(model.stem, model, inputs, tmp_path / str(k))


@pytest.mark.parametrize("options", [{}, {"dynamo": True, "opset": 20}], ids=["script", "dynamo"])
def test_bert(options, tmp_path):
    model = torch_models.bert(**options)
    for k, inputs in enumerate(sentences((1, 16), (3, 40), (2, 7))):
        check(model.stem, model, inputs, tmp_path / str(k))


def test_efficientnet_lite0(tmp_path):
    model = torch_models.efficientnet_lite0()
    check(model.stem, model, [peers.crops(2, 5, 127 / 255, 128 / 255)], tmp_path)
