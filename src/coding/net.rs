use super::{Coder, Damage, Decoded, Element, TileChanges};

/// What some steps of a tile changed together, upon the ordered bits of its weights, which are
/// brought to the state after them. It is told as `target` does, and it is the difference of the two
/// states, whatever the changes between them were. Needs IEEE mode.
pub(crate) fn net<'c, E: Element>(
    steps: impl Iterator<Item = (Coder, &'c TileChanges<E>)>,
    target: Coder,
    ordered: &mut [E],
) -> Decoded<TileChanges<E>> {
    // The weights that were touched, each with its bits before.
    let mut before: Vec<(u16, E)> = Vec::new();
    for (coder, changes) in steps {
        let mut raws = changes.raws.iter();
        for (&place, &code) in changes.positions.iter().zip(&changes.codes) {
            let weight = ordered
                .get_mut(usize::from(place))
                .ok_or(Damage("a place is outside its tile"))?;
            before.push((place, *weight));
            *weight = if code == E::default() {
                let raw = raws.next().ok_or(Damage("a raw change is missing"))?;
                coder.after(weight.to_plain(), raw)?.to_ordered()
            } else {
                coder.step(*weight, code)?
            };
        }
    }
    // Stable: of several touches the first comes first.
    before.sort_by_key(|(place, _)| *place);
    before.dedup_by_key(|(place, _)| *place);
    let mut net = TileChanges::default();
    for (place, before) in before {
        let after = ordered[usize::from(place)];
        if after != before {
            let (code, raw) = target.exactly(before.to_plain(), after.to_plain());
            net.push(place, code, raw);
        }
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::super::RawChange;
    use super::*;
    use crate::detect::Lattice;
    use crate::dtype::Dtype;

    fn step(changes: &[(u16, u32, Option<RawChange>)]) -> TileChanges<u32> {
        let mut step = TileChanges::default();
        for &(place, code, raw) in changes {
            step.push(place, code, raw);
        }
        step
    }

    fn ordered(values: [f32; 4]) -> [u32; 4] {
        values.map(|value| value.to_bits().to_ordered())
    }

    #[test]
    fn the_net_change_is_the_difference_of_the_states() {
        let coder = Coder::plain(Dtype::F32);
        let start = ordered([1.0, 2.0, 3.0, 4.0]);
        let raw = RawChange {
            delta: 0.5,
            mark: Some(9.0),
        };
        // Zig-zag: 2 is one unit up, 1 one unit down.
        let steps = [
            step(&[(0, 2, None), (1, 2, None), (3, 0, Some(raw))]),
            step(&[(0, 1, None), (1, 4, None)]),
            step(&[(3, 2, None)]),
        ];
        let steps = steps.iter().map(|step| (coder, step));
        let mut state = start;
        let found = net(steps, coder, &mut state).unwrap();
        assert_eq!(state[..3], [start[0], start[1] + 3, start[2]]);
        assert_eq!(state[3], 9.0f32.to_bits().to_ordered() + 1);
        // Weight 0 is what it was.
        assert_eq!(found.positions, [1, 3]);
        assert!(found.raws.is_empty());
        let mut again = start;
        net([(coder, &found)].into_iter(), coder, &mut again).unwrap();
        assert_eq!(again, state);
    }

    #[test]
    fn steps_of_a_lattice_stay_on_it() {
        let dtype = Dtype::F32;
        let plain = Coder::plain(dtype);
        let snapped = Coder {
            dtype,
            lattice: Lattice::from_bits(0.25f32.to_bits()),
        };
        let start = ordered([1.0, 2.0, 3.0, 1e9]);
        // Up by 2 and down by 3; a unit in the last place at the end is off the lattice.
        let steps = [
            (snapped, &step(&[(0, 4, None), (1, 4, None)])),
            (snapped, &step(&[(0, 5, None)])),
            (plain, &step(&[(1, 2, None), (2, 2, None)])),
        ];
        let mut state = start;
        let found = net(steps.into_iter(), snapped, &mut state).unwrap();
        assert_eq!(state[0], 0.75f32.to_bits().to_ordered());
        assert_eq!(
            (&found.positions[..], found.raws.len()),
            (&[0, 1, 2][..], 2)
        );
        assert_eq!(found.codes, [1, 0, 0]);
        let mut again = start;
        net([(snapped, &found)].into_iter(), plain, &mut again).unwrap();
        assert_eq!(again, state);
    }
}
