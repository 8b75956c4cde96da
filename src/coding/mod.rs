//! How history rests: pure functions between states, changes and bytes. Nothing here knows files,
//! databases or threads. `docs/format.md` describes the bytes.
//!
//! A layer is cut into tiles of 128 x 128 weights. What changed in a run of tiles over a run of
//! steps is a `Block`; a full state of a run of tiles is a plane. Decoding trusts nothing: bytes
//! that are not what the encoder could have written are `Damage`.

mod block;
mod cells;
mod change;
pub(crate) mod dense;
mod element;
pub(crate) mod fast;
mod net;
mod plane;
mod raw;
mod replay;
mod stream;
mod tile_order;

pub(crate) use block::{Block, SLAB_STEPS};
pub(crate) use change::{Coder, RawChange, TileChanges};
pub(crate) use element::{Element, by_width};
pub(crate) use net::net;
pub(crate) use plane::{WHOLE_PIECE, decode_bytes, decode_plane, encode_bytes, encode_plane};
pub(crate) use replay::{TileSet, apply, replay};
pub(crate) use tile_order::{copy_tile, gather_tile, same_tile};

/// What is wrong with bytes that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) &'static str);

pub(crate) type Decoded<T> = std::result::Result<T, Damage>;
