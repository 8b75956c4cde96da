//! Recording with threshold 0 gives everything back bit for bit; with a threshold the error stays
//! bounded by it. On made-up runs with every odd number there is, and on real ones where the
//! folder of them is at hand (`TEMPORAL_VDB_TRACES`).

use proptest::prelude::*;
use temporal_vdb::{DenseDetector, Layer, StorageOptions};

use crate::traces::{self, Trace};

/// Records a run and reads every step back; gives the largest error.
fn largest_error(threshold: f32, rows: i32, cols: i32, run: &[Vec<f32>]) -> f64 {
    let mut layer = Layer::new("w", rows, cols, StorageOptions::default()).unwrap();
    let mut detector = DenseDetector::new(threshold, rows, cols).unwrap();
    for (i, weights) in run.iter().enumerate() {
        layer
            .store_changes(i + 1, &detector.compute_changes(weights).unwrap())
            .unwrap();
    }
    let mut largest = 0.0f64;
    for (i, weights) in run.iter().enumerate() {
        let state = layer.dense_at_time(i + 1).unwrap().values;
        for (&found, &wanted) in state.iter().zip(weights) {
            if found.to_bits() != wanted.to_bits() {
                let error = (f64::from(found) - f64::from(wanted)).abs();
                largest = largest.max(if error.is_nan() { f64::INFINITY } else { error });
                assert!(threshold > 0.0, "step {}: {found} is not {wanted}", i + 1);
            }
        }
        assert!(
            i + 1 < run.len()
                || state
                    .iter()
                    .zip(detector.state())
                    .all(|(a, b)| a.to_bits() == b.to_bits())
        );
    }
    largest
}

fn any_bits() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        (-8i32..8).prop_map(|n| n as f32 / 3.0),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            1e-45
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_run_comes_back(
        run in prop::collection::vec(prop::collection::vec(any_bits(), 12), 1..20),
        threshold in prop_oneof![Just(0.0f32), 1e-6f32..2.0],
    ) {
        prop_assert!(largest_error(threshold, 3, 4, &run) <= f64::from(threshold));
    }
}

#[test]
fn real_runs_come_back() {
    let Some(folder) = traces::folder() else {
        eprintln!("SKIPPED real_runs_come_back: no folder of traces (set TEMPORAL_VDB_TRACES)");
        return;
    };
    for (run, tensor) in [
        ("embeddings_f32", "W_in"),
        ("finetune_bf16", "layers.1.attn.k_proj.weight"),
        ("mlp_sgd_f32", "fc2.weight"),
    ] {
        let Trace { rows, cols, steps } = Trace::read(&folder.join(run), tensor);
        assert_eq!(largest_error(0.0, rows, cols, &steps), 0.0);
        let threshold = 1e-4;
        let error = largest_error(threshold, rows, cols, &steps);
        assert!(
            error > 0.0 && error <= f64::from(threshold),
            "{tensor}: {error}"
        );
    }
}
