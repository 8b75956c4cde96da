use super::options::VolumeValue;
use crate::queries::evolution::{Evolution, LayerEvolution};

/// In which order the rows, or the columns, of a layer lie beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// The line at each place.
    pub(super) at: Vec<u32>,
}

impl Lines {
    pub(super) fn as_they_are(count: i32) -> Self {
        Lines {
            at: (0..count as u32).collect(),
        }
    }

    /// Those that moved furthest come first.
    fn by_movement(lines: &[Evolution], value: VolumeValue) -> Self {
        let far = |line: u32| {
            let own = &lines[line as usize];
            match value {
                VolumeValue::Drift => own.net,
                VolumeValue::Change => own.path,
                VolumeValue::Activity => own.changes as f64,
            }
        };
        let mut at: Vec<u32> = (0..lines.len() as u32).collect();
        at.sort_by(|a, b| far(*b).total_cmp(&far(*a)));
        Lines { at }
    }

    /// Where each line lies, in voxels of `pool` lines.
    pub(super) fn voxels(&self, pool: usize) -> Vec<u32> {
        let mut voxels = vec![0; self.at.len()];
        for (place, &line) in self.at.iter().enumerate() {
            voxels[line as usize] = (place / pool) as u32;
        }
        voxels
    }
}

/// Rows and columns of a layer, those first that moved furthest.
pub(super) fn lines_of(evolution: &LayerEvolution, value: VolumeValue) -> (Lines, Lines) {
    (
        Lines::by_movement(&evolution.rows, value),
        Lines::by_movement(&evolution.columns, value),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_furthest_comes_first_and_ties_stay_in_place() {
        let nets = [0.5, 2.0, 0.5, 3.0];
        let lines = nets.map(|net| Evolution {
            net,
            ..Evolution::default()
        });
        let order = Lines::by_movement(&lines, VolumeValue::Drift);
        assert_eq!(order.at, [3, 1, 0, 2]);
        assert_eq!(order.voxels(2), [1, 0, 1, 0]);
        let order = Lines::by_movement(&lines, VolumeValue::Change);
        assert_eq!(order, Lines::as_they_are(4));
    }
}
