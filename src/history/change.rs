use super::Element;
use crate::dense_detector::step_to;
use crate::{Change, Dtype};

/// What one step changed in one tile, ascending by place in the tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TileChanges<E> {
    pub(crate) positions: Vec<u16>,
    /// For each position the zig-zag coded difference of the ordered bits; 0 stands for the next
    /// of `raws`.
    pub(crate) codes: Vec<E>,
    pub(crate) raws: Vec<RawChange>,
}

/// A change that the bits before and after it do not tell: the delta, the mark, or both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawChange {
    /// Finite; 0 where there is only a mark.
    pub(crate) delta: f32,
    pub(crate) mark: Option<f32>,
}

/// By bits.
impl PartialEq for RawChange {
    fn eq(&self, other: &Self) -> bool {
        self.delta.to_bits() == other.delta.to_bits()
            && self.mark.map(f32::to_bits) == other.mark.map(f32::to_bits)
    }
}

impl<E: Element> TileChanges<E> {
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    pub(crate) fn push(&mut self, position: u16, code: E, raw: Option<RawChange>) {
        self.positions.push(position);
        self.codes.push(code);
        self.raws.extend(raw);
    }
}

/// Turns changes of a layer's weights into codes and back. Its arithmetic needs IEEE mode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coder {
    pub(crate) dtype: Dtype,
}

impl Coder {
    /// The code of a change upon `state` (plain bits), and the bits after it; `None` where its
    /// result is no value of the layer's type.
    pub(crate) fn encode<E: Element>(
        self,
        state: E,
        change: Change,
    ) -> Option<(E, Option<RawChange>, E)> {
        let before = self.dtype.widen(state.to_u32());
        let after = match change.exact {
            Some(value) => value,
            None => before + change.delta,
        };
        let next = E::from_u32(self.dtype.narrow(after)?);
        let raw = RawChange {
            delta: change.delta,
            mark: change.exact,
        };
        if next != state && self.derived(state, next) == raw {
            return Some((state.to_ordered().code_to(next.to_ordered()), None, next));
        }
        Some((E::default(), Some(raw), next))
    }

    /// The change that leads from `state` to other bits, as a detector finds it.
    pub(crate) fn derived<E: Element>(self, state: E, next: E) -> RawChange {
        let widen = |bits: E| self.dtype.widen(bits.to_u32());
        let step = step_to(widen(state), widen(next), 0.0);
        RawChange {
            delta: step.as_ref().and_then(|step| step.delta).unwrap_or(0.0),
            mark: step.and_then(|step| step.mark),
        }
    }

    /// The bits after a raw change upon `state`; `None` where they are no value of the type.
    pub(crate) fn after<E: Element>(self, state: E, raw: &RawChange) -> Option<E> {
        let after = match raw.mark {
            Some(value) => value,
            None => self.dtype.widen(state.to_u32()) + raw.delta,
        };
        self.dtype.narrow(after).map(E::from_u32)
    }
}
