"""For Blender: its default scene with a volume instead of the cube, no material, rendered.

blender -b --factory-startup --python default_scene.py -- PICTURE [VOLUME...]

Several volumes are the frames of a sequence, of which the last one is rendered.
"""

import os
import sys

import bpy

out, *volumes = sys.argv[sys.argv.index("--") + 1 :]
scene = bpy.context.scene
bpy.data.objects.remove(bpy.data.objects["Cube"])
if volumes:
    folder = os.path.dirname(volumes[0])
    files = [{"name": os.path.basename(path)} for path in volumes]
    bpy.ops.object.volume_import(
        filepath=volumes[0], directory=folder, files=files, use_sequence_detection=len(volumes) > 1
    )
    # One object, whether of a file or of a sequence.
    (data,) = bpy.data.volumes
    frames = data.frame_duration if data.is_sequence else 1
    scene.frame_set(frames)
    data.grids.load()
    names = [grid.name for grid in data.grids]
    print(f"LOADED {frames} {' '.join(names)}")

scene.render.engine = "CYCLES"
scene.cycles.samples = 16
scene.cycles.use_denoising = False
scene.render.resolution_x = 320
scene.render.resolution_y = 180
scene.render.filepath = out
bpy.ops.render.render(write_still=True)
