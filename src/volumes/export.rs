use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::{Builder, TempDir};

use super::layer::VolumeLayer;
use super::look;
use super::options::{Options, VolumeOrder, VolumePool, VolumeScale, VolumeUp, VolumeValue};
use super::report::Volume;
use super::request::{Request, Telling};
use super::volume::Made;
use crate::error::{Error, Result};
use crate::host::{Progress, blocking};
use crate::store::Note;

/// Volumes to look at in Houdini, Blender and OpenVDB's own viewers: how layers moved.
///
/// A volume is a `.vdb` with three fog volumes, `density`, `fall` and `rise`, saved as 16-bit floats:
/// background 0, nothing below 0. `rise` and `fall` are 0 to 1, from nothing to the scale;
/// `density` is their sum, times what makes the mean optical depth along the shortest edge 1.5, so that
/// a scene without a material shows it. There is no base in it, and nothing of it can be read back:
/// what is exact is [`OpenVdbStorage::export_vdb`](crate::OpenVdbStorage::export_vdb).
///
/// Rows lie along x, columns along y, time along z (or y: [`VolumeUp`]); voxels are cubes, and the whole
/// is centred. Layers lie side by side, in the order that they are given in.
///
/// ```no_run
/// use temporal_vdb::{Progress, StoreOptions, TemporalStore, VolumeExport, VolumeScale};
///
/// # async fn export() -> temporal_vdb::Result<()> {
/// let store = TemporalStore::open_read_only("run.tvdb", StoreOptions::default()).await?;
/// let layer = store.layer("fc1.weight").await?;
/// let export = VolumeExport::new().times(0..=200).scale(VolumeScale::Fixed(0.01));
/// let volume = export.write(&[&layer], "fc1.vdb", &Progress::default()).await?;
/// println!("{:?} voxels", volume.voxels);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct VolumeExport {
    options: Options,
    telling: Telling,
    times: RangeInclusive<usize>,
}

impl Default for VolumeExport {
    fn default() -> Self {
        VolumeExport::new()
    }
}

impl VolumeExport {
    /// Of all retained steps, as each option's own text says.
    pub fn new() -> Self {
        VolumeExport {
            options: Options::default(),
            telling: Telling::default(),
            times: 0..=usize::MAX,
        }
    }

    /// What of a movement is shown: the drift where nothing is said, and changes in frames.
    pub fn value(mut self, value: VolumeValue) -> Self {
        self.options.value = Some(value);
        self
    }

    /// Which movement is shown as 1. Larger ones are shown as 1, too, and those below 0.02 not at all.
    pub fn scale(mut self, scale: VolumeScale) -> Self {
        self.options.scale = scale;
        self
    }

    /// The exponent of what is shown, above 0: below 1 small movements become brighter. 0.5 where
    /// nothing is said, since most movements are far smaller than the largest.
    pub fn gamma(mut self, gamma: f32) -> Self {
        self.options.gamma = gamma;
        self
    }

    /// In which order rows and columns lie beside each other.
    pub fn order(mut self, order: VolumeOrder) -> Self {
        self.options.order = order;
        self
    }

    /// How many weights and steps one voxel stands for.
    pub fn pool(mut self, pool: VolumePool) -> Self {
        self.options.pool = pool;
        self
    }

    /// How many voxels high a step is, 1 to 4096: where nothing is said, as many as make the volume
    /// about as high as it is wide. Frames have no height of this kind.
    pub fn time_scale(mut self, voxels: usize) -> Self {
        self.options.time_scale = Some(voxels);
        self
    }

    /// The longest edge, in units of the scene, 0.000001 to 1000000: 2 where nothing is said.
    pub fn size(mut self, units: f64) -> Self {
        self.options.size = units;
        self
    }

    /// Which axis points upward.
    pub fn up(mut self, up: VolumeUp) -> Self {
        self.options.up = up;
        self
    }

    /// Only every so many steps, at least 1, the newest one being among them. A movement that is a step's own is
    /// then that of all steps since the one shown before.
    pub fn every(mut self, steps: usize) -> Self {
        self.options.every = steps;
        self
    }

    /// Only the steps of a range. Movements begin from the state as of its beginning, so the first step
    /// that is shown is the one after that.
    pub fn times(mut self, times: RangeInclusive<usize>) -> Self {
        self.times = times;
        self
    }

    /// The most bytes that the volume's voxels may take, all frames together; 512 MiB where nothing is
    /// said. What is written is less, since inactive voxels take nothing.
    pub fn limit_bytes(mut self, bytes: u64) -> Self {
        self.options.limit_bytes = bytes;
        self
    }

    /// Also writes `<name>.blender.py`, a script that opens the volume in Blender with its colours, and
    /// `<name>.usda`, a scene in USD.
    pub fn look(mut self, look: bool) -> Self {
        self.options.look = look;
        self
    }

    /// What the run is called, for the metadata.
    pub fn run(mut self, name: impl Into<String>) -> Self {
        self.telling.run = Some(name.into());
        self
    }

    /// What was noted with a step, for the metadata: a volume tells those of its last step, a frame
    /// those of its own, as `note_<name>`.
    pub fn notes(mut self, step: usize, notes: BTreeMap<String, Note>) -> Self {
        self.telling.notes.insert(step, notes);
        self
    }

    /// Writes a volume of some layers to `path`, which ends in `.vdb`; beside it
    /// `<name>.order.json` where rows and columns do not lie as in the matrix. Older files of these names
    /// are replaced, once all new ones are written; nothing is left of a volume that fails or is
    /// cancelled.
    ///
    /// Two passes over the history (one for [`VolumeOrder::Index`]), in bounded memory: the volume's
    /// voxels, and 256 MiB of one layer's states, or two states where that is more.
    ///
    /// Errors: `InvalidVolume`, `NothingMoves`, `VolumeTooLarge`, `Pruned`, `Damaged`, `Io`,
    /// `OutOfMemory`, `Cancelled`.
    pub async fn write(
        &self,
        layers: &[&dyn VolumeLayer],
        path: impl Into<PathBuf>,
        progress: &Progress,
    ) -> Result<Volume> {
        let path = path.into();
        let request = self.request(VolumeValue::Drift, layers, &path).await?;
        let (_stopper, task) = progress.begin();
        let hidden = hidden_folder(&path).await?;
        let (written, made) = request.write_volume(&hidden, progress, &task).await?;
        self.finish(&request, hidden, (written, vec![path]), made)
            .await
    }

    /// Writes a file for each step: `run.vdb` becomes `run.0001.vdb` and so on, without gaps. Layers are
    /// plates one behind the other along x, row 0 uppermost; a movement fades over some frames. All
    /// frames have one scale, one transform and one box of active voxels.
    ///
    /// Files appear when all are written, or none does. Three passes over the history (two for
    /// [`VolumeOrder::Index`]), each with the latest state of all layers in memory beside what
    /// [`write`](Self::write) takes.
    ///
    /// Errors: as [`write`](Self::write); `StaleFrames` where frames of an earlier, longer sequence
    /// would go on after these.
    pub async fn write_frames(
        &self,
        layers: &[&dyn VolumeLayer],
        path: impl Into<PathBuf>,
        progress: &Progress,
    ) -> Result<Volume> {
        let path = path.into();
        if let VolumePool::By { rows, cols, steps } = self.options.pool
            && steps != 1
        {
            return Err(Error::InvalidVolume {
                option: "pool",
                value: format!("{rows}x{cols}x{steps}"),
                expected: "1 step to a frame: leave out steps with every",
            });
        }
        let request = self.request(VolumeValue::Change, layers, &path).await?;
        let (_stopper, task) = progress.begin();
        let frame = |i: usize| request.beside(&format!(".{:04}.vdb", i + 1));
        let next = frame(request.steps.len());
        if next.exists() {
            return Err(Error::StaleFrames { path: next });
        }
        let hidden = hidden_folder(&path).await?;
        let (written, made) = request.write_frames(&hidden, progress, &task).await?;
        let files = (0..written.len()).map(frame).collect();
        self.finish(&request, hidden, (written, files), made).await
    }

    async fn request<'a>(
        &'a self,
        value: VolumeValue,
        layers: &[&'a dyn VolumeLayer],
        path: &Path,
    ) -> Result<Request<'a>> {
        if self.options.look {
            look::check_name(path)?;
        }
        let asked = (&self.options, &self.telling);
        Request::new(asked, value, layers, &self.times, path).await
    }

    /// Writes what belongs beside the volume, gives everything its name, and reports.
    async fn finish(
        &self,
        request: &Request<'_>,
        hidden: Arc<TempDir>,
        (written, files): (Vec<PathBuf>, Vec<PathBuf>),
        made: Made,
    ) -> Result<Volume> {
        let order = request.order_file(&made.lines);
        let order = order.map(|text| (request.beside(".order.json"), text));
        let mut look = Vec::new();
        if self.options.look {
            let (size, up) = (self.options.size, self.options.up);
            let script = look::blender(&files, size, &made, up);
            look.push((request.beside(".blender.py"), script));
            let scene = look::usd(&files, size, made.voxels, up);
            look.push((request.beside(".usda"), scene));
        }
        let mut volume = Volume {
            order: order.as_ref().map(|(path, _)| path.clone()),
            look: look.iter().map(|(path, _)| path.clone()).collect(),
            layers: made.layers,
            first: request.first,
            steps: request.steps.clone(),
            voxels: made.voxels,
            bytes: 0,
            files,
        };
        blocking::run(move || {
            let mut named = Vec::new();
            for (i, (path, text)) in order.into_iter().chain(look).enumerate() {
                let aside = hidden.path().join(format!("text-{i}"));
                in_file(&path, fs::write(&aside, text))?;
                in_file(&path, File::open(&aside).and_then(|file| file.sync_all()))?;
                named.push((aside, path));
            }
            for path in &written {
                volume.bytes += in_file(path, fs::metadata(path))?.len();
            }
            named.extend(written.into_iter().zip(volume.files.iter().cloned()));
            // What would stop it half way is looked for before.
            for (_, to) in &named {
                if to.is_dir() {
                    let source = io::Error::from(io::ErrorKind::IsADirectory);
                    return in_file(to, Err(source));
                }
            }
            for (from, to) in named {
                in_file(&to, fs::rename(from, &to))?;
            }
            let folder = hidden.path().parent().unwrap_or(Path::new("."));
            in_file(folder, File::open(folder).and_then(|file| file.sync_all()))?;
            Ok(volume)
        })
        .await
    }
}

fn in_file<T>(path: &Path, done: io::Result<T>) -> Result<T> {
    done.map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

/// Where files are until all of them are there, in the folder that they will be in; it goes with what is
/// left in it.
async fn hidden_folder(path: &Path) -> Result<Arc<TempDir>> {
    let parent = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new(".")).to_owned();
    blocking::run(move || {
        let made = Builder::new().prefix(".volume-").tempdir_in(&folder);
        in_file(&folder, made).map(Arc::new)
    })
    .await
}
