//! One weight through time.

use anyhow::{Context, Result};
use temporal_vdb::TemporalVDBStorage;

use super::recording::Recording;

/// (step, weight after it), for the base and each step that changed the weight.
pub type History = Vec<(usize, f32)>;

/// The weight that changed in most steps.
pub struct MostChanged {
    /// The name of its matrix.
    pub matrix: String,
    /// Its row.
    pub row: usize,
    /// Its column.
    pub col: usize,
    /// Its history in each run, by the run's name.
    pub histories: Vec<(&'static str, History)>,
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
