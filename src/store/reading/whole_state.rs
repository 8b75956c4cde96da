use std::sync::Arc;

use rayon::Scope;

use super::chunks::{Room, copy_rows, rows_of_chunks};
use super::decoder::Fetched;
use super::layer_state::{LayerState, Matrix, StateElement};
use super::plan::{Gathered, Plan, in_order};
use super::reader::Reader;
use crate::coding::{Element, TileSet};
use crate::error::Result;
use crate::host::vec_with_room;
use crate::store::database::Digest;

/// The state of one whole layer while it is made, beside those of others.
pub(crate) enum WholeState<'a> {
    Two(Making<'a, u16>),
    Four(Making<'a, u32>),
    Whole(Vec<u8>),
}

pub(crate) struct Making<'a, E> {
    at: usize,
    plan: Plan<'a, E>,
    /// Row-major.
    bits: Vec<E>,
    digests: Gathered<Vec<Digest>>,
}

impl<'a> WholeState<'a> {
    /// Makes room for the state after the step at a place.
    pub(crate) fn begin(reader: &Reader<'a>, at: usize) -> Result<Self> {
        Ok(
            match (reader.layer.row.matrix, reader.layer.row.dtype.size()) {
                (None, _) => WholeState::Whole(reader.whole(at)?),
                (Some(_), 2) => WholeState::Two(Making::begin(reader, at)?),
                _ => WholeState::Four(Making::begin(reader, at)?),
            },
        )
    }

    /// Fetches what it is made of and has other threads make it.
    pub(crate) fn spawn<'s>(
        &'s mut self,
        reader: &Reader<'a>,
        scope: &Scope<'s>,
        room: &'s Room,
    ) -> Result<()>
    where
        'a: 's,
    {
        match self {
            WholeState::Two(making) => making.spawn(reader, scope, room),
            WholeState::Four(making) => making.spawn(reader, scope, room),
            WholeState::Whole(_) => Ok(()),
        }
    }

    /// Checks what has been made.
    pub(crate) fn finish(self, reader: &Reader<'a>) -> Result<LayerState> {
        match self {
            WholeState::Two(making) => making.finish(reader),
            WholeState::Four(making) => making.finish(reader),
            WholeState::Whole(bytes) => Ok(LayerState::Whole(bytes.into())),
        }
    }
}

impl<'a, E: StateElement> Making<'a, E> {
    fn begin(reader: &Reader<'a>, at: usize) -> Result<Self> {
        let tiling = reader.layer.row.tiling();
        let plan = reader.plan(at, TileSet::all(&tiling))?;
        let mut bits = vec_with_room(tiling.len())?;
        bits.resize(tiling.len(), E::default());
        Ok(Making {
            at,
            plan,
            bits,
            digests: Gathered::default(),
        })
    }

    fn spawn<'s>(&'s mut self, reader: &Reader<'a>, scope: &Scope<'s>, room: &'s Room) -> Result<()>
    where
        'a: 's,
    {
        let chunks = rows_of_chunks(&reader.layer.row.tiling(), &mut self.bits);
        reader.spawn(scope, room, &self.plan, chunks, &place::<E>, &self.digests)
    }

    fn finish(self, reader: &Reader<'a>) -> Result<LayerState> {
        let digests: Vec<Digest> = in_order(self.digests)?
            .into_iter()
            .flat_map(|(_, digests)| digests)
            .collect();
        reader.check_digest(self.at, &self.plan, &digests)?;
        Ok(E::into_state(Matrix {
            bits: Arc::new(self.bits),
            digests,
        }))
    }
}

/// Puts a chunk where it belongs.
fn place<E: Element>(
    plan: &Plan<E>,
    fetched: &Fetched,
    bits: &mut [E],
    rows: Vec<&mut [E]>,
) -> Result<Vec<Digest>> {
    copy_rows(bits, rows);
    Ok(plan.tile_digests(fetched, bits))
}
