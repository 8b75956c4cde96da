//! Checkpoints as safetensors files.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use safetensors::tensor::{Dtype as FileDtype, Metadata, TensorInfo};
use serde_json::Value;
use temporal_vdb::{Checkpoint, Dtype, Tensor};

use crate::files::kind::FileKind;
use crate::files::natural_order;
use crate::files::replacement;
use crate::screen::failure::with_hint;

/// Every type of the library, and what it is in files.
const DTYPES: [(Dtype, FileDtype); 15] = [
    (Dtype::F32, FileDtype::F32),
    (Dtype::Bf16, FileDtype::BF16),
    (Dtype::F16, FileDtype::F16),
    (Dtype::F64, FileDtype::F64),
    (Dtype::F8E5M2, FileDtype::F8_E5M2),
    (Dtype::F8E4M3, FileDtype::F8_E4M3),
    (Dtype::I64, FileDtype::I64),
    (Dtype::I32, FileDtype::I32),
    (Dtype::I16, FileDtype::I16),
    (Dtype::I8, FileDtype::I8),
    (Dtype::U64, FileDtype::U64),
    (Dtype::U32, FileDtype::U32),
    (Dtype::U16, FileDtype::U16),
    (Dtype::U8, FileDtype::U8),
    (Dtype::Bool, FileDtype::BOOL),
];

/// Bytes before the header: its length.
const PREFIX: usize = size_of::<u64>();

/// The file names of checkpoints end in this.
pub(crate) const EXTENSION: &str = "safetensors";

/// Reads a checkpoint. The file is read once, and the tensors are parts of what was read.
pub(crate) fn read(path: &Path) -> Result<Checkpoint> {
    load(path)
        .and_then(|bytes| parse(bytes.into()))
        .with_context(|| format!("cannot read the checkpoint {}", path.display()))
}

/// The tensors of a safetensors file in the order in which they lie in it, without copying them.
pub(crate) fn parse(bytes: Bytes) -> Result<Checkpoint> {
    check_kind(&bytes)?;
    let (length, rest) = bytes
        .split_first_chunk::<PREFIX>()
        .context("it is too short")?;
    let header = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .and_then(|length| rest.get(..length))
        .context("its header is cut off: the file is not complete")?;
    let start = PREFIX + header.len();
    let metadata: Metadata =
        serde_json::from_slice(header).map_err(|error| explain(header, error.into()))?;

    let (expected, found) = (metadata.data_len(), bytes.len() - start);
    ensure!(
        expected == found,
        "its header announces {expected} bytes of tensors, but {found} follow: the file is {}",
        if found < expected {
            "not complete"
        } else {
            "damaged"
        },
    );
    let mut infos: Vec<_> = metadata.tensors().into_iter().collect();
    // By name too, since tensors without elements share their offsets.
    infos.sort_by(|(a, left), (b, right)| (left.data_offsets, a).cmp(&(right.data_offsets, b)));
    let tensors = infos.into_iter().map(|(name, info)| {
        let dtype = DTYPES
            .iter()
            .find(|(_, dtype)| *dtype == info.dtype)
            .map(|(dtype, _)| *dtype)
            .ok_or_else(|| unknown_dtype(&name, &info.dtype.to_string()))?;
        let (from, to) = info.data_offsets;
        let data = bytes.slice(start + from..start + to);
        Ok(Tensor {
            name,
            dtype,
            shape: info.shape.clone(),
            data,
        })
    });
    Ok(Checkpoint {
        tensors: tensors.collect::<Result<_>>()?,
        metadata: metadata
            .metadata()
            .iter()
            .flatten()
            .map(|(key, text)| (key.clone(), text.clone()))
            .collect(),
    })
}

/// Writes a checkpoint, over what is there. The file appears whole or not at all.
pub(crate) fn write(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    let layout = Layout::of(checkpoint)?;
    replacement::replace(path, |file| layout.write(file))
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(|error| {
            with_hint(
                error,
                "is the folder there, may you write to it, and has the disk room?",
            )
        })
}

/// A checkpoint as the bytes of a file.
#[cfg(test)]
pub(crate) fn serialize(checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    let layout = Layout::of(checkpoint)?;
    let mut bytes = Vec::with_capacity(layout.header.len() + data_len(checkpoint));
    layout.write(&mut bytes)?;
    Ok(bytes)
}

/// How many bytes a file of a checkpoint has.
pub(crate) fn size(checkpoint: &Checkpoint) -> Result<u64> {
    let layout = Layout::of(checkpoint)?;
    Ok((layout.header.len() + data_len(checkpoint)) as u64)
}

/// The checkpoints in a folder, in the order of their names, in which 9 comes before 10.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        paths.collect()
    };
    let mut paths =
        read().with_context(|| format!("cannot read the folder {}", folder.display()))?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == EXTENSION)
    });
    natural_order::sort(&mut paths);
    Ok(paths)
}

/// The bytes of a file, unless its first ones say that it is something else: it could be large.
fn load(path: &Path) -> Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        let hint = format!(
            "name the checkpoints in it: {}/*.{EXTENSION}",
            path.display()
        );
        return Err(with_hint(anyhow!("it is a folder"), hint));
    }
    let mut bytes = Vec::new();
    (&mut file)
        .take(FileKind::LOOK as u64)
        .read_to_end(&mut bytes)?;
    check_kind(&bytes)?;
    let rest = usize::try_from(about.len())?.saturating_sub(bytes.len());
    bytes
        .try_reserve_exact(rest)
        .context("there is not enough memory for it")?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check_kind(bytes: &[u8]) -> Result<()> {
    let start = &bytes[..bytes.len().min(FileKind::LOOK)];
    let (what, hint) = match FileKind::of(start) {
        FileKind::Safetensors => return Ok(()),
        FileKind::Database => (
            "it is an SQLite database, such as a store of tvdb",
            "the store is named first and once, the checkpoints after it",
        ),
        FileKind::Archive => (
            "it is a zip archive, such as PyTorch's own checkpoints, not a safetensors file",
            "write checkpoints with save_file of safetensors.torch",
        ),
        FileKind::Other if bytes.is_empty() => {
            ("the file is empty", "is whatever writes it still at work?")
        }
        FileKind::Other => (
            "it is not a safetensors file",
            "checkpoints are safetensors files",
        ),
    };
    Err(with_hint(anyhow!(what), hint))
}

/// Why a header could not be read: the error itself does not name the tensor.
fn explain(header: &[u8], error: anyhow::Error) -> anyhow::Error {
    let Ok(Value::Object(entries)) = serde_json::from_slice(header) else {
        return error.context("its header is not valid JSON");
    };
    let unknown = entries.iter().find_map(|(name, info)| {
        let dtype = info.get("dtype")?;
        let known = serde_json::from_value::<FileDtype>(dtype.clone()).is_ok();
        (name != "__metadata__" && !known)
            .then(|| unknown_dtype(name, dtype.as_str().unwrap_or("not text")))
    });
    unknown.unwrap_or_else(|| error.context("its header is damaged"))
}

fn unknown_dtype(name: &str, dtype: &str) -> anyhow::Error {
    anyhow!("tensor '{name}' has the type {dtype}, which tvdb does not know")
}

/// Bytes of all tensors.
fn data_len(checkpoint: &Checkpoint) -> usize {
    checkpoint
        .tensors
        .iter()
        .map(|tensor| tensor.data.len())
        .sum()
}

/// How a checkpoint lies in a file: as the safetensors library would write it.
///
/// Unlike that library's, the order of several metadata entries is always the same here.
struct Layout<'a> {
    /// With its length before it.
    header: Vec<u8>,
    /// In the order of the file.
    tensors: Vec<&'a Tensor>,
}

impl<'a> Layout<'a> {
    fn of(checkpoint: &'a Checkpoint) -> Result<Self> {
        let mut tensors = Vec::with_capacity(checkpoint.tensors.len());
        for tensor in &checkpoint.tensors {
            let found = DTYPES.iter().find(|(dtype, _)| *dtype == tensor.dtype);
            let (_, dtype) = found.with_context(|| {
                format!(
                    "tensor '{}' is {}, which safetensors files cannot hold",
                    tensor.name, tensor.dtype
                )
            })?;
            tensors.push((*dtype, tensor));
        }
        tensors.sort_by(|(left, a), (right, b)| right.cmp(left).then_with(|| a.name.cmp(&b.name)));

        let mut end = 0;
        let infos = tensors.iter().map(|(dtype, tensor)| {
            let start = end;
            end += tensor.data.len();
            let info = TensorInfo {
                dtype: *dtype,
                shape: tensor.shape.clone(),
                data_offsets: (start, end),
            };
            (tensor.name.clone(), info)
        });
        let infos = Metadata::new(None, infos.collect())?;
        if infos.tensors().len() != tensors.len() {
            bail!("there are two tensors of one name");
        }
        let tensors = tensors.into_iter().map(|(_, tensor)| tensor).collect();
        let json = add_metadata(serde_json::to_string(&infos)?, checkpoint)?;
        let length = json.len().next_multiple_of(PREFIX);
        let mut header = (length as u64).to_le_bytes().to_vec();
        header.extend(json.into_bytes());
        header.resize(PREFIX + length, b' ');
        Ok(Layout { header, tensors })
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.header)?;
        self.tensors
            .iter()
            .try_for_each(|tensor| out.write_all(&tensor.data))
    }
}

/// Puts the metadata in front of the tensors in a header.
fn add_metadata(json: String, checkpoint: &Checkpoint) -> Result<String> {
    if checkpoint.metadata.is_empty() {
        return Ok(json);
    }
    let metadata = serde_json::to_string(&checkpoint.metadata)?;
    let comma = if checkpoint.tensors.is_empty() {
        ""
    } else {
        ","
    };
    Ok(format!(
        "{{\"__metadata__\":{metadata}{comma}{}",
        &json[1..]
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn tensor(name: &str, dtype: Dtype, elements: usize) -> Tensor {
        Tensor {
            name: name.to_owned(),
            dtype,
            shape: vec![elements],
            data: vec![7; elements * dtype.size()].into(),
        }
    }

    #[test]
    fn tensors_are_parts_of_what_was_read() {
        let tensors = DTYPES.map(|(dtype, _)| tensor(dtype.name(), dtype, 3));
        let checkpoint = Checkpoint {
            tensors: tensors.to_vec(),
            metadata: BTreeMap::from([("format", "pt")].map(|(k, v)| (k.into(), v.into()))),
        };
        let bytes = Bytes::from(serialize(&checkpoint).unwrap());
        assert_eq!(size(&checkpoint).unwrap(), bytes.len() as u64);
        let parsed = parse(bytes.clone()).unwrap();
        let inside = bytes.as_ptr_range();
        for tensor in &parsed.tensors {
            assert!(inside.contains(&tensor.data.as_ptr()), "{}", tensor.name);
            assert!(checkpoint.tensors.contains(tensor), "{}", tensor.name);
        }
        assert_eq!(parsed.tensors.len(), DTYPES.len());
        assert_eq!(parsed.metadata, checkpoint.metadata);
        assert_eq!(serialize(&parsed).unwrap(), bytes);
    }

    #[test]
    fn what_is_no_checkpoint_is_not_written() {
        let mut checkpoint = Checkpoint {
            tensors: vec![tensor("a", Dtype::F32, 2), tensor("a", Dtype::U8, 2)],
            ..Checkpoint::default()
        };
        assert!(serialize(&checkpoint).is_err(), "one name twice");
        checkpoint.tensors.truncate(1);
        checkpoint.tensors[0].shape = vec![3];
        assert!(serialize(&checkpoint).is_err(), "another length");
        checkpoint.tensors.clear();
        assert_eq!(
            serialize(&checkpoint).unwrap(),
            b"\x08\0\0\0\0\0\0\0{}      "
        );
    }
}
