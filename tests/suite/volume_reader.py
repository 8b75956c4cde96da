"""Prints what is in a volume, as OpenVDB's own Python module reads it: one JSON object."""

import json
import sys

import pyopenvdb

grids, metadata = pyopenvdb.readAll(sys.argv[1])
read = []
for grid in grids:
    voxels = []
    for item in grid.iterOnValues():
        # An active tile would stand for many voxels.
        for x in range(item.min[0], item.max[0] + 1):
            for y in range(item.min[1], item.max[1] + 1):
                for z in range(item.min[2], item.max[2] + 1):
                    voxels.append([x, y, z, item.value])
    read.append(
        {
            "name": grid.name,
            "class": grid.gridClass,
            "half": grid.saveFloatAsHalf,
            "background": grid.background,
            "first": grid.transform.indexToWorld((0, 0, 0)),
            "second": grid.transform.indexToWorld((1, 1, 1)),
            "uniform": grid.transform.isLinear and len(set(grid.transform.voxelSize())) == 1,
            "metadata": {
                key: value for key, value in grid.metadata.items() if not key.startswith("file_")
            },
            "voxels": voxels,
        }
    )
json.dump(read, sys.stdout)
