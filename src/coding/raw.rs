//! Raw changes as streams: their kinds, then the deltas, then the marks.

use super::stream::{Reader, Writer};
use super::{Damage, Decoded, RawChange};

/// A raw change holds a delta, a mark, or both.
const RAW_DELTA: u8 = 1;
const RAW_MARK: u8 = 2;

/// Appends raw changes. How many there are is for the reader to know.
pub(super) fn write_raws(writer: &mut Writer, raws: &[RawChange]) {
    let has_delta = |raw: &RawChange| raw.delta != 0.0;
    let kind = |raw: &RawChange| {
        let delta = if has_delta(raw) { RAW_DELTA } else { 0 };
        let mark = if raw.mark.is_some() { RAW_MARK } else { 0 };
        delta | mark
    };
    let kinds: Vec<u8> = raws.iter().map(kind).collect();
    let deltas = raws
        .iter()
        .filter(|raw| has_delta(raw))
        .map(|raw| raw.delta.to_bits());
    let marks = raws.iter().filter_map(|raw| raw.mark).map(f32::to_bits);
    writer.stream(&kinds);
    writer.numbers(&deltas.collect::<Vec<u32>>());
    writer.numbers(&marks.collect::<Vec<u32>>());
}

/// The next `count` raw changes, at least one.
pub(super) fn read_raws(reader: &mut Reader, count: usize) -> Decoded<Vec<RawChange>> {
    let kinds = reader.stream(count)?;
    if kinds.is_empty()
        || kinds
            .iter()
            .any(|kind| !(RAW_DELTA..=RAW_DELTA | RAW_MARK).contains(kind))
    {
        return Err(Damage("a raw change is of an unknown kind"));
    }
    let count = |bit: u8| kinds.iter().filter(|kind| **kind & bit != 0).count();
    let mut deltas = reader
        .numbers::<u32>(count(RAW_DELTA))?
        .into_iter()
        .map(f32::from_bits);
    let mut marks = reader
        .numbers::<u32>(count(RAW_MARK))?
        .into_iter()
        .map(f32::from_bits);
    let raw = |&kind: &u8| {
        let delta = if kind & RAW_DELTA == 0 {
            0.0
        } else {
            deltas.next().unwrap_or(0.0)
        };
        if kind & RAW_DELTA != 0 && (!delta.is_finite() || delta == 0.0) {
            return Err(Damage("a delta is 0, infinite or NaN"));
        }
        let mark = if kind & RAW_MARK == 0 {
            None
        } else {
            marks.next()
        };
        Ok(RawChange { delta, mark })
    };
    kinds.iter().map(raw).collect()
}
