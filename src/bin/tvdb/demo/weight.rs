//! One weight through time.

use anyhow::{Context, Result};
use temporal_vdb::TemporalVDBStorage;

use super::recording::Recording;

/// (step, weight after it), for the base and each step that changed the weight.
pub(super) type History = Vec<(usize, f32)>;

/// The weight that changed in most steps.
pub(super) struct MostChanged {
    pub(super) matrix: String,
    pub(super) row: usize,
    pub(super) col: usize,
    /// Its history in each run, by the run's name.
    pub(super) histories: Vec<(&'static str, History)>,
}

impl MostChanged {
    /// Looks in the last recording, and asks all of them for the weight's history.
    pub(super) async fn find(recordings: &[Recording]) -> Result<Self> {
        let last = recordings.last().context("nothing was recorded")?;
        let counts = last.matrices.iter().enumerate().flat_map(|(m, matrix)| {
            let counts = matrix.times_changed.iter().enumerate();
            counts.map(move |(weight, &count)| (count, m, weight))
        });
        let (_, m, weight) = counts
            .max_by_key(|&(count, ..)| count)
            .context("there are no weights")?;
        let cols = last.matrices[m].shape.1;
        let (row, col) = (weight / cols, weight % cols);

        let mut histories = Vec::new();
        for recording in recordings {
            let storage = &recording.matrices[m].storage;
            let history = storage
                .weight_history(i32::try_from(row)?, i32::try_from(col)?)
                .await?;
            histories.push((recording.name, history));
        }
        Ok(MostChanged {
            matrix: last.matrices[m].name.clone(),
            row,
            col,
            histories,
        })
    }
}

/// The weight as of `points` steps spread evenly over 0..=`last`.
pub(super) fn resample(history: &[(usize, f32)], last: usize, points: usize) -> Vec<f32> {
    (0..points)
        .map(|point| {
            let step = point * last / (points - 1).max(1);
            let entries = history.partition_point(|&(at, _)| at <= step);
            entries.checked_sub(1).map_or(0.0, |i| history[i].1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_changes_the_earlier_one_holds() {
        let history = [(0, 1.0), (3, 2.0), (4, 5.0)];
        assert_eq!(resample(&history, 4, 5), [1.0, 1.0, 1.0, 2.0, 5.0]);
        assert_eq!(resample(&history, 4, 3), [1.0, 1.0, 5.0]);
        assert_eq!(resample(&history, 4, 1), [1.0]);
        assert_eq!(resample(&[], 4, 2), [0.0, 0.0]);
    }
}
