use super::{Damage, Decoded, Element};
use crate::detect::{Lattice, step_to};
use crate::dtype::Dtype;
use crate::values::Change;

/// What one step changed in one tile, ascending by place in the tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TileChanges<E> {
    pub(crate) positions: Vec<u16>,
    /// For each position the zig-zag coded difference of the ordered bits, or number of a lattice's
    /// steps; 0 stands for the next of `raws`.
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
    /// What codes count steps of; `None` for units in the last place.
    pub(crate) lattice: Option<Lattice>,
}

const NO_VALUE: Damage = Damage("a change leads to no value of the type");

impl Coder {
    /// Codes count units in the last place.
    pub(crate) fn plain(dtype: Dtype) -> Self {
        Coder {
            dtype,
            lattice: None,
        }
    }

    /// The ordered bits after a change by a code that is not 0.
    // Always: this is the inside of the innermost loops, and a result that comes back through memory
    // takes longer than the step.
    #[inline(always)]
    pub(crate) fn step<E: Element>(self, ordered: E, code: E) -> Decoded<E> {
        match self.lattice {
            None => Ok(ordered.step_by(code)),
            Some(lattice) => self.step_on(lattice, ordered, code),
        }
    }

    fn step_on<E: Element>(self, lattice: Lattice, ordered: E, code: E) -> Decoded<E> {
        let value = self.dtype.widen(ordered.to_plain().to_u32());
        let code = code.to_u32();
        let count = (code >> 1) as i32 ^ -((code & 1) as i32);
        let after = lattice.after(self.dtype, value, count).ok_or(NO_VALUE)?;
        Ok(E::from_u32(after).to_ordered())
    }

    /// The change from `state` to within `bound` of `wanted`, which is further away than that: its
    /// code, and the bits after it. Exactly to `wanted` where the lattice has nothing near.
    pub(crate) fn snap<E: Element>(
        self,
        lattice: Lattice,
        bound: f32,
        state: E,
        wanted: E,
    ) -> (E, Option<RawChange>, E) {
        let widen = |bits: E| self.dtype.widen(bits.to_u32());
        match lattice.snap(self.dtype, widen(state), widen(wanted), bound) {
            Some((count, after)) => {
                let code = ((count << 1) ^ (count >> 31)) as u32;
                (E::from_u32(code), None, E::from_u32(after))
            }
            None => (E::default(), Some(self.derived(state, wanted)), wanted),
        }
    }

    /// How a change from `state` to exactly `next`, which are different, is told.
    pub(crate) fn exactly<E: Element>(self, state: E, next: E) -> (E, Option<RawChange>) {
        let Some(lattice) = self.lattice else {
            return (state.to_ordered().code_to(next.to_ordered()), None);
        };
        let (code, raw, after) = self.snap(lattice, 0.0, state, next);
        if after == next {
            (code, raw)
        } else {
            // As near as that is another zero.
            (E::default(), Some(self.derived(state, next)))
        }
    }

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
        let has_code = self.lattice.is_none() && next != state;
        if has_code && self.derived(state, next) == raw {
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

    /// The bits after a raw change upon `state`.
    pub(crate) fn after<E: Element>(self, state: E, raw: &RawChange) -> Decoded<E> {
        let after = match raw.mark {
            Some(value) => value,
            None => self.dtype.widen(state.to_u32()) + raw.delta,
        };
        self.dtype.narrow(after).map(E::from_u32).ok_or(NO_VALUE)
    }
}
