//! Volumes to look at, read by OpenVDB's own Python module and compared with a plain reading of the
//! run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use temporal_vdb::{
    Checkpoint, Dtype, Error, ErrorKind, Note, OpenVdbStorage, Progress, RecordOptions,
    StoreOptions, TemporalLayer, TemporalStore, Tensor, VolumeExport, VolumeOrder, VolumePool,
    VolumeScale, VolumeUp, VolumeValue,
};

use crate::tools::python;

const SHAPE: (usize, usize) = (37, 19);

/// Made-up states: step 0, then nine in which weights go up and down, further in some rows.
fn run() -> Vec<Vec<f32>> {
    let (rows, cols) = SHAPE;
    let mut state: Vec<f32> = (0..rows * cols).map(|i| (i % 13) as f32 * 0.25).collect();
    let mut run = vec![state.clone()];
    for step in 1..=9u32 {
        for (i, weight) in state.iter_mut().enumerate() {
            let (row, col) = ((i / cols) as u32, (i % cols) as u32);
            let hash = (row * 7919 + col * 104_729 + step * 1_299_709).wrapping_mul(2_654_435_761);
            if hash % 3 == 0 {
                let size = (1 + row % 5 + col % 3) as f32 / 64.0;
                *weight += if hash % 2 == 0 { size } else { -size };
            }
        }
        run.push(state.clone());
    }
    run
}

async fn stored(run: &[Vec<f32>], name: &str) -> TemporalStore {
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    for (step, state) in run.iter().enumerate() {
        let bytes: Vec<u8> = state.iter().flat_map(|w| w.to_le_bytes()).collect();
        let tensor = Tensor {
            name: name.to_owned(),
            dtype: Dtype::F32,
            shape: vec![SHAPE.0, SHAPE.1],
            data: bytes.into(),
        };
        let checkpoint = Checkpoint {
            tensors: vec![tensor],
            ..Checkpoint::default()
        };
        let recorded = store.record(Some(step), checkpoint, RecordOptions::default());
        recorded.await.unwrap();
    }
    store
}

/// One grid of a volume.
struct Fog {
    voxels: BTreeMap<[i64; 3], f64>,
    whole: Value,
}

/// Density, fall and rise.
fn read(path: &Path) -> Option<[Fog; 3]> {
    let printed = python("volume_reader.py", &[path.to_str().unwrap()])?;
    let grids: Vec<Value> = serde_json::from_slice(&printed).unwrap();
    let names: Vec<_> = grids
        .iter()
        .map(|grid| grid["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["density", "fall", "rise"]);
    let fogs = grids.into_iter().map(|grid| {
        assert_eq!(grid["class"], "fog volume");
        assert_eq!(grid["half"], true);
        assert_eq!(grid["background"], 0.0);
        assert_eq!(grid["uniform"], true);
        let voxels = grid["voxels"].as_array().unwrap().iter().map(|voxel| {
            let at = [0, 1, 2].map(|i| voxel[i].as_i64().unwrap());
            (at, voxel[3].as_f64().unwrap())
        });
        Fog {
            voxels: voxels.collect(),
            whole: grid,
        }
    });
    let fogs: Vec<_> = fogs.collect();
    Some(fogs.try_into().ok().unwrap())
}

/// What a volume is to show, computed without any of its code: rise and fall of each voxel.
fn plainly(
    run: &[Vec<f32>],
    value: VolumeValue,
    order: VolumeOrder,
    (rows_to, cols_to): (usize, usize),
    high: usize,
) -> BTreeMap<[i64; 3], (f64, f64)> {
    let (rows, cols) = SHAPE;
    let far = |from: &[f32], to: &[f32], i: usize| f64::from(to[i]) - f64::from(from[i]);
    let moved = |i: usize| match value {
        VolumeValue::Drift => {
            let last = (1..run.len()).rev().find(|t| run[*t][i] != run[*t - 1][i]);
            last.map_or(0.0, |t| far(&run[0], &run[t], i).abs())
        }
        VolumeValue::Change => (1..run.len())
            .map(|t| far(&run[t - 1], &run[t], i).abs())
            .sum(),
        VolumeValue::Activity => (1..run.len())
            .filter(|t| run[*t][i] != run[*t - 1][i])
            .count() as f64,
    };
    let sorted = |count: usize, of: &dyn Fn(usize) -> f64| -> Vec<usize> {
        let mut lines: Vec<usize> = (0..count).collect();
        if order == VolumeOrder::Activity {
            lines.sort_by(|a, b| of(*b).total_cmp(&of(*a)));
        }
        lines
    };
    let row_at = sorted(rows, &|row| {
        (0..cols).map(|col| moved(row * cols + col)).sum()
    });
    let col_at = sorted(cols, &|col| {
        (0..rows).map(|row| moved(row * cols + col)).sum()
    });
    let mut voxels = BTreeMap::new();
    for t in 1..run.len() {
        let from = if value == VolumeValue::Drift {
            &run[0]
        } else {
            &run[t - 1]
        };
        for x in 0..rows.div_ceil(rows_to) {
            for y in 0..cols.div_ceil(cols_to) {
                let (mut rise, mut fall, mut count) = (0.0, 0.0, 0.0);
                for row in row_at.iter().skip(x * rows_to).take(rows_to) {
                    for col in col_at.iter().skip(y * cols_to).take(cols_to) {
                        let mut way = far(from, &run[t], row * cols + col);
                        if value == VolumeValue::Activity && way != 0.0 {
                            way = way.signum();
                        }
                        rise += way.max(0.0);
                        fall += (-way).max(0.0);
                        count += 1.0;
                    }
                }
                for z in (t - 1) * high..t * high {
                    let at = [x as i64, y as i64, z as i64];
                    voxels.insert(at, (rise / count, fall / count));
                }
            }
        }
    }
    let mut sizes: Vec<f64> = voxels
        .values()
        .flat_map(|v| [v.0, v.1])
        .filter(|v| *v != 0.0)
        .collect();
    sizes.sort_by(f64::total_cmp);
    let scale = sizes[(0.995 * sizes.len() as f64).ceil() as usize - 1];
    let bright = |way: f64| {
        let bright = (way / scale).min(1.0).sqrt();
        if bright < 0.02 { 0.0 } else { bright }
    };
    voxels
        .into_iter()
        .map(|(at, v)| (at, (bright(v.0), bright(v.1))))
        .collect()
}

fn compare(found: &[Fog; 3], expected: &BTreeMap<[i64; 3], (f64, f64)>, what: &str) {
    let [density, fall, rise] = found;
    let shown = |fog: &Fog, at: &[i64; 3]| fog.voxels.get(at).copied().unwrap_or(0.0);
    let ends = |i: usize| expected.keys().map(|at| at[i] + 1).max().unwrap();
    let edges = [0, 1, 2].map(ends);
    let longest = *edges.iter().max().unwrap() as f64;
    let shortest = *edges.iter().min().unwrap() as f64 * 2.0 / longest;
    let all = expected.len() as f64;
    let mean = expected.values().map(|v| v.0 + v.1).sum::<f64>() / all;
    let dense = 1.5 / (mean * shortest);
    for (at, (up, down)) in expected {
        // 11 bits of a half, and as many of a scale.
        let near = |found: f64, value: f64| (found - value).abs() <= value * 2e-3 + 1e-6;
        // What is barely shown may be so or not.
        let faint = |value: f64| (value - 0.02).abs() < 1e-4;
        let (own_up, own_down) = (shown(rise, at), shown(fall, at));
        assert!(
            near(own_up, *up) || faint(*up),
            "{what} {at:?}: rise {own_up}, not {up}"
        );
        assert!(
            near(own_down, *down) || faint(*down),
            "{what} {at:?}: fall {own_down}, not {down}"
        );
        let (own, sum) = (shown(density, at), dense * (up + down));
        assert!(
            (own - sum).abs() <= sum * 4e-3 + 0.03 * dense,
            "{what} {at:?}: {own}, not {sum}"
        );
    }
    let depth = density.voxels.values().sum::<f64>() / all * shortest;
    assert!((depth - 1.5).abs() < 0.01, "{what}: optical depth {depth}");
    for fog in found {
        assert!(fog.voxels.keys().all(|at| expected.contains_key(at)));
        assert!(
            fog.voxels.values().all(|value| *value > 0.0),
            "what is 0 is inactive"
        );
        let ends =
            ["first", "second"].map(|end| [0, 1, 2].map(|i| fog.whole[end][i].as_f64().unwrap()));
        let voxel = 2.0 / longest;
        for i in 0..3 {
            assert!((ends[1][i] - ends[0][i] - voxel).abs() < 1e-9, "{what}");
            let middle = ends[0][i] + 0.5 * (edges[i] - 1) as f64 * voxel;
            assert!(middle.abs() < 1e-9, "{what}: centred");
        }
    }
}

#[tokio::test]
async fn a_volume_shows_what_a_plain_reading_of_the_run_says() {
    let run = run();
    let store = stored(&run, "fc1").await;
    let layer = store.layer("fc1").await.unwrap();
    let grid = layer.grid(0..=9, Default::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let values = [
        VolumeValue::Drift,
        VolumeValue::Change,
        VolumeValue::Activity,
    ];
    for value in values {
        for order in [VolumeOrder::Activity, VolumeOrder::Index] {
            for (pool, by) in [
                (VolumePool::Auto, (1, 1)),
                (
                    VolumePool::By {
                        rows: 4,
                        cols: 3,
                        steps: 1,
                    },
                    (4, 3),
                ),
            ] {
                let what = format!("{value:?}, {order:?}, {by:?}");
                let export = VolumeExport::new()
                    .value(value)
                    .order(order)
                    .pool(pool)
                    .time_scale(2);
                let own = folder.path().join("a.vdb");
                export
                    .write(&[&layer], &own, &Progress::default())
                    .await
                    .unwrap();
                let Some(found) = read(&own) else {
                    return;
                };
                compare(&found, &plainly(&run, value, order, by, 2), &what);
                if by == (1, 1) {
                    continue;
                }
                // In memory it is the same.
                let other = folder.path().join("b.vdb");
                export
                    .write(&[&grid], &other, &Progress::default())
                    .await
                    .unwrap();
                let [_, fall, rise] = read(&other).unwrap();
                assert_eq!(
                    (&fall.voxels, &rise.voxels),
                    (&found[1].voxels, &found[2].voxels),
                    "{what}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_picture_of_a_run_is_not_that_of_its_shuffled_self() {
    let run = run();
    let mut shuffled = run.clone();
    for state in &mut shuffled[1..] {
        let len = state.len();
        *state = (0..len).map(|i| state[i * 100 % len]).collect(); // 100 and 703 share no divisor
    }
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (i, run) in [run, shuffled].iter().enumerate() {
        let store = stored(run, "fc1").await;
        let layer = store.layer("fc1").await.unwrap();
        let path = folder.path().join(format!("{i}.vdb"));
        VolumeExport::new()
            .write(&[&layer], &path, &Progress::default())
            .await
            .unwrap();
        let Some(fogs) = read(&path) else { return };
        found.push(fogs);
    }
    let [own, other] = [&found[0][2].voxels, &found[1][2].voxels];
    let all = own.keys().chain(other.keys());
    let differ = |at: &&[i64; 3]| {
        (own.get(*at).unwrap_or(&0.0) - other.get(*at).unwrap_or(&0.0)).abs() > 0.1
    };
    let count = all.clone().filter(differ).count();
    assert!(count * 2 > all.count(), "{count}");
}

#[tokio::test]
async fn time_stands_upright_along_y_and_nothing_is_mirrored() {
    let run = run();
    let store = stored(&run, "fc1").await;
    let layer = store.layer("fc1").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for up in [VolumeUp::Z, VolumeUp::Y] {
        let path = folder.path().join(format!("{up:?}.vdb"));
        let export = VolumeExport::new()
            .up(up)
            .order(VolumeOrder::Index)
            .time_scale(1);
        export
            .write(&[&layer], &path, &Progress::default())
            .await
            .unwrap();
        let Some(fogs) = read(&path) else { return };
        found.push(fogs);
    }
    // A quarter turn about x.
    let turned =
        |(at, value): (&[i64; 3], &f64)| ([at[0], at[2], SHAPE.1 as i64 - 1 - at[1]], *value);
    for (upright, lying) in found[0].iter().zip(&found[1]) {
        let expected: BTreeMap<_, _> = upright.voxels.iter().map(turned).collect();
        assert_eq!(expected, lying.voxels);
    }
}

#[tokio::test]
async fn layers_lie_side_by_side_and_say_what_they_are() {
    let run = run();
    let store = stored(&run, "fc1").await;
    let other = store
        .create_layer("later/on", Dtype::F32, 5, 4)
        .await
        .unwrap();
    let changes =
        temporal_vdb::Delta::from_triplets(5, 4, vec![(1, 2, 0.5), (3, 3, -0.25)]).unwrap();
    other.store_changes(10, &changes).await.unwrap();
    let layer = store.layer("fc1").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.vdb");
    let notes = BTreeMap::from([
        ("Loss/val".to_owned(), Note::Number(0.25)),
        ("who".to_owned(), Note::Text("me".to_owned())),
    ]);
    let export = VolumeExport::new().run("tiny").notes(10, notes);
    let volume = export
        .write(&[&layer, &other], &path, &Progress::default())
        .await
        .unwrap();
    assert_eq!(volume.steps, (1..=10).collect::<Vec<_>>());
    assert_eq!(volume.layers.len(), 2);
    let order = std::fs::read(volume.order.unwrap()).unwrap();
    let order: Value = serde_json::from_slice(&order).unwrap();
    let mut rows: Vec<u64> = serde_json::from_value(order["layers"][0]["rows"].clone()).unwrap();
    rows.sort_unstable();
    assert_eq!(rows, (0..37).collect::<Vec<_>>());
    assert_eq!(order["layers"][1]["layer"], "later/on");
    let Some([density, _, _]) = read(&path) else {
        return;
    };
    let metadata = &density.whole["metadata"];
    let expected = [
        ("run", Value::from("tiny")),
        ("temporal_vdb_picture", Value::from(1)),
        ("layers", Value::from(2)),
        ("layer_1", Value::from("fc1")),
        ("rows_1", Value::from(37)),
        ("cols_2", Value::from(4)),
        ("pool_2", Value::from("1x1x1")),
        ("steps", Value::from("1-10")),
        ("base_step", Value::from(0)),
        ("first_step", Value::from(1)),
        ("last_step", Value::from(10)),
        ("note_loss_val", Value::from(0.25)),
        ("note_who", Value::from("me")),
    ];
    for (key, value) in expected {
        assert_eq!(metadata[key], value, "{key}");
    }
    for key in metadata.as_object().unwrap().keys() {
        let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
        // One that OpenVDB itself writes begins so.
        let own = !key.starts_with("is_") || key == "is_saved_as_half_float";
        assert!(own && key.chars().all(plain), "{key}");
    }
    // The layer that came later lies beside the other one, and shows its two weights at the last step.
    let fc1 = |at: &[i64; 3]| at[0] < 37 && at[1] < 19;
    let count = density.voxels.keys().filter(|at| !fc1(at)).count();
    let per_step = metadata["voxels_per_step"].as_f64().unwrap() as usize;
    assert_eq!(count, 2 * per_step);
}

#[tokio::test]
async fn frames_have_one_scale_one_place_and_an_afterglow() {
    let mut run = run();
    // Nothing moves in step 5, and step 9 only has one weight.
    run[5] = run[4].clone();
    let store = stored(&run, "fc1").await;
    let layer = store.layer("fc1").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = VolumeExport::new().order(VolumeOrder::Index).gamma(1.0);
    let path = folder.path().join("model.vdb");
    let volume = export
        .write_frames(&[&layer], &path, &Progress::default())
        .await
        .unwrap();
    let names: Vec<PathBuf> = (1..=9)
        .map(|i| folder.path().join(format!("model.000{i}.vdb")))
        .collect();
    assert_eq!(volume.files, names);
    let scale = f64::from(volume.layers[0].scale);
    let mut glow = vec![(0.0f64, 0.0f64); SHAPE.0 * SHAPE.1];
    let mut place = None;
    for (i, name) in names.iter().enumerate() {
        let Some([density, fall, rise]) = read(name) else {
            return;
        };
        let metadata = &rise.whole["metadata"];
        assert_eq!(
            (&metadata["frame"], &metadata["step"]),
            (&Value::from(i + 1), &Value::from(i + 1))
        );
        let own = [&density, &fall, &rise].map(|fog| {
            let low = [0, 1, 2].map(|k| fog.voxels.keys().map(|at| at[k]).min().unwrap());
            let high = [0, 1, 2].map(|k| fog.voxels.keys().map(|at| at[k]).max().unwrap());
            (
                low,
                high,
                fog.whole["first"].clone(),
                fog.whole["second"].clone(),
            )
        });
        assert!(
            own[0] == own[1] && own[1] == own[2],
            "one box for all grids"
        );
        assert_eq!(
            place.get_or_insert(own[0].clone()),
            &own[0],
            "and all frames"
        );
        for (at, glow) in glow.iter_mut().enumerate() {
            let way = f64::from(run[i + 1][at]) - f64::from(run[i][at]);
            glow.0 = way.max(0.7 * glow.0);
            glow.1 = (-way).max(0.7 * glow.1);
            let (row, col) = ((at / SHAPE.1) as i64, (at % SHAPE.1) as i64);
            // Row 0 is uppermost.
            let at = [0, col, SHAPE.0 as i64 - 1 - row];
            for (fog, own) in [(&rise, glow.0), (&fall, glow.1)] {
                let bright = (own / scale).min(1.0);
                let shown = fog.voxels.get(&at).copied().unwrap_or(0.0);
                let faint = bright < 0.0201 && (shown == 0.0 || shown < 0.0202);
                assert!(
                    faint || (shown - bright).abs() < 2e-3,
                    "{i} {at:?}: {shown}, not {bright}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_and_leaves_nothing() {
    let run = run();
    let store = stored(&run, "fc1").await;
    let layer = store.layer("fc1").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vdb");
    let new = VolumeExport::new;
    let refused = [
        new().gamma(0.0),
        new().gamma(f32::NAN),
        new().scale(VolumeScale::Fixed(-1.0)),
        new().scale(VolumeScale::Fixed(1e9)), // nothing would be seen
        new().size(0.0),
        new().size(f64::INFINITY),
        new().every(0),
        new().time_scale(0),
        new().time_scale(5000),
        new().pool(VolumePool::By {
            rows: 0,
            cols: 1,
            steps: 1,
        }),
        new().limit_bytes(1000),
    ];
    for export in refused {
        let error = export
            .write(&[&layer], &path, &Progress::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let error = new()
        .write(&[&layer], folder.path().join("a.png"), &Progress::default())
        .await;
    assert!(matches!(
        error,
        Err(Error::InvalidVolume { option: "file", .. })
    ));
    let pool = VolumePool::By {
        rows: 1,
        cols: 1,
        steps: 2,
    };
    let error = new()
        .pool(pool)
        .write_frames(&[&layer], &path, &Progress::default())
        .await;
    assert!(matches!(
        error,
        Err(Error::InvalidVolume { option: "pool", .. })
    ));
    let still = OpenVdbStorage::new("still", 3, 3).unwrap();
    for export in [new(), new().times(9..=9)] {
        let error = export.write(&[&still], &path, &Progress::default()).await;
        assert!(matches!(error, Err(Error::NothingMoves { .. })));
    }
    let error = new().write(&[], &path, &Progress::default()).await;
    assert!(matches!(error, Err(Error::NothingMoves { layers: 0, .. })));
    let stopped = Progress::default();
    stopped.cancel();
    for frames in [false, true] {
        let error = match frames {
            false => new().write(&[&layer], &path, &stopped).await,
            true => new().write_frames(&[&layer], &path, &stopped).await,
        };
        assert!(matches!(error, Err(Error::Cancelled)));
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    std::fs::write(
        folder.path().join("a.0010.vdb"),
        "a frame of a longer sequence",
    )
    .unwrap();
    let error = new()
        .write_frames(&[&layer], &path, &Progress::default())
        .await;
    assert!(matches!(error, Err(Error::StaleFrames { .. })));
}

#[tokio::test]
async fn a_weight_that_becomes_infinite_goes_no_way_that_could_be_shown() {
    let mut run = run();
    run[4][5] = f32::INFINITY;
    run[5][6] = f32::NAN;
    let store = stored(&run, "fc1").await;
    let layer = store.layer("fc1").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = VolumeExport::new().value(VolumeValue::Change);
    let path = folder.path().join("a.vdb");
    let volume = export
        .write(&[&layer], &path, &Progress::default())
        .await
        .unwrap();
    assert_eq!(volume.layers[0].left_out, 4, "there and back, twice");
    assert!(volume.layers[0].scale < 1.0);
}
