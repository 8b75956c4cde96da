"""The independent reader: OpenVDB's own Python module. Knows nothing of temporal-vdb.

read FILE...: prints every grid of a file as JSON, voxels in order, values as their bits.
write KIND FILE: writes a grid that temporal-vdb did not make.
"""

import json
import struct
import sys

import pyopenvdb as vdb


def bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


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
    json.dump([describe(grid) for grid in vdb.readAll(path)[0]], sys.stdout)


def layer(rows, cols, steps, oldest=0, version=1):
    grid = vdb.FloatGrid()
    grid.name = "made"
    grid["temporal_vdb_format"] = version
    grid["temporal_vdb_rows"] = rows
    grid["temporal_vdb_cols"] = cols
    grid["temporal_vdb_oldest"] = oldest
    grid["temporal_vdb_steps"] = steps
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
    elif kind == "vectors":
        grid = vdb.Vec3SGrid()
        grid.name = "made"
        grid.getAccessor().setValueOn((0, 0, 0), (1, 2, 3))
    elif kind == "sphere":
        grid = vdb.createLevelSetSphere(10.0)
        grid.name = "made"
    elif kind == "steps-without-metadata":
        grid.getAccessor().setValueOn((0, 0, 5), 1.0)
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


{"read": read, "write": write}[sys.argv[1]](*sys.argv[2:])
