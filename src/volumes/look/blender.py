"""Opens the volume beside this file with its colours: rising weights orange, falling ones blue.

blender --python THIS_FILE                            opens it
blender -b --python THIS_FILE -- picture.png          renders it
blender -b --python THIS_FILE -- picture.png 12       renders frame 12 of a sequence
"""

import math
import os
import sys

import bpy
from mathutils import Vector

FIRST = @FIRST@
FRAMES = @FRAMES@
EDGES = @EDGES@  # of the whole, in units of the scene
DENSITY = @DENSITY@  # the grid density, where rise and fall are 1 together

ORANGE = (1.0, 0.3, 0.02, 1.0)
BLUE = (0.02, 0.3, 1.0, 1.0)
BACKGROUND = (0.012, 0.012, 0.014, 1.0)
DENSE = 4.0  # times as dense as it is in a scene without a material, so that it has a surface
BRIGHT = 2.2  # of what cannot be seen through, where a movement is 1
SIDE = (1.5, -1.75, 1.3)  # where the camera stands: before a corner, a little above

given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
scene = bpy.context.scene
for thing in list(bpy.data.objects):
    if thing.type == "MESH":
        bpy.data.objects.remove(thing)

data = bpy.data.volumes.new("run")
data.filepath = os.path.join(os.path.dirname(os.path.abspath(__file__)), FIRST)
if FRAMES > 1:
    data.is_sequence = True
    data.frame_start = 1
    data.frame_duration = FRAMES
    scene.frame_start = 1
    scene.frame_end = FRAMES
    scene.frame_set(int(given[1]) if len(given) > 1 else FRAMES)
volume = bpy.data.objects.new("run", data)
scene.collection.objects.link(volume)
@TURN@


def material(name):
    """An empty one: its nodes, a function that links two of their sockets, and its output."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    nodes = made.node_tree.nodes
    nodes.clear()
    return made, nodes, made.node_tree.links.new, nodes.new("ShaderNodeOutputMaterial")


# The volume gives light of its own, in the colour of where weights went, and keeps off what is behind
# it. Both go with the density, so that dense and sparse volumes are as bright; light goes with the
# square of a movement, so that what cannot be seen through is as bright as it moved far.
made, nodes, link, out = material("rise and fall")


def calculated(operation, first, second):
    node = nodes.new("ShaderNodeMath")
    node.operation = operation
    link(first, node.inputs[0])
    if isinstance(second, float):
        node.inputs[1].default_value = second
    else:
        link(second, node.inputs[1])
    return node.outputs["Value"]


def field(name):
    node = nodes.new("ShaderNodeAttribute")
    node.attribute_name = name
    return node.outputs["Fac"]


def glowing(way, colour):
    node = nodes.new("ShaderNodeEmission")
    node.inputs["Color"].default_value = colour
    square = calculated("MULTIPLY", way, way)
    link(calculated("MULTIPLY", square, DENSITY * DENSE * BRIGHT), node.inputs["Strength"])
    return node.outputs["Emission"]


def together(first, second):
    node = nodes.new("ShaderNodeAddShader")
    link(first, node.inputs[0])
    link(second, node.inputs[1])
    return node.outputs["Shader"]


rise, fall = field("rise"), field("fall")
absorbing = nodes.new("ShaderNodeVolumeAbsorption")
absorbing.inputs["Color"].default_value = (0.0, 0.0, 0.0, 1.0)
link(calculated("MULTIPLY", calculated("ADD", rise, fall), DENSITY * DENSE), absorbing.inputs["Density"])
light = together(glowing(rise, ORANGE), glowing(fall, BLUE))
link(together(light, absorbing.outputs["Volume"]), out.inputs["Volume"])
data.materials.append(made)

# The edges of the whole, as thin bars.
corners = [[(i >> k & 1) * EDGES[k] - EDGES[k] / 2 for k in range(3)] for i in range(8)]
faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
mesh = bpy.data.meshes.new("edges")
mesh.from_pydata(corners, [], faces)
box = bpy.data.objects.new("edges", mesh)
scene.collection.objects.link(box)
box.parent = volume
bars = box.modifiers.new("bars", "WIREFRAME")
bars.thickness = 0.004 * max(EDGES)
bars.offset = 1.0
made, nodes, link, out = material("edges")
grey = nodes.new("ShaderNodeEmission")
grey.inputs["Color"].default_value = (0.3, 0.3, 0.32, 1.0)
link(grey.outputs["Emission"], out.inputs["Surface"])
mesh.materials.append(made)

scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = BACKGROUND
scene.view_settings.view_transform = "Standard"
scene.render.engine = "CYCLES"
scene.render.resolution_x = 640
scene.render.resolution_y = 480
scene.cycles.samples = 16
scene.cycles.use_denoising = False
# Steps of several voxels: where they begin differs from ray to ray, so that nothing is left out.
for name, value in [("volume_step_rate", 4.0), ("volume_preview_step_rate", 4.0)]:
    if hasattr(scene.cycles, name):
        setattr(scene.cycles, name, value)

# So near that all of it is just in the picture.
camera = scene.camera
if camera is None:
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
camera.rotation_euler = (-Vector(SIDE)).to_track_quat("-Z", "Y").to_euler()
camera.data.clip_end = max(camera.data.clip_end, 20.0 * max(EDGES))
camera.data.clip_start = min(camera.data.clip_start, 0.01 * max(EDGES))
bpy.context.view_layer.update()
shown = [1.06 * x for corner in corners for x in volume.matrix_world @ Vector(corner)]
camera.location, _ = camera.camera_fit_coords(bpy.context.evaluated_depsgraph_get(), shown)

if given:
    scene.render.filepath = os.path.abspath(given[0])
    bpy.ops.render.render(write_still=True)
