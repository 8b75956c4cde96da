"""The independent reader: OpenVDB's own Python module. Knows nothing of temporal-vdb.

read FILE...: prints every grid of a file as JSON, voxels in order, values as their bits; of a layer of
temporal-vdb with the digest that docs/design.md says it has.
write KIND FILE: writes a grid that temporal-vdb did not make.
alter KIND FROM FILE: writes what another program could make of a file that temporal-vdb wrote.
"""

import json
import struct
import sys

import pyopenvdb as vdb


def bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


MASK = (1 << 64) - 1
PRIMES = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def xxh64(data):
    """github.com/Cyan4973/xxHash, doc/xxhash_spec.md, with seed 0."""
    p1, p2, p3, p4, p5 = PRIMES

    def turn(x, by):
        return (x << by | x >> (64 - by)) & MASK

    def lane(acc, word):
        return turn((acc + word * p2) & MASK, 31) * p1 & MASK

    at = 0
    if len(data) >= 32:
        lanes = [(p1 + p2) & MASK, p2, 0, -p1 & MASK]
        while at + 32 <= len(data):
            words = struct.unpack_from("<4Q", data, at)
            lanes = [lane(acc, word) for acc, word in zip(lanes, words)]
            at += 32
        acc = sum(turn(acc, by) for acc, by in zip(lanes, (1, 7, 12, 18))) & MASK
        for value in lanes:
            acc = ((acc ^ lane(0, value)) * p1 + p4) & MASK
    else:
        acc = p5
    acc = (acc + len(data)) & MASK
    while at + 8 <= len(data):
        acc = (turn(acc ^ lane(0, struct.unpack_from("<Q", data, at)[0]), 27) * p1 + p4) & MASK
        at += 8
    if at + 4 <= len(data):
        word = struct.unpack_from("<I", data, at)[0]
        acc = (turn(acc ^ word * p1 & MASK, 23) * p2 + p3) & MASK
        at += 4
    for byte in data[at:]:
        acc = turn(acc ^ byte * p5 & MASK, 11) * p1 & MASK
    acc = (acc ^ acc >> 33) * p2 & MASK
    acc = (acc ^ acc >> 29) * p3 & MASK
    return acc ^ acc >> 32


def tree_order(voxel):
    return [tuple(axis >> log for axis in voxel[:3]) for log in (12, 7, 3, 0)]


DIGESTED = ("rows", "cols", "dtype", "shape", "oldest", "steps", "z", "marks")


def digest(metadata, *grids):
    data = "".join(f"{metadata['temporal_vdb_' + key]}\n" for key in DIGESTED).encode()
    for grid in grids:
        voxels = []
        if grid is not None:
            for item in grid.citerOnValues():
                (x0, y0, z0), (x1, y1, z1) = item.min, item.max
                for x in range(x0, x1 + 1):
                    for y in range(y0, y1 + 1):
                        voxels += [(x, y, z, bits(item.value)) for z in range(z0, z1 + 1)]
        # Of a weight that is +0.0 nothing is told, nor of a delta that is 0.
        voxels = [v for v in voxels if v[3] not in ((0,) if v[2] == 0 else (0, 1 << 31))]
        for voxel in sorted(voxels, key=tree_order):
            data += struct.pack("<iiiI", *voxel)
        data += struct.pack("<Q", len(voxels))
    return f"{xxh64(data):016x}"


def describe(grid):
    voxels = []
    for item in grid.citerOnValues():
        assert item.min == item.max, "an active tile"
        voxels.append([*item.min, bits(item.value)])
    return {
        "name": grid.name,
        "type": type(grid).__name__,
        "value_type": grid.valueTypeName,
        "background": grid.background,
        "half": grid.saveFloatAsHalf,
        "metadata": {k: v for k, v in grid.metadata.items() if isinstance(v, (str, int, float))},
        "voxels": sorted(voxels),
    }


def read(path):
    grids = vdb.readAll(path)[0]
    described = [describe(grid) for grid in grids]
    for grid in described:
        if "temporal_vdb_rows" in grid["metadata"]:
            parts = {other.name: other for other in grids}
            own = parts[grid["name"]], parts.get(grid["name"] + ".exact")
            grid["digest"] = digest(grid["metadata"], *own)
    json.dump(described, sys.stdout)


def layer(rows, cols, steps, z="timestep", version=2):
    grid = vdb.FloatGrid()
    grid.name = "made"
    grid["temporal_vdb_format"] = version
    grid["temporal_vdb_rows"] = rows
    grid["temporal_vdb_cols"] = cols
    grid["temporal_vdb_dtype"] = "F32"
    grid["temporal_vdb_shape"] = f"{rows},{cols}"
    grid["temporal_vdb_oldest"] = "0"
    grid["temporal_vdb_steps"] = steps
    grid["temporal_vdb_z"] = z
    grid["temporal_vdb_marks"] = 0
    grid["temporal_vdb_digest"] = "0" * 16
    return grid


def write(kind, path):
    grid = vdb.FloatGrid()
    grid.name = "made"
    if kind == "base":
        # A sheet of weights that knows only z = 0.
        for row in range(0, 20, 3):
            for col in range(0, 300, 7):
                grid.getAccessor().setValueOn((row, col, 0), row + col / 8)
    elif kind == "layer":
        grid = layer(16, 16, "1-8,20")
        grid.fill((0, 0, 8), (7, 7, 15), 0.0, False)
        grid.fill((0, 0, 0), (15, 15, 7), 0.25)
        grid.prune()  # leaves of one value become active tiles
        grid.getAccessor().setValueOn((3, 4, 20), -1.0)
        grid.getAccessor().setValueOn((3, 5, 20), 0.0)  # adds nothing
        grid["temporal_vdb_digest"] = digest(grid.metadata, grid, None)
    elif kind == "ordinal":
        # Steps are told by their places in the list.
        grid = layer(4, 4, "7,2147483646", z="ordinal")
        for z, value in enumerate((1.0, 0.5, 0.25)):
            grid.getAccessor().setValueOn((1, 2, z), value)
        grid["temporal_vdb_digest"] = digest(grid.metadata, grid, None)
    elif kind == "far-steps":
        grid = layer(4, 4, "7,3000000000", z="ordinal")
    elif kind == "many-steps":
        grid = layer(4, 4, "1-2147483645")
        grid.getAccessor().setValueOn((0, 0, 0), 1.0)
    elif kind == "huge-tile":
        grid.fill((0, 0, 0), (4095, 4095, 4095), 1.0)
    elif kind == "picture":
        grid.name = "density"
        grid["temporal_vdb_picture"] = 1
        grid.getAccessor().setValueOn((0, 0, 1), 1.0)
    elif kind == "vectors":
        grid = vdb.Vec3SGrid()
        grid.name = "made"
        grid.getAccessor().setValueOn((0, 0, 0), (1, 2, 3))
    elif kind == "sphere":
        grid = vdb.createLevelSetSphere(10.0)
        grid.name = "made"
    elif kind == "steps-without-metadata":
        for step, value in ((0, 0.5), (5, 1.0), (700, -0.25)):
            grid.getAccessor().setValueOn((2, 3, step), value)
    elif kind == "below":
        grid.getAccessor().setValueOn((-1, 0, 0), 1.0)
    elif kind == "nothing":
        pass
    elif kind == "background":
        grid = vdb.FloatGrid(1.0)
        grid.name = "made"
        grid.getAccessor().setValueOn((0, 0, 0), 2.0)
    elif kind == "beyond":
        grid = layer(4, 4, "1-3")
        grid.getAccessor().setValueOn((0, 4, 2), 1.0)
    elif kind == "infinite":
        grid = layer(4, 4, "1-3")
        grid.getAccessor().setValueOn((0, 1, 2), float("inf"))
    elif kind == "unlisted":
        grid = layer(4, 4, "1-2,9")
        grid.getAccessor().setValueOn((0, 1, 5), 1.0)
    elif kind == "newer":
        grid = layer(4, 4, "1-3", version=99)
    elif kind == "disordered":
        grid = layer(4, 4, "3-1")
    else:
        raise SystemExit(f"unknown kind {kind}")
    vdb.write(path, grids=[grid])


def alter(kind, source, path):
    grids = vdb.readAll(source)[0]
    made, marks = (next(grid for grid in grids if grid.name == name) for name in ("made", "made.exact"))
    if kind == "same":
        pass
    elif kind == "dropped":
        grids = [made]
    elif kind == "marks-alone":
        grids = [marks]
    elif kind == "renamed":
        made.name = "density"
    elif kind == "marks-renamed":
        marks.name = "marks"
    elif kind == "half":
        made.saveFloatAsHalf = True
    elif kind == "marks-half":
        marks.saveFloatAsHalf = True
    elif kind == "twice":
        grids = [made, marks, made.deepCopy()]
    elif kind == "marks-twice":
        grids = [made, marks, marks.deepCopy()]
    elif kind == "merged":
        # Houdini gives each grid the keys of all, with 0 for what it did not have.
        plain = vdb.FloatGrid()
        plain.name = "plain"
        plain.getAccessor().setValueOn((1, 2, 0), 0.5)
        for key, value in made.metadata.items():
            if key.startswith("temporal_vdb_"):
                plain[key] = "" if isinstance(value, str) else 0
                if key not in marks.metadata:
                    marks[key] = plain[key]
        made["temporal_vdb_picture"] = plain["temporal_vdb_picture"] = 0
        grids = [plain, made, marks]
    elif kind == "others-beside":
        vectors = vdb.Vec3SGrid()
        vectors.name = "made"  # of the same name, and no float grid
        vectors.getAccessor().setValueOn((0, 0, 0), (1, 2, 3))
        grids = [vectors, made, marks]
    elif kind == "weight":
        made.getAccessor().setValueOn((0, 0, 0), 7.0)
    elif kind == "mark":
        item = next(marks.citerOnValues())
        marks.getAccessor().setValueOn(item.min, item.value + 1.0)
    elif kind == "mark-gone":
        item = next(marks.citerOnValues())
        marks.getAccessor().setValueOff(item.min)
        marks.getAccessor().setValueOn((1, 1, 1), 3.0)
    elif kind == "shape":
        made["temporal_vdb_rows"] += 1
        made["temporal_vdb_shape"] = f"{made['temporal_vdb_rows']},{made['temporal_vdb_cols']}"
    elif kind == "steps":
        made["temporal_vdb_steps"] += ",4000"
    elif kind == "first-version":
        made["temporal_vdb_format"] = 1
    else:
        raise SystemExit(f"unknown kind {kind}")
    vdb.write(path, grids=grids)


{"read": read, "write": write, "alter": alter}[sys.argv[1]](*sys.argv[2:])
