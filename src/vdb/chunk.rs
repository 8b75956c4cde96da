//! The values of one node, as they are packed.

use super::source::Source;
use crate::error::Result;

const ZIP: u32 = 1;
const ACTIVE_MASK: u32 = 2;
const BLOSC: u32 = 4;

/// How the values of a grid are packed.
#[derive(Clone, Copy)]
pub(super) struct Packing {
    pub(super) compression: u32,
    pub(super) half: bool,
}

/// Bytes of the head of a chunk that Blosc has packed.
const BLOSC_HEAD: u64 = 16;

/// Goes past the values of a node of `count`, of which `active` are.
pub(super) fn skip(source: &mut Source, packing: Packing, count: u64, active: u64) -> Result<()> {
    let what = "the values of a node";
    // Which of them are there: 0 to 5 without inactive ones, 6 all. Inactive ones have at most two
    // values, which stand before the others, with a mask that says which has which.
    let kind = source.u8(what)?;
    let (values, mask) = match kind {
        0 | 1 | 6 => (0, false),
        2 => (1, false),
        3 => (0, true),
        4 => (1, true),
        5 => (2, true),
        _ => {
            return Err(source.refuse(format!(
                "the file is damaged: the values of a node at byte {} are of kind {kind}, which does not exist",
                source.at() - 1
            )));
        }
    };
    source.skip(4 * values + if mask { count / 8 } else { 0 }, what)?;
    let kept = if packing.compression & ACTIVE_MASK != 0 && kind != 6 {
        active
    } else {
        count
    };
    if packing.half && kept == 0 {
        return Ok(());
    }
    let size = kept * if packing.half { 2 } else { 4 };
    if packing.compression & (BLOSC | ZIP) == 0 {
        return source.skip(size, what);
    }
    let packed = source.i64(what)?;
    if packed <= 0 {
        // Not packed, since that would not have been smaller.
        if packed.unsigned_abs() != size {
            return Err(wrong_size(source, size, packed.unsigned_abs()));
        }
        return source.skip(size, what);
    }
    let packed = packed as u64;
    source.need(packed, what)?;
    if packing.compression & BLOSC != 0 {
        check_blosc(source, size, packed)
    } else {
        source.skip(packed, what)
    }
}

fn wrong_size(source: &Source, expected: u64, found: u64) -> crate::error::Error {
    source.refuse(format!(
        "the file is damaged: the values of a node before byte {} take {found} bytes where {expected} are expected",
        source.at()
    ))
}

/// Blosc believes its own head: that must say what is so.
fn check_blosc(source: &mut Source, size: u64, packed: u64) -> Result<()> {
    let what = "a chunk that Blosc has packed";
    if packed < BLOSC_HEAD {
        return Err(wrong_size(source, BLOSC_HEAD, packed));
    }
    let flags = source.u32(what)?.to_le_bytes()[2];
    let unpacked = u64::from(source.u32(what)?);
    let block = u64::from(source.u32(what)?);
    let all = u64::from(source.u32(what)?);
    if unpacked != size {
        return Err(wrong_size(source, size, unpacked));
    }
    if all != packed {
        return Err(wrong_size(source, packed, all));
    }
    let body = packed - BLOSC_HEAD;
    let damaged = |source: &Source| {
        source.refuse(format!(
            "the file is damaged: the head of a chunk before byte {} is none that Blosc writes",
            source.at()
        ))
    };
    const COPIED: u8 = 2;
    if size == 0 {
        return source.skip(body, what);
    }
    if flags & COPIED != 0 {
        if body != size {
            return Err(damaged(source));
        }
        return source.skip(body, what);
    }
    if block == 0 || block > size {
        return Err(damaged(source));
    }
    // Where each block begins, counted from the head.
    let blocks = size.div_ceil(block);
    let table = 4 * blocks;
    if table > body {
        return Err(damaged(source));
    }
    for _ in 0..blocks {
        let begin = u64::from(source.u32(what)?);
        if begin < BLOSC_HEAD + table || begin >= packed {
            return Err(damaged(source));
        }
    }
    source.skip(body - table, what)
}
