"""The models of compare_peers.py and their compressed files, made once and kept in a cache folder."""

import functools
import os
import pathlib
import warnings

import numpy as np
import onnx

import peers
import torch_models
from support import tersor

CALIBRATION = 32
# Half-precision types and who runs our files of them: onnxruntime's CPU has no bfloat16 Conv or MatMul.
HALVES = {"fp16": ["tersor", "onnxruntime"], "bf16": ["tersor"]}


class Reader:
    """onnxruntime's way to pass calibration data."""

    def __init__(self, samples):
        self.items = iter(samples)

    def get_next(self):
        return next(self.items, None)


class Model:
    """A model with its files: fp32, halves, ours, avx2 (ours for CPUs without VNNI), ort (onnxruntime's tool),
    nncf, and torch's own."""

    def __init__(self, name):
        self.name = name
        self.fp32 = self.export()

    def cached(self, suffix, make):
        path = self.fp32.with_name(f"{self.fp32.stem}.{suffix}")
        if not path.exists():
            part = path.with_name(f"part.{path.name}")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                make(part)
            os.replace(part, path)
        return path

    def files(self, engine, types, isa):
        out = {}
        if engine == "torch":
            if "fp32" in types:
                out["fp32"] = self.cached("fp32.pt", self.torch_fp32)
            if "int8" in types:
                out["torch"] = self.cached("int8.pt", self.torch_int8)
            return out
        if "fp32" in types:
            out["fp32"] = self.fp32
        for half, engines in HALVES.items():
            if half in types and engine in engines:
                out[half] = self.half(half)
        if "int8" in types:
            out["ours"] = self.ours("ours", "any")
            if not any("vnni" in name for name in isa):
                out["avx2"] = self.ours("avx2", "tersor-avx2")
            out["ort"] = self.cached("ort.onnx", self.onnxruntime_int8)
            out["nncf"] = self.cached("nncf.onnx", self.nncf_int8)
        return out

    @functools.cache
    def ours(self, kind, target):
        """Made anew by every run: the tool may have changed."""
        out = self.fp32.with_name(f"{self.fp32.stem}.{kind}.onnx")
        tersor.run("quantize", self.fp32, "-d", self.samples_folder(), "--target", target, "--force",
                   "-o", out, exits=[0, 1])
        return out

    def half(self, precision):
        out = self.fp32.with_name(f"{self.fp32.stem}.{precision}.onnx")
        tersor.run("convert", self.fp32, "--to", precision, "--force", "-o", out)
        return out

    def samples_folder(self):
        folder = self.fp32.with_name(f"{self.fp32.stem}.samples")
        if not folder.exists():
            folder.mkdir()
            for i, sample in enumerate(self.samples()):
                np.savez(folder / f"{i:03}.npz", **sample)
        return folder

    def reference(self, arrays):
        return peers.run(self.fp32, arrays)[0]

    def nncf_int8(self, path, **options):
        import nncf
        data = nncf.Dataset(list(self.samples()))
        onnx.save(nncf.quantize(onnx.load(self.fp32), data, subset_size=CALIBRATION, **options), path)

    def torch_fp32(self, path):
        self.trace(self.network(), path)

    def trace(self, network, path):
        import torch
        example = tuple(torch.from_numpy(a) for a in self.inputs(1))
        with torch.no_grad():
            traced = torch.jit.trace(network, example, strict=False, check_trace=False)
            torch.jit.save(torch.jit.freeze(traced.eval()), str(path))


class Pictures(Model):
    mean, std = 0.45, 0.225

    def samples(self):
        return [{"input": a[None]} for a in peers.crops(CALIBRATION, 1, self.mean, self.std)]

    def inputs(self, batch):
        return [peers.crops(batch, 2, self.mean, self.std)]

    def onnxruntime_int8(self, path):
        from onnxruntime import quantization
        quantization.quantize_static(self.fp32, path, Reader(self.samples()), per_channel=True,
                                     activation_type=quantization.QuantType.QUInt8,
                                     weight_type=quantization.QuantType.QInt8)

    def torch_int8(self, path):
        import torch
        from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx
        example = torch.from_numpy(self.inputs(1)[0])
        network = quantize_fx.prepare_fx(self.network(), get_default_qconfig_mapping("x86"), example)
        with torch.no_grad():
            for sample in self.samples()[:8]:
                network(torch.from_numpy(sample["input"]))
        self.trace(quantize_fx.convert_fx(network), path)


class Resnet18(Pictures):
    export = staticmethod(torch_models.resnet18)

    def network(self):
        return torch_models.made("resnet18_script_opset17")


class Resnet50(Pictures):
    export = staticmethod(torch_models.resnet50)

    def network(self):
        return torch_models.made("resnet50_script_opset17")


class MobilenetV2(Pictures):
    export = staticmethod(torch_models.mobilenet_v2)

    def network(self):
        return torch_models.made("mobilenet_v2_script_opset17")


class Lite0(Pictures):
    mean, std = 127 / 255, 128 / 255
    export = staticmethod(torch_models.efficientnet_lite0)

    def network(self):
        return torch_models.made("efficientnet_lite0")


class Encoder(Model):
    """128 tokens. onnxruntime's tool quantizes encoders dynamically."""

    def token_samples(self, count, seed, batch=1):
        rng = np.random.default_rng(seed)
        ones = np.ones((batch, 128), np.int64)
        return [{"input_ids": rng.integers(0, 500, (batch, 128)), "attention_mask": ones,
                 "token_type_ids": ones * 0} for _ in range(count)]

    def samples(self):
        return self.token_samples(CALIBRATION, 1)

    def inputs(self, batch):
        return list(self.token_samples(1, 2, batch)[0].values())

    def onnxruntime_int8(self, path):
        from onnxruntime import quantization
        quantization.quantize_dynamic(self.fp32, path, per_channel=True,
                                      weight_type=quantization.QuantType.QInt8)

    def nncf_int8(self, path):
        import nncf
        super().nncf_int8(path, model_type=nncf.ModelType.TRANSFORMER)

    def torch_int8(self, path):
        import torch
        network = torch.ao.quantization.quantize_dynamic(self.network(), {torch.nn.Linear},
                                                         dtype=torch.qint8)
        self.trace(network, path)


class MiniLm(Encoder):
    def export(self):
        return torch_models.encoder("minilm", torch_models.MINILM)

    def network(self):
        return torch_models.made("minilm")


class BertBase(Encoder):
    def export(self):
        return torch_models.encoder("bert_base", torch_models.BERT_BASE)

    def network(self):
        return torch_models.made("bert_base")


MODELS = {"resnet18": Resnet18, "resnet50": Resnet50, "mobilenet_v2": MobilenetV2,
          "efficientnet_lite0": Lite0, "minilm": MiniLm, "bert_base": BertBase}
