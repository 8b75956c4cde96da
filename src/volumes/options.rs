use crate::error::{Error, Result};

/// What of a movement a volume shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeValue {
    /// How far each weight is from where it was at first: its state less the first state.
    Drift,
    /// How far each step moved it: its state less that of the step before.
    Change,
    /// The share of the weights that the step changed.
    Activity,
}

/// Which movement is shown as 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum VolumeScale {
    /// For each layer the 99.5th percentile of its own movements that are not 0.
    #[default]
    Layer,
    /// That of all layers together.
    Model,
    /// This one, finite and above 0, in the units of the weights (a share of them for [`VolumeValue::Activity`]).
    Fixed(f32),
}

/// In which order rows and columns lie beside each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeOrder {
    /// Those first that moved furthest: net for [`VolumeValue::Drift`], else the whole path. Where
    /// two moved as far, as they lie in the matrix.
    #[default]
    Activity,
    /// As they lie in the matrix.
    Index,
}

/// How many weights and steps one voxel stands for; it shows the mean of what rises and that of what
/// falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumePool {
    /// As few as leave no edge of a volume longer than 256 voxels, unless a time scale or thousands of
    /// layers make it so; in frames no edge of a layer.
    #[default]
    Auto,
    /// So many rows, columns and steps, each at least 1.
    By {
        /// Rows to a voxel.
        rows: usize,
        /// Columns to a voxel.
        cols: usize,
        /// Steps to a voxel.
        steps: usize,
    },
}

/// Which axis of the scene points upward, and so is the axis of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeUp {
    /// z, as in Blender.
    #[default]
    Z,
    /// y, as in Houdini and Maya.
    Y,
}

/// All that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// `None` is the drift in a volume, and changes in frames.
    pub(super) value: Option<VolumeValue>,
    pub(super) scale: VolumeScale,
    pub(super) gamma: f32,
    pub(super) order: VolumeOrder,
    pub(super) pool: VolumePool,
    /// Voxels a step; `None` is as many as make the volume about as high as it is wide.
    pub(super) time_scale: Option<usize>,
    pub(super) size: f64,
    pub(super) up: VolumeUp,
    pub(super) every: usize,
    pub(super) limit_bytes: u64,
    pub(super) look: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            value: None,
            scale: VolumeScale::default(),
            gamma: 0.5,
            order: VolumeOrder::default(),
            pool: VolumePool::default(),
            time_scale: None,
            size: 2.0,
            up: VolumeUp::default(),
            every: 1,
            limit_bytes: 512 << 20,
            look: false,
        }
    }
}

impl Options {
    /// Errors: `InvalidVolume`.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |option, value: String, expected| {
            Err(Error::InvalidVolume {
                option,
                value,
                expected,
            })
        };
        let positive = |number: f64| number.is_finite() && number > 0.0;
        match self.scale {
            VolumeScale::Fixed(scale) if !positive(scale.into()) => {
                return refuse("scale", scale.to_string(), "a finite number above 0");
            }
            _ => {}
        }
        if !positive(self.gamma.into()) {
            let value = self.gamma.to_string();
            return refuse("gamma", value, "a finite number above 0");
        }
        if !(1e-6..=1e6).contains(&self.size) {
            return refuse("size", self.size.to_string(), "0.000001 to 1000000 units");
        }
        if self.every == 0 {
            return refuse("every", "0".to_owned(), "1 step or more");
        }
        if self.time_scale.is_some_and(|n| !(1..=LONGEST).contains(&n)) {
            let value = self.time_scale.unwrap_or(0).to_string();
            return refuse("time scale", value, "1 to 4096 voxels a step");
        }
        match self.pool {
            VolumePool::By { rows, cols, steps } if [rows, cols, steps].contains(&0) => {
                let value = format!("{rows}x{cols}x{steps}");
                refuse("pool", value, "at least 1 row, 1 column and 1 step")
            }
            _ => Ok(()),
        }
    }
}

/// The most voxels of one step.
const LONGEST: usize = 4096;
