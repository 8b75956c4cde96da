"""Pictures as arrays: what is in them, and how they differ."""

import subprocess
import sys

import numpy

# A pixel differs clearly where one of its colours does so by more than this, of 0 to 1.
CLEARLY = 5 / 255


def read_ppm(data):
    magic, size, most, pixels = data.split(b"\n", 3)
    assert magic == b"P6" and most == b"255", (magic, size, most)
    width, height = map(int, size.split())
    values = numpy.frombuffer(pixels, numpy.uint8, width * height * 3)
    return values.reshape(height, width, 3) / 255


def read(path):
    """The pixels of a .png, .ppm or .xwd, height x width x 3, 0 to 1."""
    if path.suffix == ".ppm":
        return read_ppm(path.read_bytes())
    program = {".png": "pngtopnm", ".xwd": "xwdtopnm"}[path.suffix]
    converted = subprocess.run([program, path], check=True, capture_output=True).stdout
    converted = subprocess.run(["pnmdepth", "255"], input=converted, check=True, capture_output=True).stdout
    return read_ppm(converted)


def difference(one, other):
    """The share of the pixels that differ clearly; `other` may be one colour."""
    return float((numpy.abs(one - other).max(axis=2) > CLEARLY).mean())


def smooth(picture, edge=4):
    """Squares of pixels as their means: the noise of a renderer, which can be a hundredth of the pixels
    from one seed to the next, is gone."""
    height, width = (length // edge * edge for length in picture.shape[:2])
    squares = picture[:height, :width].reshape(height // edge, edge, width // edge, edge, 3)
    return squares.mean(axis=(1, 3))


def coloured(picture):
    """The shares of the pixels that are clearly orange, and clearly blue."""
    red, blue = picture[..., 0], picture[..., 2]
    return float((red - blue > 0.1).mean()), float((blue - red > 0.1).mean())


def told(what, share):
    """Says what was measured: a range is chosen by it."""
    print(f"{what}: {100 * share:.1f} %", file=sys.stderr)
    return share
