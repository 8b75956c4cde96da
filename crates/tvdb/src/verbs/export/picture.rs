//! Volumes to look at.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use serde_json::json;
use temporal_vdb::{
    LayerInfo, TemporalStore, Volume, VolumeExport, VolumeLayer, VolumeOrder, VolumePool,
    VolumeScale, VolumeUp, VolumeValue,
};

use crate::files::target::refuse_store;
use crate::screen::failure::with_hint;
use crate::screen::numbers::{bytes, counted, grouped};
use crate::screen::output;
use crate::screen::progress::Progress;
use crate::verbs::activity::no_weights;

/// How a picture is made.
#[derive(Args)]
#[group(id = "picture", multiple = true)]
pub(super) struct Options {
    /// drift: how far weights are from where they began;
    /// change: how far each step moved them; activity: the
    /// share of weights that each step changed [default:
    /// drift, with --frames change]
    #[arg(long, value_enum)]
    value: Option<Value>,

    /// What is shown as 1: layer, the 99.5th percentile of
    /// each layer's movements; model, that of all; or a number
    #[arg(
        long,
        value_name = "layer|model|X",
        default_value = "layer",
        allow_negative_numbers = true
    )]
    scale: Scale,

    /// An exponent: below 1, small movements become brighter
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.5,
        allow_negative_numbers = true
    )]
    gamma: f32,

    /// Rows and columns by how far they moved, or as in the
    /// matrix
    #[arg(long, value_enum, default_value_t = Order::Activity)]
    order: Order,

    /// Rows x columns x steps to a voxel; auto: no edge is
    /// over 256 voxels, with --frames none of a layer
    #[arg(long, value_name = "auto|RxCxT", default_value = "auto")]
    pool: Pool,

    /// Voxels a step is high [default: about as high as wide]
    #[arg(long, value_name = "N", conflicts_with = "frames")]
    time_scale: Option<usize>,

    /// The longest edge, in units of the scene
    #[arg(
        long,
        value_name = "UNITS",
        default_value_t = 2.0,
        allow_negative_numbers = true
    )]
    size: f64,

    /// The axis that points upward: z in Blender, y in Houdini
    #[arg(long, value_enum, default_value_t = Up::Z)]
    up: Up,

    /// A file a step: OUT.0001.vdb and so on
    #[arg(long)]
    frames: bool,

    /// Only every so many steps
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,

    /// Also write what opens it with its colours: a script for
    /// Blender, a scene in USD
    #[arg(long)]
    look: bool,

    /// Write it even where it may take more than 512 MB
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Value {
    Drift,
    Change,
    Activity,
}

#[derive(Clone, Copy, ValueEnum)]
enum Order {
    Activity,
    Index,
}

#[derive(Clone, Copy, ValueEnum)]
enum Up {
    Y,
    Z,
}

#[derive(Clone, Copy)]
struct Scale(VolumeScale);

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Scale(match text {
            "layer" => VolumeScale::Layer,
            "model" => VolumeScale::Model,
            _ => match text.parse() {
                Ok(scale) => VolumeScale::Fixed(scale),
                Err(_) => return Err("give layer, model, or a number: 0.01".to_owned()),
            },
        }))
    }
}

#[derive(Clone, Copy)]
struct Pool(VolumePool);

impl FromStr for Pool {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Pool(VolumePool::Auto));
        }
        let numbers: Option<Vec<usize>> = text.split('x').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[rows, cols]) => Ok(Pool(VolumePool::By {
                rows,
                cols,
                steps: 1,
            })),
            Some(&[rows, cols, steps]) => Ok(Pool(VolumePool::By { rows, cols, steps })),
            _ => Err("give auto, or rows, columns and steps to a voxel: 4x1x1".to_owned()),
        }
    }
}

const HINT: &str = "name the volume to write: -o volume.vdb; a folder goes with --exact";

/// Writes a volume, or one for each step, of the layers that are matrices.
pub(super) async fn run(
    store: &TemporalStore,
    all: &super::Options,
    layers: &[LayerInfo],
    times: RangeInclusive<usize>,
    json: bool,
) -> Result<()> {
    let (options, path, out) = (&all.picture, &all.store, &all.out);
    refuse_store(path, out, HINT)?;
    let matrices = layers.iter().filter(|layer| layer.matrix.is_some());
    let mut shown = Vec::new();
    for layer in matrices {
        shown.push(store.layer(&layer.name).await?);
    }
    if shown.is_empty() {
        return Err(no_weights());
    }
    let mut export = VolumeExport::new()
        .scale(options.scale.0)
        .gamma(options.gamma)
        .order(match options.order {
            Order::Activity => VolumeOrder::Activity,
            Order::Index => VolumeOrder::Index,
        })
        .pool(options.pool.0)
        .size(options.size)
        .up(match options.up {
            Up::Y => VolumeUp::Y,
            Up::Z => VolumeUp::Z,
        })
        .every(options.every)
        .times(times)
        .look(options.look);
    if let Some(value) = options.value {
        export = export.value(match value {
            Value::Drift => VolumeValue::Drift,
            Value::Change => VolumeValue::Change,
            Value::Activity => VolumeValue::Activity,
        });
    }
    if let Some(voxels) = options.time_scale {
        export = export.time_scale(voxels);
    }
    if options.force {
        export = export.limit_bytes(u64::MAX);
    }
    if let Some(name) = path.file_stem() {
        export = export.run(name.to_string_lossy());
    }
    for step in store.steps().await? {
        export = export.notes(step.step, step.notes);
    }
    let progress = Progress::new(0);
    progress.doing("reading");
    let library = progress.of_library();
    let shown: Vec<&dyn VolumeLayer> = shown.iter().map(|own| own as &dyn VolumeLayer).collect();
    let written = match options.frames {
        true => export.write_frames(&shown, out, &library).await,
        false => export.write(&shown, out, &library).await,
    };
    drop(progress);
    let volume = written.map_err(explain)?;
    match json {
        true => output::print(&format!("{:#}\n", value_of(&volume))),
        false => output::print(&text_of(&volume, options, out)),
    }
}

fn explain(error: temporal_vdb::Error) -> anyhow::Error {
    use temporal_vdb::Error;
    match error {
        Error::VolumeTooLarge { bytes: size, limit } => with_hint(
            anyhow!(
                "the volume may take up to {}, which is more than {}",
                bytes(size),
                bytes(limit)
            ),
            "--pool and --every make it smaller, --force writes it all the same",
        ),
        Error::InvalidVolume { option: "file", .. } => with_hint(error, HINT),
        Error::NothingMoves { .. } => with_hint(
            error,
            "`tvdb log` shows what the steps changed; --from and --to say which are shown",
        ),
        other => other.into(),
    }
}

fn value_of(volume: &Volume) -> serde_json::Value {
    let paths = |paths: &[PathBuf]| -> Vec<String> {
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    };
    let layers = volume.layers.iter().map(|layer| {
        json!({
            "layer": layer.name,
            "rows": layer.shape.0,
            "columns": layer.shape.1,
            "pool": [layer.pool.0, layer.pool.1, layer.pool.2],
            "scale": layer.scale,
            "left_out": layer.left_out,
        })
    });
    json!({
        "files": paths(&volume.files),
        "order": volume.order.as_ref().map(|path| path.display().to_string()),
        "look": paths(&volume.look),
        "layers": layers.collect::<Vec<_>>(),
        "base": volume.first,
        "steps": volume.steps,
        "voxels": volume.voxels,
        "bytes": volume.bytes,
    })
}

fn text_of(volume: &Volume, options: &Options, out: &Path) -> String {
    let mut text = String::new();
    let layers = counted(volume.layers.len() as u64, "layer");
    let steps = counted(volume.steps.len() as u64, "step");
    let ends = match volume.steps[..] {
        [first, .., last] => format!("{steps} ({first} to {last})"),
        _ => steps,
    };
    let [x, y, z] = volume.voxels;
    let size = bytes(volume.bytes);
    let what = match &volume.files[..] {
        [only] if !options.frames => only.display().to_string(),
        files => format!("{} frames, {}", files.len(), files[0].display()),
    };
    text.push_str(&format!(
        "{layers}, {ends} -> {what} ({x} x {y} x {z} voxels, {size})\n"
    ));
    let left_out: u64 = volume.layers.iter().map(|layer| layer.left_out).sum();
    if left_out > 0 {
        let count = grouped(left_out);
        text.push_str(&format!(
            "{count} movements from or to NaN or infinity are not shown\n"
        ));
    }
    if let Some(order) = &volume.order {
        let order = order.display();
        text.push_str(&format!(
            "rows and columns by how far they moved: {order}\n"
        ));
    }
    if options.frames {
        let sequence = out.with_extension("$F4.vdb");
        text.push_str(&format!(
            "Houdini: {}, frames 1 to {}\n",
            sequence.display(),
            volume.files.len()
        ));
    }
    for look in &volume.look {
        let look = look.display();
        text.push_str(&match look.to_string().ends_with(".py") {
            true => format!("Blender: blender --python {look}\n"),
            false => format!("USD: {look}\n"),
        });
    }
    if options.look {
        text.push_str(HOUDINI);
    }
    text
}

/// What is set by hand there: a script would need Houdini's own.
const HOUDINI: &str = "\
Houdini: a File node, then Volume Visualization: Density Field density, Diffuse Field rise,
         Emission Field fall, each with a ramp of its own; in Karma or Mantra a Pyro Shader with
         Smoke Density density, Fire Intensity rise. --up y stands time upright there.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_and_scales_are_read() {
        let pool = |text: &str| text.parse::<Pool>().map(|pool| pool.0);
        assert_eq!(pool("auto"), Ok(VolumePool::Auto));
        let by = |rows, cols, steps| Ok(VolumePool::By { rows, cols, steps });
        assert_eq!(pool("4x1"), by(4, 1, 1));
        assert_eq!(pool("4x1x2"), by(4, 1, 2));
        assert!(pool("4").is_err() && pool("4x1x2x1").is_err() && pool("x").is_err());
        assert!(matches!(
            "model".parse::<Scale>(),
            Ok(Scale(VolumeScale::Model))
        ));
        assert!(matches!("0.5".parse::<Scale>(), Ok(Scale(VolumeScale::Fixed(x))) if x == 0.5));
        assert!("large".parse::<Scale>().is_err());
    }
}
