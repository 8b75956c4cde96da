//! How a layer comes from the process that reads it: numbers, little-endian, each checked when it is
//! read.

use std::io::{self, Read, Write};

use anyhow::{Context, Result, anyhow, bail, ensure};
use temporal_vdb::{Delta, Dtype, Layer, Region, Voxel};

const MAGIC: &[u8; 8] = b"tvdbgrid";
const END: &[u8; 8] = b"complete";

/// Bytes that are no voxel: the header at most, and what each step takes.
const MOST_HEADER: u64 = 1 << 20;
const STEP_BYTES: u64 = 3 * 8;
const VOXEL_BYTES: u64 = 12;

/// How many rows of the base are taken at a time.
const BAND: i32 = 1 << 16;

/// What a layer is, without its weights.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) tensor_shape: Vec<usize>,
    pub(super) shape: (i32, i32),
    /// The base's label.
    pub(super) oldest: usize,
    /// How many steps follow it.
    pub(super) steps: u64,
}

/// How many bytes a layer of so many voxels and steps takes at most.
pub(super) fn most_bytes(voxels: u64, steps: u64) -> u64 {
    MOST_HEADER
        .saturating_add(voxels.saturating_mul(VOXEL_BYTES))
        .saturating_add(steps.saturating_mul(STEP_BYTES))
}

/// Writes a layer, or why there is none.
pub(super) fn write(
    out: &mut impl Write,
    layer: &Result<Layer, temporal_vdb::Error>,
) -> Result<()> {
    out.write_all(MAGIC)?;
    let layer = match layer {
        Ok(layer) => layer,
        Err(error) => {
            out.write_all(&[0])?;
            put_text(out, &error.to_string())?;
            return Ok(out.write_all(END)?);
        }
    };
    out.write_all(&[1])?;
    put_text(out, layer.name())?;
    put_text(out, layer.dtype().name())?;
    let tensor_shape = layer.tensor_shape();
    put(out, tensor_shape.len() as u64)?;
    for axis in tensor_shape {
        put(out, axis as u64)?;
    }
    let (rows, cols) = layer.shape();
    put(out, rows as u64)?;
    put(out, cols as u64)?;
    put(out, layer.oldest() as u64)?;
    let steps = layer.steps();
    put(out, steps.len() as u64)?;
    for first in (0..rows).step_by(BAND as usize) {
        let last = first.saturating_add(BAND).min(rows);
        let band = layer.weights_in_region(layer.oldest(), Region::new(first..last, 0..cols))?;
        put(out, band.nnz() as u64)?;
        for ((row, col), &value) in band.iter() {
            put_voxel(
                out,
                Voxel {
                    row: first + row,
                    col,
                    value,
                },
            )?;
        }
    }
    for step in steps {
        let delta = layer.get_delta_layer(step)?;
        put(out, step as u64)?;
        put(out, delta.deltas().len() as u64)?;
        put(out, delta.marks().len() as u64)?;
        for voxel in delta.deltas().iter().chain(delta.marks()) {
            put_voxel(out, *voxel)?;
        }
    }
    Ok(out.write_all(END)?)
}

fn put(out: &mut impl Write, number: u64) -> io::Result<()> {
    out.write_all(&number.to_le_bytes())
}

fn put_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    put(out, text.len() as u64)?;
    out.write_all(text.as_bytes())
}

fn put_voxel(out: &mut impl Write, voxel: Voxel) -> io::Result<()> {
    let mut bytes = [0; VOXEL_BYTES as usize];
    bytes[..4].copy_from_slice(&voxel.row.to_le_bytes());
    bytes[4..8].copy_from_slice(&voxel.col.to_le_bytes());
    bytes[8..].copy_from_slice(&voxel.value.to_bits().to_le_bytes());
    out.write_all(&bytes)
}

/// A layer that is read back, piece by piece: `header`, then `base`, then each of the steps.
pub(super) struct Reader<R> {
    input: R,
    /// Bytes that can still come.
    left: u64,
    shape: (i32, i32),
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R, size: u64) -> Self {
        Reader {
            input,
            left: size,
            shape: (0, 0),
        }
    }

    /// What the layer is; the outer error is a fault, the inner one why the file is none.
    pub(super) fn header(&mut self) -> Result<Result<Header, String>> {
        ensure!(self.array::<8>()? == *MAGIC, "no layer came");
        if self.array::<1>()? == [0] {
            let why = self.text()?;
            self.end()?;
            return Ok(Err(why));
        }
        let name = self.text()?;
        let dtype = self.text()?;
        let dtype = Dtype::from_name(&dtype)
            .filter(|dtype| dtype.is_weights())
            .ok_or_else(|| anyhow!("a layer of no type came"))?;
        let axes = self.number()?;
        ensure!(axes <= self.left / 8, "a shape is too long");
        let axis = |_| Ok(usize::try_from(self.number()?)?);
        let tensor_shape = (0..axes).map(axis).collect::<Result<Vec<_>>>()?;
        self.shape = (
            i32::try_from(self.number()?)?,
            i32::try_from(self.number()?)?,
        );
        ensure!(
            self.shape.0 > 0 && self.shape.1 > 0,
            "a layer of no shape came"
        );
        let oldest = usize::try_from(self.number()?)?;
        let steps = self.number()?;
        ensure!(
            steps <= self.left / STEP_BYTES,
            "more steps than bytes came"
        );
        Ok(Ok(Header {
            name,
            dtype,
            tensor_shape,
            shape: self.shape,
            oldest,
            steps,
        }))
    }

    /// The voxels of the base, in their order.
    pub(super) fn base(&mut self, mut each: impl FnMut(Voxel) -> Result<()>) -> Result<()> {
        let (rows, cols) = self.shape;
        let mut before = (-1, -1);
        for _ in (0..rows).step_by(BAND as usize) {
            let count = self.count()?;
            for _ in 0..count {
                let voxel = self.voxel()?;
                let weight = (voxel.row, voxel.col);
                ensure!(
                    weight > before && voxel.row < rows && (0..cols).contains(&voxel.col),
                    "weights of the base came in no order"
                );
                before = weight;
                each(voxel)?;
            }
        }
        Ok(())
    }

    /// The next step.
    pub(super) fn step(&mut self) -> Result<(usize, Delta)> {
        let step = usize::try_from(self.number()?)?;
        let (deltas, marks) = (self.number()?, self.number()?);
        let all = deltas.saturating_add(marks);
        ensure!(
            all <= self.left / VOXEL_BYTES,
            "more voxels than bytes came"
        );
        let deltas = self.voxels(deltas)?;
        let marks = self.voxels(marks)?;
        let (rows, cols) = self.shape;
        Ok((step, Delta::from_sorted(rows, cols, deltas, marks)?))
    }

    /// That all has come.
    pub(super) fn end(&mut self) -> Result<()> {
        ensure!(
            self.array::<8>()? == *END && self.left == 0,
            "more than a layer came"
        );
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        let count = self.number()?;
        ensure!(
            count <= self.left / VOXEL_BYTES,
            "more voxels than bytes came"
        );
        Ok(count)
    }

    fn voxels(&mut self, count: u64) -> Result<Vec<Voxel>> {
        (0..count).map(|_| self.voxel()).collect()
    }

    fn voxel(&mut self) -> Result<Voxel> {
        Ok(Voxel {
            row: i32::from_le_bytes(self.array()?),
            col: i32::from_le_bytes(self.array()?),
            value: f32::from_bits(u32::from_le_bytes(self.array()?)),
        })
    }

    fn number(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.number()?;
        ensure!(length <= self.left.min(MOST_HEADER), "a text is too long");
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(String::from_utf8(bytes)?)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            bail!("less than a layer came");
        };
        self.left = left;
        self.input
            .read_exact(bytes)
            .context("cannot read the layer")
    }
}
