//! Recording checkpoints of any bits: without a threshold they come back bit for bit, with one they
//! stay within it, and the file is hardly larger than they are.

use bytes::Bytes;
use proptest::prelude::*;
use temporal_vdb::{
    Checkpoint, Dtype, RecordOptions, StoreOptions, TemporalStore, Tensor, Threshold,
};

fn tensor(name: &str, dtype: Dtype, shape: &[usize], data: Vec<u8>) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        data: Bytes::from(data),
    }
}

fn checkpoint(tensors: Vec<Tensor>) -> Checkpoint {
    Checkpoint {
        tensors,
        ..Checkpoint::default()
    }
}

fn value(dtype: Dtype, element: &[u8]) -> f64 {
    match dtype {
        Dtype::F32 => f32::from_le_bytes(element.try_into().unwrap()).into(),
        Dtype::Bf16 => f32::from_le_bytes([0, 0, element[0], element[1]]).into(),
        other => panic!("{other}"),
    }
}

/// splitmix64 (Steele, Lea, Flood 2014)
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const SHAPES: [&[usize]; 6] = [&[], &[5], &[300], &[7, 140], &[130, 3], &[2, 3, 4, 5]];

/// Steps of one tensor, each the one before with some bytes replaced.
fn steps(elements: usize, size: usize, count: usize, share: u64, seed: &mut u64) -> Vec<Vec<u8>> {
    let mut data = vec![0u8; elements * size];
    (0..count)
        .map(|_| {
            for byte in &mut data {
                let drawn = random(seed);
                if drawn % 100 < share {
                    *byte = (drawn >> 32) as u8;
                }
            }
            data.clone()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn checkpoints_come_back(
        shape in prop::sample::select(SHAPES.to_vec()),
        dtype in prop::sample::select(vec![Dtype::F32, Dtype::Bf16, Dtype::F16, Dtype::I16]),
        count in 1..30usize,
        share in prop::sample::select(vec![0u64, 1, 20, 100]),
        compact in any::<bool>(),
        mut seed in any::<u64>(),
    ) {
        let elements = shape.iter().product();
        let run = steps(elements, dtype.size(), count, share, &mut seed);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
            for data in &run {
                let tensors = vec![tensor("w", dtype, shape, data.clone())];
                store.record(None, checkpoint(tensors), RecordOptions::default()).await.unwrap();
            }
            if compact {
                store.compact().await.unwrap();
            }
            for (step, data) in run.iter().enumerate() {
                let found = store.weights_at(step).await.unwrap();
                prop_assert_eq!(found.timestep, step);
                prop_assert_eq!(&found.checkpoint.tensors[0], &tensor("w", dtype, shape, data.clone()));
            }
            let latest = store.latest().await.unwrap();
            prop_assert!(latest.checkpoint.tensors[0].data == run[count - 1]);
            store.verify(|_, _| ()).await.unwrap();
            Ok(())
        })?;
    }

    #[test]
    fn with_a_threshold_they_stay_within_it(
        dtype in prop::sample::select(vec![Dtype::F32, Dtype::Bf16]),
        threshold in 1e-3f32..10.0,
        count in 2..20usize,
        mut seed in any::<u64>(),
    ) {
        let size = dtype.size();
        let run = steps(7 * 140, size, count, 10, &mut seed);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
            for data in &run {
                let options = RecordOptions { threshold: Threshold::Absolute(threshold), ..RecordOptions::default() };
                let tensors = vec![tensor("w", dtype, &[7, 140], data.clone())];
                store.record(None, checkpoint(tensors), options).await.unwrap();
            }
            for (step, data) in run.iter().enumerate() {
                let found = store.weights_at(step).await.unwrap();
                let found = &found.checkpoint.tensors[0].data;
                for (found, wanted) in found.chunks_exact(size).zip(data.chunks_exact(size)) {
                    let error = (value(dtype, found) - value(dtype, wanted)).abs();
                    prop_assert!(found == wanted || error <= f64::from(threshold), "{error}");
                }
            }
            Ok(())
        })?;
    }
}

/// Where all bits change at random there is nothing to save, and the store must not cost more.
#[tokio::test]
async fn a_store_is_never_much_larger_than_its_checkpoints() {
    for dtype in [Dtype::F32, Dtype::Bf16] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.tvdb");
        let store = TemporalStore::create(&path, StoreOptions::default())
            .await
            .unwrap();
        let mut seed = 1;
        let mut raw = 0;
        for _ in 0..30 {
            let data = steps(384 * 512, dtype.size(), 1, 100, &mut seed).swap_remove(0);
            raw += data.len() as u64;
            let tensors = vec![tensor("w", dtype, &[384, 512], data)];
            store
                .record(None, checkpoint(tensors), RecordOptions::default())
                .await
                .unwrap();
        }
        store.settle().await.unwrap();
        let file = store.stats().await.unwrap().file_bytes();
        assert!(file * 100 <= raw * 102, "{dtype}: {file} bytes for {raw}");
    }
}
