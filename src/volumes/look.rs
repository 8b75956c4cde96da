//! What opens a volume with its colours: rising weights orange, falling ones blue.

use std::path::{Path, PathBuf};

use super::options::VolumeUp;
use super::volume::Made;

/// A script for Blender 3.4 and later: `blender --python OUT.blender.py` opens the volume, and
/// `blender -b --python OUT.blender.py -- picture.png` renders it.
pub(super) fn blender(files: &[PathBuf], size: f64, made: &Made, up: VolumeUp) -> String {
    let [x, y, z] = edges(size, made.voxels, up);
    let turn = match up {
        VolumeUp::Z => "",
        // Blender's z is upward: a quarter turn about x.
        VolumeUp::Y => "volume.rotation_euler.x = math.pi / 2\n",
    };
    include_str!("look/blender.py")
        .replace("@EDGES@", &format!("({x}, {y}, {z})"))
        .replace("@DENSITY@", &format!("{:?}", made.dense))
        .replace("@FRAMES@", &files.len().to_string())
        .replace("@TURN@\n", turn)
        .replace("@FIRST@", &quoted(&name(&files[0]))) // last: a name may hold anything
}

/// A scene in USD, as Houdini, usdview and Blender read it: one volume, its three fields, and a frame
/// for each file.
pub(super) fn usd(files: &[PathBuf], size: f64, voxels: [usize; 3], up: VolumeUp) -> String {
    let axis = match up {
        VolumeUp::Z => "Z",
        VolumeUp::Y => "Y",
    };
    let [x, y, z] = edges(size, voxels, up).map(|edge| 0.5 * edge);
    let path = match files {
        [only] => format!("asset filePath = {}", asset(only)),
        _ => {
            let frames = files.iter().enumerate();
            let frames = frames.map(|(i, file)| format!("{}: {}", i + 1, asset(file)));
            let frames: Vec<_> = frames.collect();
            let frames = frames.join(",\n            ");
            format!("asset filePath.timeSamples = {{\n            {frames}\n        }}")
        }
    };
    let field = |field: &str| {
        format!(
            "    def OpenVDBAsset \"{field}\"\n    {{\n        {path}\n        \
             token fieldName = \"{field}\"\n        token fieldClass = \"fogVolume\"\n    }}\n"
        )
    };
    let fields = ["density", "fall", "rise"];
    let relations: String = fields
        .iter()
        .map(|name| format!("    rel field:{name} = </Run/{name}>\n"))
        .collect();
    let assets: Vec<String> = fields.iter().map(|name| field(name)).collect();
    format!(
        "#usda 1.0\n(\n    defaultPrim = \"Run\"\n    metersPerUnit = 1\n    upAxis = \"{axis}\"\n    \
         startTimeCode = 1\n    endTimeCode = {count}\n    timeCodesPerSecond = 24\n)\n\n\
         def Volume \"Run\"\n{{\n    float3[] extent = [({nx}, {ny}, {nz}), ({x}, {y}, {z})]\n\
         {relations}\n{assets}}}\n",
        count = files.len(),
        nx = -x,
        ny = -y,
        nz = -z,
        assets = assets.join("\n"),
    )
}

/// How long the edges of the whole are, along the file's axes.
fn edges(size: f64, voxels: [usize; 3], up: VolumeUp) -> [f64; 3] {
    let longest = voxels.into_iter().max().unwrap_or(1) as f64;
    let [x, y, z] = voxels.map(|n| size * n as f64 / longest);
    match up {
        VolumeUp::Z => [x, y, z],
        VolumeUp::Y => [x, z, y],
    }
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    name.to_string_lossy().into_owned()
}

/// As a string of Python's.
fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", c as u32),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// A file beside the scene, as USD names it.
fn asset(file: &Path) -> String {
    let name = name(file);
    // One that has the mark itself is put between three.
    let mark = if name.contains('@') { "@@@" } else { "@" };
    format!("{mark}./{name}{mark}")
}
