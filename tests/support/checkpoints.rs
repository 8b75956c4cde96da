//! A run's checkpoints, one safetensors file each, as a store records them.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use safetensors::SafeTensors;
use temporal_vdb::{Checkpoint, Dtype, Tensor};

/// The files of a folder, in the order of their names.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What is in a file, its tensors in the order of their names.
pub fn checkpoint(file: &Path) -> Checkpoint {
    let bytes = std::fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let mut tensors: Vec<Tensor> = tensors
        .into_iter()
        .map(|(name, view)| Tensor {
            name,
            dtype: Dtype::from_name(&view.dtype().to_string()).unwrap(),
            shape: view.shape().to_vec(),
            data: Bytes::copy_from_slice(view.data()),
        })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Checkpoint {
        tensors,
        ..Checkpoint::default()
    }
}
