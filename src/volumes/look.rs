//! What opens a volume with its colours: rising weights orange, falling ones blue.

use std::path::{Path, PathBuf};

use super::options::VolumeUp;
use super::volume::Made;
use crate::error::{Error, Result};

/// A script and a scene name their files in text. Errors: `InvalidVolume`.
pub(super) fn check_name(file: &Path) -> Result<()> {
    let name = file.file_name().and_then(|name| name.to_str());
    let plain = |name: &str| !name.contains(char::is_control) && !name.contains("@@@");
    if name.is_some_and(plain) {
        return Ok(());
    }
    Err(Error::InvalidVolume {
        option: "file",
        value: format!("{:?}", file.file_name().unwrap_or_default()),
        expected: "a name in UTF-8, without control characters and @@@, for a script and a scene",
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_letters_are_quoted_as_each_language_has_it() {
        let made = Made {
            layers: Vec::new(),
            lines: Vec::new(),
            voxels: [4, 2, 1],
            dense: 1.5,
        };
        let file = Path::new("a/it's \"@EDGES@\" \\ü.vdb");
        let script = blender(&[file.to_owned()], 2.0, &made, VolumeUp::Y);
        assert!(
            script.contains(r#"FIRST = "it's \"@EDGES@\" \\ü.vdb""#),
            "{script}"
        );
        assert!(script.contains("(2, 0.5, 1)"), "{script}");
        let scene = usd(&[file.to_owned()], 2.0, made.voxels, VolumeUp::Z);
        assert!(
            scene.contains(r#"asset filePath = @@@./it's "@EDGES@" \ü.vdb@@@"#),
            "{scene}"
        );
        let frames = ["a.0001.vdb", "a.0002.vdb"].map(PathBuf::from);
        let scene = usd(&frames, 2.0, made.voxels, VolumeUp::Z);
        assert!(scene.contains("1: @./a.0001.vdb@,") && scene.contains("2: @./a.0002.vdb@"));
        check_name(file).unwrap();
        assert!(check_name(Path::new("a\nb.vdb")).is_err());
        assert!(check_name(Path::new("a@@@b.vdb")).is_err());
    }
}
