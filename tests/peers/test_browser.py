"""Reports in headless Chromium: of a real model on real pictures, at the width of a phone and of a desktop, light and
dark, and of a model whose names are HTML. The screenshots stay in build/screenshots for whoever wants to look."""

import numpy as np
import onnx
import pytest
from PIL import Image

import peers
import torch_models
from support import browser, tersor
from support.page import Page, check_tags

pytestmark = pytest.mark.skipif(not browser.CHROMIUM, reason="there is no Chromium")

SCREENSHOTS = tersor.ROOT / "build" / "screenshots"
WIDTHS = {"phone": 390, "desktop": 1280}
SCHEMES = {"light": browser.LIGHT, "dark": browser.DARK}
HEADINGS = ["Accuracy and size", "Error of each layer", "Activations and the range that 8 bits cover", "Weights",
            "Size of each layer", "Labels and probabilities", "Outputs of the model", "What stayed in float, and why",
            "Values stored in 8 bits", "To do it again"]
EVIL = ["<img src=x onerror=document.title=1>", "</script><script>document.title=1</script>",
        "</title><svg onload=document.title=1>", "'\" onmouseover=document.title=1 x=\"", "javascript:document.title=1",
        "<style>*{display:none}</style>", "&lt;b&gt;", "<!--", "]]>", "\u202egnp.exe"]


@pytest.fixture(scope="module")
def lite0(scratch):
    """The report of efficientnet_lite0 with a search that has to leave layers in float."""
    folder = scratch / "pictures"
    folder.mkdir()
    for k, picture in enumerate(peers.opened_pictures()):
        side = min(picture.size)
        for part, (left, top) in enumerate([(0, 0), (picture.width - side, picture.height - side)]):
            box = (left, top, left + side, top + side)
            picture.resize((224, 224), Image.BILINEAR, box).save(folder / f"{k:02}_{part}.png")
    page = scratch / "lite0.html"
    tersor.run("quantize", torch_models.efficientnet_lite0(), "-d", folder, "-n", 24, "--verify", 24, "--mean",
               "0.498", "--std", "0.502", "--keep", "/_conv_stem/*", "--max-drop", "28dB", "--metric", "sqnr", "-o",
               scratch / "lite0.onnx", "--report", page, exits=[0, 1], timeout=1800)
    return page


@pytest.fixture(scope="module")
def evil(scratch):
    """The report of a model whose names, and whose files' names, are HTML."""
    model = onnx.load(tersor.ROOT / "models" / "fashion_resnet.onnx")
    names = {}
    for k, node in enumerate(model.graph.node):
        node.name += EVIL[k % len(EVIL)]
        for i, output in enumerate(node.output):
            if output not in [o.name for o in model.graph.output]:
                names[output] = node.output[i] = output + EVIL[(k + 3) % len(EVIL)]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    del model.graph.value_info[:]
    path = scratch / "<img src=x onerror=document.title=1>.onnx"
    onnx.save(model, path)
    data = scratch / "<svg onload=document.title=1>"
    data.mkdir()
    for k, picture in enumerate(sorted((tersor.ROOT / "tests" / "data" / "fashion").glob("*.png"))):
        (data / f"{k}<script>document.title=1<script>.png").write_bytes(picture.read_bytes())
    page = scratch / "evil.html"
    tersor.run("quantize", path, "-d", data, "-n", 20, "-o", scratch / "evil.onnx", "--keep", "/fc/*", "--max-drop",
               "30dB", "--metric", "sqnr", "--report", page, exits=[0, 1])
    return page


def test_the_page_of_a_real_model_shows_everything(lite0, scratch):
    dom, console = browser.dom(lite0, scratch / "profile")
    assert console == []
    # The verdict comes first, then the sections in this order.
    order = [dom.index('class="verdict')] + [dom.index(f"<h2>{heading}</h2>") for heading in HEADINGS]
    assert order == sorted(order)
    assert dom.count("data:image/png;base64,") == 20  # thumbnails
    assert dom.count('class="hist"') > 100 and 'class="clip"' in dom and 'class="scatter"' in dom
    assert dom.count("<circle") >= 3 and "kept as asked" in dom and "--max-drop" in dom
    assert lite0.stat().st_size <= 300_000


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_screen(lite0, scratch, width, scheme):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    out = SCREENSHOTS / f"lite0_{width}_{scheme}.png"
    browser.screenshot(lite0, scratch / "profile", out, WIDTHS[width], 2600, SCHEMES[scheme])
    pixels = np.asarray(Image.open(out).convert("L"), np.float32)
    assert pixels.shape == (2600, WIDTHS[width])
    # The background of the scheme is at both margins all the way down: nothing is cut off or wider than the screen.
    for margin in (pixels[:, :8], pixels[:, -8:]):
        assert (margin > 250).all() if scheme == "light" else (margin < 30).all()
    assert pixels.std() > 10


def test_names_cannot_script_the_page(evil, scratch):
    dom, console = browser.dom(evil, scratch / "profile")
    assert console == []  # nothing that the page's policy had to refuse
    page = Page(dom)
    check_tags(page, ("head", "body", "tbody"))
    assert "evil.onnx - tersor" in page.text and EVIL[0] in page.text and EVIL[1] in page.text  # as text
    assert "<title>1" not in dom and "\u202e" not in dom
    browser.screenshot(evil, scratch / "profile", SCREENSHOTS / "evil_phone.png", 390, 2600, browser.LIGHT)
