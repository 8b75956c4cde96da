"""Reads a scene with Pixar's own USD: read_usd.py SCENE FRAMES."""

import sys

from pxr import Usd, UsdVol

path, frames = sys.argv[1], int(sys.argv[2])
stage = Usd.Stage.Open(path)
volume = UsdVol.Volume(stage.GetDefaultPrim())
assert volume, "the default prim is no volume"
fields = volume.GetFieldPaths()
assert sorted(fields) == ["density", "fall", "rise"], fields
for name, where in fields.items():
    asset = UsdVol.OpenVDBAsset(stage.GetPrimAtPath(where))
    assert asset.GetFieldNameAttr().Get() == name
    times = asset.GetFilePathAttr().GetTimeSamples() or [Usd.TimeCode.Default()]
    assert len(times) == frames, times
    for time in times:
        assert asset.GetFilePathAttr().Get(time).resolvedPath.endswith(".vdb"), (name, time)
assert stage.GetEndTimeCode() == frames
low, high = volume.GetExtentAttr().Get()
assert all(a == -b for a, b in zip(low, high)) and max(high) == 1.0, (low, high)
