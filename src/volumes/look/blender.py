"""Opens the volume beside this file with its colours: rising weights orange, falling ones blue.

blender --python THIS_FILE                      opens it
blender -b --python THIS_FILE -- picture.png    renders it
"""

import math
import os
import sys

import bpy
from mathutils import Vector

FIRST = @FIRST@
FRAMES = @FRAMES@
ORANGE = (1.0, 0.45, 0.12, 1.0)
BLUE = (0.12, 0.45, 1.0, 1.0)

folder = os.path.dirname(os.path.abspath(__file__))
scene = bpy.context.scene

for thing in list(bpy.data.objects):
    if thing.type == "MESH":
        bpy.data.objects.remove(thing)

data = bpy.data.volumes.new("run")
data.filepath = os.path.join(folder, FIRST)
if FRAMES > 1:
    data.is_sequence = True
    data.frame_start = 1
    data.frame_duration = FRAMES
    scene.frame_start = 1
    scene.frame_end = FRAMES
volume = bpy.data.objects.new("run", data)
scene.collection.objects.link(volume)
@TURN@

# Light of its own in the colour of where weights went, and a little of what it lies before kept off.
material = bpy.data.materials.new("rise and fall")
material.use_nodes = True
nodes, links = material.node_tree.nodes, material.node_tree.links
nodes.clear()


def field(name):
    node = nodes.new("ShaderNodeAttribute")
    node.attribute_name = name
    return node.outputs["Fac"]


def times(value, factor):
    node = nodes.new("ShaderNodeMath")
    node.operation = "MULTIPLY"
    node.inputs[1].default_value = factor
    links.new(value, node.inputs[0])
    return node.outputs["Value"]


def glowing(name, colour):
    node = nodes.new("ShaderNodeEmission")
    node.inputs["Color"].default_value = colour
    links.new(times(field(name), GLOW), node.inputs["Strength"])
    return node.outputs["Emission"]


def together(first, second):
    node = nodes.new("ShaderNodeAddShader")
    links.new(first, node.inputs[0])
    links.new(second, node.inputs[1])
    return node.outputs["Shader"]


# In units of the volume's size: what is bright in a small volume is so in a large one.
longest = max(volume.dimensions) or 2.0
GLOW = 4.0 / longest

dark = nodes.new("ShaderNodeVolumeAbsorption")
links.new(times(field("density"), 0.5), dark.inputs["Density"])
surface = together(together(glowing("rise", ORANGE), glowing("fall", BLUE)), dark.outputs["Volume"])
out = nodes.new("ShaderNodeOutputMaterial")
links.new(surface, out.inputs["Volume"])
data.materials.append(material)

scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.03, 0.03, 0.03, 1.0)

# From above, before a corner, as far off as the volume is large.
camera = scene.camera
if camera is None:
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
camera.location = Vector((1.5, -1.7, 1.05)) * longest
camera.rotation_euler = (-camera.location).to_track_quat("-Z", "Y").to_euler()

if "--" in sys.argv:
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 64
    scene.cycles.use_denoising = False
    scene.cycles.volume_step_rate = 1.0
    scene.render.resolution_x = 960
    scene.render.resolution_y = 720
    scene.render.filepath = os.path.abspath(sys.argv[sys.argv.index("--") + 1])
    scene.view_settings.view_transform = "Standard"
    bpy.ops.render.render(write_still=True)
