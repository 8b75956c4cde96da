use std::sync::Arc;

use bytes::Bytes;

use crate::coding::Element;
use crate::error::Result;
use crate::host::vec_with_room;
use crate::store::database::{Digest, LayerRow, digest_of};
use crate::values::{Tensor, Tiling};

/// The state of a layer after some step.
pub(crate) enum LayerState {
    Two(Matrix<u16>),
    Four(Matrix<u32>),
    Whole(Bytes),
}

/// A state, row-major.
pub(crate) struct Matrix<E> {
    /// Whoever asked for the latest state may still share it; it is copied then before it changes.
    pub(crate) bits: Arc<Vec<E>>,
    /// Of each tile.
    pub(crate) digests: Vec<Digest>,
}

/// An element of a width that layers have.
pub(crate) trait StateElement: Element {
    fn into_state(matrix: Matrix<Self>) -> LayerState;
}

impl StateElement for u16 {
    fn into_state(matrix: Matrix<Self>) -> LayerState {
        LayerState::Two(matrix)
    }
}

impl StateElement for u32 {
    fn into_state(matrix: Matrix<Self>) -> LayerState {
        LayerState::Four(matrix)
    }
}

impl LayerState {
    /// The tensor's bytes as a checkpoint holds them. They are shared, not copied.
    pub(crate) fn to_bytes(&self, row: &LayerRow) -> Bytes {
        match self {
            LayerState::Two(matrix) => bytes_of(&matrix.bits, row.raw_bytes()),
            LayerState::Four(matrix) => bytes_of(&matrix.bits, row.raw_bytes()),
            LayerState::Whole(bytes) => bytes.clone(),
        }
    }
}

/// Elements as the bytes they are, `len` of them.
fn bytes_of<E: Element>(bits: &Arc<Vec<E>>, len: usize) -> Bytes {
    struct Shared<E>(Arc<Vec<E>>);

    impl<E: Element> AsRef<[u8]> for Shared<E> {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }

    #[cfg(target_endian = "big")]
    compile_error!("elements are little-endian here as in the files");
    Bytes::from_owner(Shared(Arc::clone(bits))).slice(..len)
}

/// A tensor's bytes on their own: those of a checkpoint may be a slice of a whole file.
pub(crate) fn copied(tensor: &Tensor) -> Bytes {
    Bytes::copy_from_slice(&tensor.data)
}

/// The state of a layer that has no base.
pub(crate) fn zeros(row: &LayerRow) -> Result<LayerState> {
    fn of<E: StateElement>(tiling: &Tiling) -> Result<LayerState> {
        let mut bits = vec_with_room(tiling.len())?;
        bits.resize(tiling.len(), E::default());
        // A tile of zeros is so in any order.
        let digest = |tile| digest_of(bytemuck::cast_slice(&bits[tiling.span(tile..tile + 1)]));
        let digests = (0..tiling.count()).map(digest).collect();
        Ok(E::into_state(Matrix {
            bits: Arc::new(bits),
            digests,
        }))
    }
    if row.dtype.size() == 2 {
        of::<u16>(&row.tiling())
    } else {
        of::<u32>(&row.tiling())
    }
}
