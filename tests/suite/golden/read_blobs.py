"""The blobs of a store of version 1 as docs/format.md says: streams, blocks in the fast coding, bits
of weights.

Bits are arrays of unsigned integers of the layer's width, and all sums of them wrap around.
"""

import struct

import numpy as np
from zstandard import ZstdDecompressor


def check(holds, what):
    if not holds:
        raise SystemExit(f"damaged: {what}")


# ---- bits

def ordered(bits):
    top = 1 << 8 * bits.itemsize - 1
    return np.where(bits & top, ~bits, bits | top).astype(bits.dtype)


def plain(bits):
    top = 1 << 8 * bits.itemsize - 1
    return np.where(bits & top, bits ^ top, ~bits).astype(bits.dtype)


def differences(codes):
    return codes >> 1 ^ -(codes & 1)


def widen(dtype, bits):
    """The binary32 of the same value; of a NaN with the same payload."""
    if dtype == "F16":
        special = (bits & 0x8000) << 16 | 0x7F800000 | (bits & 0x3FF) << 13
        value = bits.astype("<u2").view("<f2").astype("<f4").view("<u4")
        return np.where(bits & 0x7C00 == 0x7C00, special, value)
    return bits << 16 if dtype == "BF16" else bits


def narrow(dtype, wide):
    if dtype == "F32":
        return wide
    found = np.flatnonzero(widen(dtype, np.arange(1 << 16, dtype="<u4")) == wide)
    check(found.size == 1, "a change leads to no value of the type")
    return found


def nearest(dtype, values):
    """The elements nearest to binary32 values, the even one of two."""
    check(np.isfinite(values).all(), "a change leads to no value of the type")
    if dtype == "F16":
        with np.errstate(all="ignore"):
            bits = values.astype("<f2").view("<u2")
    else:
        wide = values.view("<u4").astype(int)
        bits = wide if dtype == "F32" else wide + 0x7FFF + (wide >> 16 & 1) >> 16
    infinity = {"F32": 0x7F800000, "BF16": 0x7F80, "F16": 0x7C00}[dtype]
    check((bits & infinity != infinity).all(), "a change leads to no value of the type")
    return bits


def after_steps(dtype, bits, codes, width):
    """Elements after steps of a lattice."""
    values = widen(dtype, bits.astype("<u4")).view("<f4")
    with np.errstate(all="ignore"):
        return nearest(dtype, values + differences(codes.astype(int)).astype("<f4") * width)


def after_raw(dtype, bits, delta, mark):
    """An element after a raw change: the mark, or where there is none the sum."""
    if mark is not None:
        return narrow(dtype, np.array([mark], "<u4"))
    before = widen(dtype, bits.astype("<u4")).view("<f4")
    with np.errstate(all="ignore"):
        return narrow(dtype, (before + np.array([delta], "<u4").view("<f4")).view("<u4"))


# ---- streams

class Streams:
    def __init__(self, data):
        self.data = data

    def take(self, size):
        check(size <= len(self.data), "a blob ends too soon")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def stream(self, size):
        kind = self.take(1)[0] if size else 0
        check(kind < 3, "a stream is of an unknown kind")
        if kind == 2:
            packed = self.take(*struct.unpack("<I", self.take(4)))
            data = ZstdDecompressor().decompress(packed, max_output_size=size)
        else:
            data = self.take(1) * size if kind else self.take(size)
        check(len(data) == size, "a stream has another length")
        return np.frombuffer(data, "u1") if size else np.zeros(0, "u1")

    def planes(self, count, width):
        planes = [self.stream(count) for _ in range(width)]
        return np.stack(planes, axis=1).reshape(-1).view(f"<u{width}")

    def numbers(self, count, width):
        if count == 0 or self.data[:1] != b"\x03":
            return self.planes(count, width)
        self.take(1)
        pairs = self.stream(-(-count // 2))
        numbers = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1).astype(f"<u{width}")
        check(not numbers[count:].any(), "there is a number too many")
        large = self.planes(np.count_nonzero(numbers == 15), width)
        check((large >= 15).all(), "a small number is stored as a large one")
        numbers[numbers == 15] = large
        return numbers[:count]

    def finish(self):
        check(not self.data, "bytes are left over in a blob")


# ---- blocks

def read_raws(streams, count):
    """Raw changes: of each its delta and its mark, or None."""
    kinds = streams.stream(count)
    check(np.isin(kinds, [1, 2, 3]).all(), "a raw change is of an unknown kind")
    deltas = streams.numbers(np.count_nonzero(kinds & 1), 4)
    check(((0 < deltas << 1) & (deltas << 1 < 0xFF000000)).all(), "a delta is 0 or not finite")
    marks = iter(streams.numbers(np.count_nonzero(kinds & 2), 4))
    deltas = iter(deltas)
    return [(next(deltas) if k & 1 else None, next(marks) if k & 2 else None) for k in kinds]


def read_fast(data, sizes, steps, width):
    """The changes of a run of tiles: the number of the tile in the run, place, step and code; and
    of those of code 0, in the same order, delta and mark."""
    streams = Streams(data)
    form = streams.take(1)[0]
    check(form < 4, "a block is of an unknown form")
    cells = [(tile, slab) for tile in range(len(sizes)) for slab in range(-(-steps // 8))]
    if form & 1:  # a mask for every weight: no gaps, and masks may be 0
        ends = np.cumsum([sizes[tile] for tile, _ in cells])
        gaps = np.zeros(ends[-1], int)
    else:
        ends = np.cumsum(streams.numbers(len(cells), 2), dtype=int)
        gaps = streams.numbers(ends[-1], 2).astype(int)
    masks = streams.stream(ends[-1])
    check(masks.all() or form & 1, "a weight has no changes")

    changes = []
    each = zip(cells, np.split(gaps, ends[:-1]), np.split(masks, ends[:-1]))
    for (tile, slab), gap, mask in each:
        place = np.cumsum(gap + 1) - 1
        weight, bit = np.nonzero(np.unpackbits(mask[:, None], axis=1, bitorder="little"))
        step = 8 * slab + bit
        check((place < sizes[tile]).all() and (step < steps).all(), "a change of nothing")
        changes.append([np.full_like(step, tile), place[weight], step])
    tile, place, step = np.concatenate(changes, axis=1)

    codes = streams.numbers(tile.size, width)
    raw = np.count_nonzero(codes == 0)
    check((raw > 0) == (form >= 2), "raw changes are missing")
    raws = read_raws(streams, raw)
    streams.finish()
    return tile, place, step, codes, raws


def add(tiles, dtype, steps, block, lattice):
    """Adds some steps of a block upon the tiles of its run."""
    tile, place, step, codes, raws = block
    raws = dict(zip(np.flatnonzero(codes == 0), raws))
    for number, bits in enumerate(tiles):
        for one in steps:
            own = np.flatnonzero((tile == number) & (step == one))
            coded = own[codes[own] != 0]
            at = place[coded]
            if lattice is None:
                bits[at] = plain(ordered(bits[at]) + differences(codes[coded]))
            else:
                bits[at] = after_steps(dtype, bits[at], codes[coded], lattice)
            for i in own[codes[own] == 0]:
                bits[place[i]:place[i] + 1] = after_raw(dtype, bits[place[i]:place[i] + 1], *raws[i])


def width_of(lattice):
    """The width of a lattice from its bits; None without one."""
    if lattice is None:
        return None
    check(0 < lattice < 0x7F800000, "a lattice has no width")
    return np.array([lattice], "<u4").view("<f4")[0]
