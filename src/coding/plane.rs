//! Full states of a run of tiles, or their differences from another state, byte by byte of the
//! elements.

use super::stream::{Reader, Writer};
use super::{Decoded, Element};

/// Bytes of a tensor that is kept whole in one blob.
pub(crate) const WHOLE_PIECE: usize = 1 << 20;

/// The bytes of a state of a run of tiles, in tile order. With `anchor`, a state of the same tiles
/// that the reader has too, the zig-zag coded differences of the ordered bits.
pub(crate) fn encode_plane<E: Element>(state: &[E], anchor: Option<&[E]>) -> Vec<u8> {
    let mut writer = Writer::default();
    match anchor {
        None => writer.numbers(state),
        Some(anchor) => {
            let pairs = anchor.iter().zip(state);
            let codes: Vec<E> = pairs
                .map(|(from, to)| from.to_ordered().code_to(to.to_ordered()))
                .collect();
            writer.numbers(&codes);
        }
    }
    writer.bytes
}

/// Fills `state` from the bytes of a plane; where it was coded against an anchor, `state` holds
/// that before.
pub(crate) fn decode_plane<E: Element>(
    bytes: &[u8],
    anchored: bool,
    state: &mut [E],
) -> Decoded<()> {
    let mut reader = Reader::new(bytes);
    let numbers = reader.numbers::<E>(state.len())?;
    reader.finish()?;
    for (bits, number) in state.iter_mut().zip(numbers) {
        *bits = if anchored {
            bits.to_ordered().step_by(number).to_plain()
        } else {
            number
        };
    }
    Ok(())
}

/// The bytes of any array.
pub(crate) fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.stream(bytes);
    writer.bytes
}

/// Fills `bytes` from what [`encode_bytes`] made of them.
pub(crate) fn decode_bytes(coded: &[u8], bytes: &mut [u8]) -> Decoded<()> {
    let mut reader = Reader::new(coded);
    bytes.copy_from_slice(&reader.stream(bytes.len())?);
    reader.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_come_back() {
        let state: Vec<u32> = (0..5000u32)
            .map(|i| (i as f32 * 0.37).sin().to_bits())
            .collect();
        let anchor: Vec<u32> = state.iter().map(|bits| bits ^ (bits & 3)).collect();
        let mut found = vec![0; state.len()];
        decode_plane(&encode_plane(&state, None), false, &mut found).unwrap();
        assert_eq!(found, state);
        let coded = encode_plane(&state, Some(&anchor));
        assert!(coded.len() < 2500, "{}", coded.len());
        let mut found = anchor;
        decode_plane(&coded, true, &mut found).unwrap();
        assert_eq!(found, state);
    }
}
