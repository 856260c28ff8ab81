"""Networks made to break naive quantizers, by the default recipe."""

import numpy as np
import onnx
import pytest

from networks import hostile
from support import tersor


def noise(samples, seed):
    return np.random.default_rng(seed).standard_normal((samples, 3, 32, 32)).astype(np.float32)


@pytest.mark.parametrize("hazards", [[], *([h] for h in hostile.HAZARDS), hostile.HAZARDS],
                         ids=lambda h: "+".join(h) or "none")
def test_hostile(hazards, tmp_path):
    model, out, data = tmp_path / "model.onnx", tmp_path / "int8.onnx", tmp_path / "data.npy"
    onnx.save(hostile.hostile(*hazards).model(), model)
    np.save(data, noise(160, 1))
    tersor.run("quantize", model, "-d", data, "-n", "128", "-o", out)
    x = [noise(64, 2)]
    wanted, got = (tersor.run_pb(m, x, tmp_path / m.stem) for m in (model, out))
    noises = [tersor.sqnr(a, b) for a, b in zip(got, wanted, strict=True)]
    print(f"  {'+'.join(hazards) or 'none'}: " + ", ".join(f"{n:.1f} dB" for n in noises))
    assert min(noises) >= 25
