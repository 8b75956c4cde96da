//! Reading steps back, beside reading the files. Both go through tokio's pool for blocking work, so
//! that both pay for it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use temporal_vdb::{LayerInfo, TemporalStore, TemporalVDBStorage};

use super::measure::{mean, median, timed};
use super::run_source::RunSource;
use crate::{Listener, background};

/// Steps that are read back, at most.
const STEPS: usize = 16;

/// Rounds over those steps. One more before them, not counted, warms the page cache.
pub(super) const ROUNDS: usize = 5;

/// How often the latest step is read.
const LATEST: usize = 15;

/// Weights whose histories are asked for.
const WEIGHTS: usize = 21;

/// What reading takes: mean or median seconds.
pub struct Reading {
    /// A step from the store, into memory.
    pub checkout: f64,
    /// Its file, into memory.
    pub load: f64,
    /// Which steps these were.
    pub steps: Vec<usize>,
    /// The latest step from the store, which is open for writing: it may share its memory.
    pub latest: f64,
    /// The latest step, copied into memory of its own, as its file is.
    pub latest_copied: f64,
    /// Its file.
    pub load_latest: f64,
    /// One weight over the whole run; `None` where there are no weights.
    pub history_query: Option<f64>,
}

impl Reading {
    /// Measures a store that is open for writing and has all of `run`, sealed.
    pub(super) async fn measure(
        store: &TemporalStore,
        run: &RunSource,
        listener: &dyn Listener,
    ) -> Result<Self> {
        let steps = spread(run.last(), STEPS);
        let (mut checkouts, mut loads) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            for (index, &step) in steps.iter().enumerate() {
                // Which one comes first changes from round to round.
                let load_first = round % 2 == 0;
                let early = if load_first {
                    Some(load(run.file(step)).await?)
                } else {
                    None
                };
                let (weights, checkout) = timed(store.weights_at(step)).await?;
                drop(weights);
                let load = match early {
                    Some(seconds) => seconds,
                    None => load(run.file(step)).await?,
                };
                if round == 0 {
                    checkouts.push(Vec::with_capacity(ROUNDS));
                    loads.push(Vec::with_capacity(ROUNDS));
                } else {
                    checkouts[index].push(checkout);
                    loads[index].push(load);
                }
            }
            listener.advance();
        }
        let [latest, latest_copied, load_latest] =
            measure_latest(store, run.file(run.last())).await?;
        let of_medians = |all: Vec<Vec<f64>>| {
            let medians: Vec<f64> = all.iter().map(|times| median(times)).collect();
            mean(&medians)
        };
        Ok(Reading {
            checkout: of_medians(checkouts),
            load: of_medians(loads),
            steps,
            latest,
            latest_copied,
            load_latest,
            history_query: measure_weight_history(store).await?,
        })
    }
}

/// Up to `limit` numbers below `end`, evenly spread, the first and the last one among them.
fn spread(end: usize, limit: usize) -> Vec<usize> {
    if end <= limit {
        return (0..end).collect();
    }
    let (gaps, last) = (limit - 1, end - 1);
    (0..limit)
        .map(|i| (i as u128 * last as u128 / gaps as u128) as usize)
        .collect()
}

/// Seconds for reading a file into memory.
async fn load(file: &Path) -> Result<f64> {
    let path = file.to_owned();
    let (bytes, seconds) = timed(background::run(move || Ok(fs::read(path)?)))
        .await
        .with_context(|| format!("cannot read {}", file.display()))?;
    drop(bytes);
    Ok(seconds)
}

/// Seconds for the latest step from the store, for a copy of it, and for its file.
async fn measure_latest(store: &TemporalStore, file: &Path) -> Result<[f64; 3]> {
    let mut times = [const { Vec::new() }; 3];
    for round in 0..=LATEST {
        let loaded = load(file).await?;
        let (weights, latest) = timed(store.latest()).await?;
        drop(weights);
        let copy = async {
            let tensors = store.latest().await?.checkpoint.tensors;
            let copies = tensors.iter().map(|tensor| tensor.data.to_vec());
            Ok::<Vec<_>, temporal_vdb::Error>(copies.collect())
        };
        let (copies, copied) = timed(copy).await?;
        drop(copies);
        if round > 0 {
            for (times, seconds) in times.iter_mut().zip([latest, copied, loaded]) {
                times.push(seconds);
            }
        }
    }
    Ok(times.map(|times| median(&times)))
}

/// Seconds for the history of one weight, of the layer that has most of them.
async fn measure_weight_history(store: &TemporalStore) -> Result<Option<f64>> {
    let layers = store.layers().await?;
    let elements = |info: &LayerInfo| info.shape.iter().product::<usize>();
    let matrices = layers.iter().filter(|info| info.matrix.is_some());
    let Some(info) = matrices.max_by_key(|info| elements(info)) else {
        return Ok(None);
    };
    let layer = store.layer(&info.name).await?;
    let cols = layer.shape().1 as usize;
    let mut times = Vec::new();
    let weights = spread(elements(info), WEIGHTS);
    // The first one twice: the first time is not counted.
    for (round, weight) in weights.iter().take(1).chain(&weights).enumerate() {
        let (row, col) = ((weight / cols) as i32, (weight % cols) as i32);
        let (_, seconds) = timed(layer.weight_history(row, col)).await?;
        if round > 0 {
            times.push(seconds);
        }
    }
    Ok(Some(median(&times)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_among_the_spread() {
        assert!(spread(0, 4).is_empty());
        assert_eq!(spread(1, 4), [0]);
        assert_eq!(spread(4, 4), [0, 1, 2, 3]);
        assert_eq!(spread(11, 3), [0, 5, 10]);
        for end in 17..200 {
            let steps = spread(end, 16);
            assert_eq!((steps[0], steps[15]), (0, end - 1));
            assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
