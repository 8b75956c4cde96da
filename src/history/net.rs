use super::{Coder, Damage, Decoded, Element, TileChanges};

/// What some steps of a tile changed together, upon the ordered bits of its weights, which are
/// brought to the state after them. It is the difference of the two states, whatever the changes
/// between them were. Needs IEEE mode.
pub(crate) fn net<E: Element>(
    steps: &[TileChanges<E>],
    coder: Coder,
    ordered: &mut [E],
) -> Decoded<TileChanges<E>> {
    // The weights that were touched, each with its bits before.
    let mut before: Vec<(u16, E)> = Vec::new();
    for changes in steps {
        let mut raws = changes.raws.iter();
        for (&place, &code) in changes.positions.iter().zip(&changes.codes) {
            let weight = ordered
                .get_mut(usize::from(place))
                .ok_or(Damage("a place is outside its tile"))?;
            before.push((place, *weight));
            *weight = if code == E::default() {
                let raw = raws.next().ok_or(Damage("a raw change is missing"))?;
                coder
                    .after(weight.to_plain(), raw)
                    .ok_or(Damage("a change leads to no value of the type"))?
                    .to_ordered()
            } else {
                weight.step_by(code)
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
            net.push(place, before.code_to(after), None);
        }
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::super::RawChange;
    use super::*;
    use crate::Dtype;

    fn step(changes: &[(u16, u32, Option<RawChange>)]) -> TileChanges<u32> {
        let mut step = TileChanges::default();
        for &(place, code, raw) in changes {
            step.push(place, code, raw);
        }
        step
    }

    #[test]
    fn the_net_change_is_the_difference_of_the_states() {
        let coder = Coder { dtype: Dtype::F32 };
        let start = [1.0f32, 2.0, 3.0, 4.0].map(|value| value.to_bits().to_ordered());
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
        let mut state = start;
        let found = net(&steps, coder, &mut state).unwrap();
        assert_eq!(state[..3], [start[0], start[1] + 3, start[2]]);
        assert_eq!(state[3], 9.0f32.to_bits().to_ordered() + 1);
        // Weight 0 is what it was.
        assert_eq!(found.positions, [1, 3]);
        assert!(found.raws.is_empty());
        let mut again = start;
        net(&[found], coder, &mut again).unwrap();
        assert_eq!(again, state);
    }
}
