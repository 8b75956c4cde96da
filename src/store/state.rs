use std::sync::Arc;

use bytes::Bytes;
use rayon::{Scope, ThreadPool};

use super::database::{Digest, LayerRow};
use super::head::{bytes_of, row_major};
use super::reader::{Gathered, Plan, Reader, Room, in_order, tile_digests};
use crate::Result;
use crate::history::{Element, TileSet};

/// The state of one whole layer while it is made, beside those of others.
pub(crate) enum State<'a> {
    Two(Making<'a, u16>),
    Four(Making<'a, u32>),
    Whole(Vec<u8>),
}

pub(crate) struct Making<'a, E> {
    at: usize,
    plan: Plan<'a, E>,
    bits: Vec<E>,
    digests: Gathered<Vec<Digest>>,
}

/// A state that is what was recorded, in tile order.
pub(crate) enum Finished {
    Two(Vec<u16>),
    Four(Vec<u32>),
    Whole(Vec<u8>),
}

impl<'a> State<'a> {
    /// Makes room for the state after the step at a place.
    pub(crate) fn begin(reader: &Reader<'a>, at: usize) -> Result<Self> {
        Ok(
            match (reader.layer.row.matrix, reader.layer.row.dtype.size()) {
                (None, _) => State::Whole(reader.whole(at)?),
                (Some(_), 2) => State::Two(Making::begin(reader, at)?),
                _ => State::Four(Making::begin(reader, at)?),
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
            State::Two(making) => making.spawn(reader, scope, room),
            State::Four(making) => making.spawn(reader, scope, room),
            State::Whole(_) => Ok(()),
        }
    }

    /// Checks what has been made.
    pub(crate) fn finish(self, reader: &Reader<'a>) -> Result<Finished> {
        Ok(match self {
            State::Two(making) => Finished::Two(making.finish(reader)?),
            State::Four(making) => Finished::Four(making.finish(reader)?),
            State::Whole(bytes) => Finished::Whole(bytes),
        })
    }
}

impl<'a, E: Element> Making<'a, E> {
    fn begin(reader: &Reader<'a>, at: usize) -> Result<Self> {
        let plan = reader.plan(at, TileSet::all(&reader.layer.row.tiling()))?;
        let bits = plan.zeros()?;
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
        reader.spawn(
            scope,
            room,
            &self.plan,
            &mut self.bits,
            &tile_digests::<E>,
            &self.digests,
        )
    }

    fn finish(self, reader: &Reader<'a>) -> Result<Vec<E>> {
        let digests = in_order(self.digests)?
            .into_iter()
            .flat_map(|(_, digests)| digests)
            .collect();
        reader.check_digest(self.at, &self.plan, &digests)?;
        Ok(self.bits)
    }
}

impl Finished {
    /// The tensor's bytes as a checkpoint holds them.
    pub(crate) fn into_bytes(self, row: &LayerRow, pool: &ThreadPool) -> Result<Bytes> {
        fn bytes<E: Element>(row: &LayerRow, bits: &[E], pool: &ThreadPool) -> Result<Bytes> {
            Ok(bytes_of(
                &Arc::new(row_major(&row.tiling(), bits, pool)?),
                row.raw_bytes(),
            ))
        }
        match self {
            Finished::Two(bits) => bytes(row, &bits, pool),
            Finished::Four(bits) => bytes(row, &bits, pool),
            Finished::Whole(whole) => Ok(whole.into()),
        }
    }
}
