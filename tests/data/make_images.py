"""Makes the pictures of tests/data/images and what Pillow reads from and makes of them. Needs Pillow and numpy.

One .npy per question: `NAME.npy` holds the pixels of NAME as RGB (or as they are, for gray ones), `NAME-gray.npy` those of
convert("L"), `NAME-WxH.npy` those after resize((W, H), BILINEAR). Also deflated.npz, as numpy writes it.
"""
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).parent / "images"


def scene(width, height, seed):
    """Smooth colours, hard edges, a little noise: what resizing and JPEG treat differently."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 255 * x / max(width - 1, 1)
    green = 127 + 127 * np.sin(x * y / 97)
    blue = 255 * ((x // 7 + y // 5) % 2)
    pixels = np.stack([red, green, blue], -1)
    pixels[height // 4 : height // 2, width // 3 : width // 2] = (250, 5, 130)
    return np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, rows, width, height, depth, colour, interlaced=0, extra=b""):
    """For what Pillow does not write: `rows` are the scan lines, each with its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    )


def expect(path, gray=True):
    image = Image.open(path)
    if image.mode == "I;16":
        # Pillow's convert() makes everything over 255 white here; we keep the high byte, as it does for RGB of 16 bits.
        np.save(OUT / (path.name + ".npy"), (np.asarray(image) >> 8).astype(np.uint8))
        return
    stays_gray = image.mode in ("L", "LA", "1")
    np.save(OUT / (path.name + ".npy"), np.asarray(image.convert("L" if stays_gray else "RGB")))
    if gray and not stays_gray:
        np.save(OUT / (path.name + "-gray.npy"), np.asarray(image.convert("RGB").convert("L")))


def main():
    OUT.mkdir(exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    small = scene(33, 26, 1)
    rgb = Image.fromarray(small)

    # PNG: every kind of pixel.
    files = {
        "rgb.png": rgb,
        "gray.png": rgb.convert("L"),
        "bits.png": rgb.convert("1"),
        "palette.png": rgb.quantize(60),
        "palette4.png": rgb.quantize(13),
        "gray_alpha.png": Image.merge("LA", (rgb.convert("L"), rgb.getchannel(0))),
        "rgba.png": Image.merge("RGBA", (*rgb.split(), rgb.getchannel(0))),
        "gray16.png": Image.fromarray((small[:, :, 1].astype(np.uint16) * 251 + 77)),
    }
    for name, image in files.items():
        image.save(OUT / name)
    wide = small.astype(np.uint16) * 253 + 19
    write_png(OUT / "rgb16.png", [b"\0" + row.astype(">u2").tobytes() for row in wide], 33, 26, 16, 2)
    rows = []
    for y0, x0, dy, dx in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
        rows += [b"\0" + row.tobytes() for row in small[y0::dy, x0::dx]]
    write_png(OUT / "interlaced.png", rows, 33, 26, 8, 2, interlaced=1)
    key = chunk(b"tRNS", struct.pack(">HHH", *small[0, 0]))
    write_png(OUT / "colour_key.png", [b"\0" + row.tobytes() for row in small], 33, 26, 8, 2, extra=key)

    # JPEG: subsampling, progressive, gray, CMYK.
    rgb.save(OUT / "420.jpg", quality=85)
    rgb.save(OUT / "422.jpg", quality=90, subsampling="4:2:2")
    rgb.save(OUT / "444.jpg", quality=95, subsampling=0)
    rgb.save(OUT / "progressive.jpg", quality=80, progressive=True)
    rgb.convert("L").save(OUT / "gray.jpg", quality=90)
    rgb.convert("CMYK").save(OUT / "cmyk.jpg", quality=95)
    for path in sorted(OUT.glob("*.*g")):
        expect(path, gray=path.name in ("rgb.png", "420.jpg"))

    np.savez_compressed(OUT.parent / "deflated.npz", a=np.arange(6, dtype="<i4").reshape(2, 3), b=np.zeros(3))

    # Resizing, up and down and mixed.
    for name, width, height, sizes in (
        ("scene.png", 97, 61, ((24, 24), (97, 20), (31, 61), (130, 83), (1, 1), (96, 62), (8, 90))),
        ("tiny.png", 3, 2, ((7, 9), (2, 1))),
    ):
        image = Image.fromarray(scene(width, height, 2))
        image.save(OUT / name)
        for size in sizes:
            np.save(OUT / f"{name}-{size[0]}x{size[1]}.npy", np.asarray(image.resize(size, Image.BILINEAR)))
    gray = Image.fromarray(scene(97, 61, 2)).convert("L")
    np.save(OUT / "scene.png-gray-28x28.npy", np.asarray(gray.resize((28, 28), Image.BILINEAR)))

    # The whole of ImageNet's preprocessing, as torchvision does it: Resize(20), CenterCrop(17), ToTensor, Normalize.
    image = Image.open(OUT / "scene.png")
    image = image.resize((int(20 * 97 / 61), 20), Image.BILINEAR)
    left, top = int(round((image.width - 17) / 2.0)), int(round((image.height - 17) / 2.0))
    pixels = np.asarray(image.crop((left, top, left + 17, top + 17)), np.float32) / np.float32(255)
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    std = np.array([0.229, 0.224, 0.225], np.float32)
    np.save(OUT / "scene.png-imagenet17.npy", np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1)[None]))


if __name__ == "__main__":
    main()
