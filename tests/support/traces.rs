//! Real training runs as safetensors checkpoints, one file a step: no part of the project, and
//! whoever uses them does without, loudly, where they are missing.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

/// The folder that holds a folder for each run, if `TEMPORAL_VDB_TRACES` names one that is there.
pub fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("TEMPORAL_VDB_TRACES")?);
    folder.is_dir().then_some(folder)
}

/// One matrix over time, as f32.
pub struct Trace {
    pub rows: i32,
    pub cols: i32,
    /// The weights at each step, row-major.
    pub steps: Vec<Vec<f32>>,
}

impl Trace {
    /// A tensor of all checkpoints in a folder, in the order of their names.
    pub fn read(folder: &Path, tensor: &str) -> Self {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut trace = Trace {
            rows: 0,
            cols: 0,
            steps: Vec::new(),
        };
        for file in files {
            let bytes = std::fs::read(file).unwrap();
            let checkpoint = SafeTensors::deserialize(&bytes).unwrap();
            let view = checkpoint.tensor(tensor).unwrap();
            (trace.rows, trace.cols) = (view.shape()[0] as i32, view.shape()[1] as i32);
            trace.steps.push(match view.dtype() {
                Dtype::F32 => floats(view.data(), |b: [u8; 4]| b),
                Dtype::BF16 => floats(view.data(), |[low, high]| [0, 0, low, high]),
                other => panic!("{tensor} is {other:?}"),
            });
        }
        trace
    }
}

fn floats<const N: usize>(bytes: &[u8], widen: impl Fn([u8; N]) -> [u8; 4]) -> Vec<f32> {
    let elements = bytes
        .chunks_exact(N)
        .map(|element| element.try_into().unwrap());
    elements
        .map(|element| f32::from_le_bytes(widen(element)))
        .collect()
}
