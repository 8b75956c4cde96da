"""Small honest .vdb files of many kinds: `seeds.py FOLDER`, and a large one: `seeds.py FOLDER large`. Some are written by OpenVDB's own Python
module; that packs with Blosc alone, so the others are put together here, byte by byte."""

import struct
import sys
import zlib
from pathlib import Path

import pyopenvdb as vdb

ZIP, MASK = 1, 2


def text(value):
    return struct.pack("<I", len(value)) + value.encode()


def mask(bits, size):
    return sum(1 << bit for bit in bits).to_bytes(size // 8, "little")


def values(numbers, active, compression, half):
    """The values of a node: all of them, or with MASK the active ones alone."""
    kept = [numbers[i] for i in sorted(active)] if compression & MASK else numbers
    data = struct.pack(f"<{len(kept)}{'e' if half else 'f'}", *kept)
    kind = bytes([0 if compression & MASK else 6])
    if half and not kept:
        return kind
    if not compression & ZIP:
        return kind + data
    packed = zlib.compress(data)
    if len(packed) < len(data):
        return kind + struct.pack("<q", len(packed)) + packed
    return kind + struct.pack("<q", -len(data)) + data


def grid(name, voxels, compression=0, half=False, tiles=()):
    """Of voxels {(x, y, z): value} of one block of 128^3, and tiles {(x, y, z): value} of 8^3 in it."""
    leaves, flat = {}, {}
    for (x, y, z), value in voxels.items():
        at = (x >> 3) << 8 | (y >> 3) << 4 | z >> 3
        leaves.setdefault(at, {})[(x & 7) << 6 | (y & 7) << 3 | z & 7] = value
    for (x, y, z), value in dict(tiles).items():
        flat[(x >> 3) << 8 | (y >> 3) << 4 | z >> 3] = value
    out = struct.pack("<I", compression) + struct.pack("<I", 1)
    out += text("is_saved_as_half_float") + text("bool") + struct.pack("<I?", 1, half)
    out += text("UniformScaleMap") + struct.pack("<15d", *[1.0] * 15)
    out += struct.pack("<ifII", 1, 0.0, 0, 1) + struct.pack("<3i", 0, 0, 0)
    out += mask([0], 32768) + mask([], 32768) + values([0.0] * 32768, [], compression, half)
    out += mask(leaves, 4096) + mask(flat, 4096)
    out += values([flat.get(i, 0.0) for i in range(4096)], flat, compression, half)
    for _, leaf in sorted(leaves.items()):
        out += mask(leaf, 512)
    structure = len(out)
    for _, leaf in sorted(leaves.items()):
        numbers = [leaf.get(i, 0.0) for i in range(512)]
        out += mask(leaf, 512) + values(numbers, leaf, compression, half)
    return name, half, out, structure


def archive(path, *grids):
    out = struct.pack("<qIIIB", 0x56444220, 224, 10, 0, 1) + b"00000000-0000-0000-0000-000000000000" + struct.pack("<Ii", 0, len(grids))
    for name, half, body, structure in grids:
        out += text(name) + text("Tree_float_5_4_3" + "_HalfFloat" * half) + text("")
        begin = len(out) + 24
        out += struct.pack("<3q", begin, begin + structure, begin + len(body)) + body
    path.write_bytes(out)


def main(folder):
    voxels = {(x, y, z): x + y / 8 + z / 64 for x in range(0, 20, 3) for y in range(9) for z in (0, 1, 5, 30)}
    tiles = {(8, 16, 40): 0.25, (0, 0, 48): -1.0}
    for name, compression in (("plain", 0), ("masked", MASK), ("zip", ZIP), ("zip-masked", ZIP | MASK)):
        archive(folder / f"{name}.vdb", grid("w", voxels, compression))
        archive(folder / f"{name}-half-tiles.vdb", grid("w", voxels, compression, True, tiles))
    archive(folder / "several.vdb", grid("v", voxels, MASK), grid("w", voxels, ZIP), grid("x", voxels))

    def made(name):
        made = vdb.FloatGrid()
        made.name = name
        access = made.getAccessor()
        for (x, y, z), value in voxels.items():
            access.setValueOn((x, y, 40 * z), value)
        return made

    vdb.write(str(folder / "blosc.vdb"), grids=[made("w")])
    other = vdb.Vec3SGrid()
    other.name = "v"
    other.getAccessor().setValueOn((1, 2, 3), (1, 2, 3))
    filled = made("w")
    filled.fill((16, 16, 0), (39, 31, 23), 0.5)
    filled.prune()
    vdb.write(str(folder / "blosc-tiles-others.vdb"), grids=[other, filled, made("x")])
    half = made("w")
    half.saveFloatAsHalf = True
    vdb.write(str(folder / "blosc-half.vdb"), grids=[half], metadata={"author": "somebody"})


def large(folder):
    made = vdb.FloatGrid()
    made.name = "w"
    made.fill((0, 0, 0), (255, 255, 255), 0.5)
    vdb.write(str(folder / "large.vdb"), grids=[made])


(large if sys.argv[2:] == ["large"] else main)(Path(sys.argv[1]))
