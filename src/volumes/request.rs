use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::ThreadPool;
use serde_json::json;

use super::layer::VolumeLayer;
use super::layout::Layout;
use super::lines::{Lines, lines_of};
use super::movement::{Movement, Pooling};
use super::options::{Options, VolumeOrder, VolumeScale, VolumeValue};
use super::volume_file::VolumeFile;
use crate::error::{Error, Result};
use crate::host::{Progress, threads};
use crate::store::Note;

/// What a volume is told beside the weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling {
    pub(super) run: Option<String>,
    pub(super) notes: BTreeMap<usize, BTreeMap<String, Note>>,
}

/// An export with all that it depends on found out.
pub(super) struct Request<'a> {
    pub(super) options: &'a Options,
    pub(super) telling: &'a Telling,
    value: VolumeValue,
    pub(super) layers: Vec<Pictured<'a>>,
    /// The state that movements begin from.
    pub(super) first: usize,
    /// The steps that are shown.
    pub(super) steps: Vec<usize>,
    threads: Arc<ThreadPool>,
    /// The path without its ending.
    stem: PathBuf,
}

/// A layer that is shown.
pub(super) struct Pictured<'a> {
    layer: &'a dyn VolumeLayer,
    pub(super) name: String,
    pub(super) shape: (i32, i32),
    oldest: usize,
}

impl<'a> Request<'a> {
    /// Errors: `InvalidVolume`, `NothingMoves`.
    pub(super) async fn new(
        (options, telling): (&'a Options, &'a Telling),
        default_value: VolumeValue,
        layers: &[&'a dyn VolumeLayer],
        times: &RangeInclusive<usize>,
        path: &Path,
    ) -> Result<Self> {
        options.check()?;
        let stem = match path.extension() {
            Some(ending) if ending == "vdb" && path.file_stem().is_some() => {
                path.with_extension("")
            }
            _ => {
                return Err(Error::InvalidVolume {
                    option: "file",
                    value: path.display().to_string(),
                    expected: "a name that ends in .vdb",
                });
            }
        };
        let mut pictured = Vec::new();
        let mut steps = BTreeSet::new();
        for &layer in layers {
            let (name, shape) = layer.name_and_shape().await?;
            let oldest = layer.oldest().await?;
            let own = layer.steps().await?;
            steps.extend(own.into_iter().filter(|step| times.contains(step)));
            pictured.push(Pictured {
                layer,
                name,
                shape,
                oldest,
            });
        }
        let oldest = pictured.iter().map(|layer| layer.oldest).min();
        let first = oldest.unwrap_or(0).max(*times.start());
        // From the newest back, so that it is always shown.
        let later = steps.into_iter().filter(|step| *step > first).rev();
        let mut steps: Vec<usize> = later.step_by(options.every).collect();
        steps.reverse();
        let request = Request {
            options,
            telling,
            value: options.value.unwrap_or(default_value),
            layers: pictured,
            first,
            steps,
            threads: Arc::new(threads::pool(None, "temporal-vdb-volume")?),
            stem,
        };
        if request.steps.is_empty() {
            return Err(request.nothing_moves());
        }
        Ok(request)
    }

    pub(super) fn nothing_moves(&self) -> Error {
        Error::NothingMoves {
            layers: self.layers.len(),
            from: self.first,
            to: self.steps.last().copied().unwrap_or(self.first),
        }
    }

    /// No movement is bright enough to be shown.
    pub(super) fn too_faint(&self) -> Error {
        match self.options.scale {
            VolumeScale::Fixed(scale) => Error::InvalidVolume {
                option: "scale",
                value: scale.to_string(),
                expected: "a smaller one: no movement reaches a fiftieth of it, after gamma",
            },
            _ => Error::InvalidVolume {
                option: "gamma",
                value: self.options.gamma.to_string(),
                expected: "a smaller one: it makes all movements darker than a fiftieth",
            },
        }
    }

    pub(super) fn shapes(&self) -> Vec<(i32, i32)> {
        self.layers.iter().map(|layer| layer.shape).collect()
    }

    /// So many files of a layout, each voxel of a layer a 16-bit float in three grids. Errors:
    /// `VolumeTooLarge`, `InvalidVolume`.
    pub(super) fn check_size(&self, layout: &Layout, files: u64) -> Result<()> {
        const VOXEL_BYTES: u64 = 3 * 2;
        const LONGEST: usize = 1 << 24;
        if let Some(edge) = layout.dims.into_iter().find(|&edge| edge > LONGEST) {
            return Err(Error::InvalidVolume {
                option: "an edge of",
                value: format!("{edge} voxels"),
                expected: "less than 2^24: pool more, or make steps less high",
            });
        }
        let voxels = layout.voxels().saturating_mul(files);
        let (bytes, limit) = (voxels.saturating_mul(VOXEL_BYTES), self.options.limit_bytes);
        if bytes > limit {
            return Err(Error::VolumeTooLarge { bytes, limit });
        }
        Ok(())
    }

    /// The path of a file beside the volume.
    pub(super) fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.stem.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    /// In which orders the rows and columns of each layer lie. The layers' histories are gone through
    /// for it where that is by how far they moved.
    pub(super) async fn lines(&self, progress: &Progress) -> Result<Vec<(Lines, Lines)>> {
        let last = self.steps.last().copied().unwrap_or(self.first);
        let mut lines = Vec::new();
        for layer in &self.layers {
            let first = self.first.max(layer.oldest) + 1;
            let own = match self.options.order {
                VolumeOrder::Activity if first <= last => {
                    // Evolutions have bars of their own.
                    let quiet = progress.quiet();
                    let own = layer.layer.evolution(first..=last, 0, &quiet).await?;
                    lines_of(&own, self.value)
                }
                _ => (
                    Lines::as_they_are(layer.shape.0),
                    Lines::as_they_are(layer.shape.1),
                ),
            };
            lines.push(own);
        }
        Ok(lines)
    }

    /// The movements of a layer, from the first step shown to the last.
    pub(super) fn movement(&self, layer: usize, pooling: &Arc<Pooling>) -> Movement<'_> {
        let own = &self.layers[layer];
        Movement::new(
            own.layer,
            self.value,
            Arc::clone(pooling),
            &self.threads,
            self.first.max(own.oldest),
            &self.steps,
        )
    }

    /// The orders as JSON, of each layer its rows and columns; `None` where they are as they are.
    pub(super) fn order_file(&self, lines: &[(Lines, Lines)]) -> Option<String> {
        if self.options.order == VolumeOrder::Index {
            return None;
        }
        let own = |(layer, (rows, cols)): (&Pictured, &(Lines, Lines))| json!({ "layer": layer.name, "rows": rows.at, "columns": cols.at });
        let all: Vec<_> = self.layers.iter().zip(lines).map(own).collect();
        Some(format!("{:#}\n", json!({ "layers": all })))
    }

    /// Metadata that all files of an export share.
    pub(super) fn tell(
        &self,
        file: &mut VolumeFile,
        scales: &[(f32, (usize, usize, usize))],
    ) -> Result<()> {
        let whole = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        // What tells import that there is nothing to read back.
        file.set_number("temporal_vdb_picture", 1)?;
        file.set_text(
            "creator",
            concat!("temporal-vdb ", env!("CARGO_PKG_VERSION")),
        )?;
        if let Some(run) = &self.telling.run {
            file.set_text("run", run)?;
        }
        let value = match self.value {
            VolumeValue::Drift => "drift",
            VolumeValue::Change => "change",
            VolumeValue::Activity => "activity",
        };
        file.set_text("value", value)?;
        file.set_text(
            "order",
            match self.options.order {
                VolumeOrder::Activity => "activity",
                VolumeOrder::Index => "index",
            },
        )?;
        file.set_text(
            "scaled",
            match self.options.scale {
                VolumeScale::Layer => "layer",
                VolumeScale::Model => "model",
                VolumeScale::Fixed(_) => "fixed",
            },
        )?;
        file.set_float("gamma", self.options.gamma)?;
        file.set_number("layers", whole(self.layers.len()))?;
        for (i, (layer, (scale, pool))) in self.layers.iter().zip(scales).enumerate() {
            // One layer needs no number.
            let key = |name: &str| match self.layers.len() {
                1 => name.to_owned(),
                _ => format!("{name}_{}", i + 1),
            };
            file.set_text(&key("layer"), &layer.name)?;
            file.set_number(&key("rows"), layer.shape.0)?;
            file.set_number(&key("cols"), layer.shape.1)?;
            file.set_text(&key("pool"), &format!("{}x{}x{}", pool.0, pool.1, pool.2))?;
            file.set_float(&key("scale"), *scale)?;
        }
        file.set_text("steps", &steps_text(&self.steps))?;
        file.set_number("base_step", whole(self.first))?;
        let ends = (self.steps.first(), self.steps.last());
        file.set_number("first_step", whole(ends.0.copied().unwrap_or(0)))?;
        file.set_number("last_step", whole(ends.1.copied().unwrap_or(0)))
    }

    /// What was noted with a step, such as its loss.
    pub(super) fn tell_notes(&self, file: &mut VolumeFile, step: usize) -> Result<()> {
        for (key, note) in self.telling.notes.get(&step).into_iter().flatten() {
            let key = note_key(key);
            match note {
                Note::Number(number) => file.set_float(&key, *number as f32)?,
                Note::Text(text) => file.set_text(&key, text)?,
            }
        }
        Ok(())
    }
}

/// `1-300,305`
fn steps_text(steps: &[usize]) -> String {
    let runs = steps.chunk_by(|a, b| a + 1 == *b);
    let texts = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run[0].to_string(),
    });
    texts.collect::<Vec<_>>().join(",")
}

/// A note's name as other programs take names: lower case, digits and underscores.
fn note_key(name: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9') => c,
        _ => '_',
    };
    format!("note_{}", name.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_other_programs_take_them() {
        assert_eq!(steps_text(&[1, 2, 3, 5, 8, 9]), "1-3,5,8-9");
        assert_eq!(note_key("Loss/val-1"), "note_loss_val_1");
    }
}
