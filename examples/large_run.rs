//! A large model over some steps: three F32 matrices, 1.5 GB together, of which 1 % changes at each
//! of 20 steps. Shows what recording and reading take, in time, space and memory.
//!
//!     cargo run --release --example large_run [FOLDER] [ROWS COLS]
//!
//! The run is made up: normal-like weights, changed at random places by small amounts. Every step's
//! digest is checked when it is read back, and the last step is compared with what was recorded.

use std::path::PathBuf;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use temporal_vdb::{Checkpoint, Dtype, RecordOptions, Result, StoreOptions, TemporalStore, Tensor};

const MATRICES: usize = 3;
const STEPS: usize = 20;
const SHARE: usize = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments
        .first()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let side = |i: usize, otherwise| {
        arguments
            .get(i)
            .and_then(|n| n.parse().ok())
            .unwrap_or(otherwise)
    };
    let (rows, cols) = (side(1, 8192), side(2, 15360));
    let path = folder.join("large_run.tvdb");
    let store = TemporalStore::create(&path, StoreOptions::default()).await?;

    let mut random = Random(1);
    let mut model: Vec<BytesMut> = (0..MATRICES)
        .map(|_| matrix(&mut random, rows * cols))
        .collect();
    let dense: usize = model.iter().map(BytesMut::len).sum();
    let mut seconds = Vec::new();
    for step in 0..=STEPS {
        if step > 0 {
            model
                .iter_mut()
                .for_each(|weights| change(&mut random, weights));
        }
        let frozen: Vec<Bytes> = model.drain(..).map(BytesMut::freeze).collect();
        let started = Instant::now();
        store
            .record(
                Some(step),
                checkpoint(&frozen, rows, cols),
                RecordOptions::default(),
            )
            .await?;
        seconds.push(started.elapsed().as_secs_f64());
        let back = |bytes: Bytes| {
            bytes
                .try_into_mut()
                .unwrap_or_else(|shared| BytesMut::from(&shared[..]))
        };
        model = frozen.into_iter().map(back).collect();
    }
    let started = Instant::now();
    store.settle().await?;
    let settled = started.elapsed().as_secs_f64();
    let stats = store.stats().await?;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let later: f64 = seconds[1..].iter().sum::<f64>() / STEPS as f64;
    println!("one step, dense       {:9.1} MB", mb(dense as u64));
    println!("the store             {:9.1} MB", mb(stats.file_bytes()));
    println!("  its base            {:9.1} MB", mb(stats.base_bytes));
    println!(
        "  for each step       {:9.1} MB",
        mb(stats.file_bytes() - stats.base_bytes) / STEPS as f64
    );
    println!("recording the base    {:9.2} s", seconds[0]);
    println!("recording a step      {later:9.2} s, and {settled:.2} s at the end");
    println!("most memory so far    {:9.1} MB", mb(peak()));
    drop(store);

    let store = TemporalStore::open_read_only(&path, StoreOptions::default()).await?;
    let mut reading = 0.0;
    for step in [0, STEPS / 2, STEPS] {
        let started = Instant::now();
        let found = store.weights_at(step).await?;
        reading += started.elapsed().as_secs_f64() / 3.0;
        if step == STEPS {
            let pairs = found.checkpoint.tensors.iter().zip(&model);
            for (tensor, weights) in pairs {
                assert!(
                    tensor.data == weights[..],
                    "{} is not what was recorded",
                    tensor.name
                );
            }
        }
    }
    println!("reading a step        {reading:9.2} s");
    println!("most memory           {:9.1} MB", mb(peak()));
    for suffix in ["", ".lock"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    Ok(())
}

fn checkpoint(model: &[Bytes], rows: usize, cols: usize) -> Checkpoint {
    let tensor = |(i, data): (usize, &Bytes)| Tensor {
        name: format!("matrix.{i}"),
        dtype: Dtype::F32,
        shape: vec![rows, cols],
        data: data.clone(),
    };
    Checkpoint {
        tensors: model.iter().enumerate().map(tensor).collect(),
        ..Checkpoint::default()
    }
}

fn matrix(random: &mut Random, len: usize) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(4 * len);
    for _ in 0..len {
        bytes.extend_from_slice(&(0.02 * random.normal_like()).to_le_bytes());
    }
    bytes
}

fn change(random: &mut Random, weights: &mut BytesMut) {
    let len = weights.len() / 4;
    for _ in 0..len / SHARE {
        let at = 4 * (random.next() % len as u64) as usize;
        let bits = weights[at..at + 4].try_into().expect("four bytes");
        let weight = f32::from_le_bytes(bits) + 1e-4 * random.normal_like();
        weights[at..at + 4].copy_from_slice(&weight.to_le_bytes());
    }
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The sum of four even numbers in -0.5 to 0.5, made to have a variance of one.
    fn normal_like(&mut self) -> f32 {
        let bits = self.next();
        let part = |i: u64| ((bits >> (16 * i)) as u16) as f32 / 65536.0 - 0.5;
        (0..4).map(part).sum::<f32>() * 3f32.sqrt()
    }
}
