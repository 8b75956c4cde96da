//! Our `.vdb` files as others see them, and theirs as we do: OpenVDB's Python module and `vdb_print`
//! read what we write, and we read what the module writes.

use std::path::Path;

use serde_json::{Value, json};
use temporal_vdb::{Change, Delta, Error, ErrorKind, Layer, Ring, SparseWeights, StorageOptions};

use crate::tools::{self, tool};

fn python(arguments: &[&str]) -> Option<Vec<u8>> {
    tools::python("independent_reader.py", arguments)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A run with gaps, odd bits and marks.
fn example(options: StorageOptions) -> Layer {
    let (rows, cols) = (20, 140);
    let mut layer = Layer::new("block.0/attn", rows, cols, options).unwrap();
    let base = [
        (0, 0, -0.0),
        (19, 139, f32::from_bits(0x7fc0_1234)),
        (5, 6, 1.5),
    ];
    layer
        .store_base(&SparseWeights::from_triplets(rows, cols, base).unwrap())
        .unwrap();
    for step in [1, 2, 3, 7, 8, 300, 5000] {
        let weight = |row: i32, col: i32| (row % rows, col % cols);
        let changes = [
            (
                weight(step, 3 * step),
                Change {
                    delta: step as f32 * 0.1,
                    exact: None,
                },
            ),
            (
                weight(5, 6),
                Change {
                    delta: -0.25,
                    exact: None,
                },
            ),
            (
                weight(6, step),
                Change {
                    delta: 1.0,
                    exact: (step == 8).then_some(f32::INFINITY),
                },
            ),
        ];
        let delta = Delta::from_changes(rows, cols, changes).unwrap();
        layer.store_changes(step as usize, &delta).unwrap();
    }
    layer
}

/// What an outsider must find: voxels [row, col, z, bits], base and slices.
fn expected_voxels(layer: &Layer) -> Value {
    let mut voxels = Vec::new();
    for ((row, col), value) in layer.weights_at_time(layer.oldest()).unwrap().iter() {
        voxels.push(json!([row, col, 0, value.to_bits()]));
    }
    for (step, delta) in layer.recent_deltas(usize::MAX).unwrap() {
        for voxel in delta.deltas() {
            voxels.push(json!([voxel.row, voxel.col, step, voxel.value.to_bits()]));
        }
    }
    voxels.sort_by_key(|voxel| [0, 1, 2].map(|i| voxel[i].as_i64().unwrap()));
    Value::Array(voxels)
}

#[test]
fn an_independent_reader_finds_exactly_our_voxels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.vdb");
    let ring = StorageOptions {
        ring: Some(Ring::new(300).unwrap()),
        ..StorageOptions::default()
    };
    for (options, oldest, steps, marks) in [
        (StorageOptions::default(), 0, "1-3,7-8,300,5000", 1),
        (ring, 300, "5000", 0),
    ] {
        let layer = example(options);
        layer.export_vdb(&path).unwrap();
        let Some(output) = python(&["read", text(&path)]) else {
            return;
        };
        let grids: Value = serde_json::from_slice(&output).unwrap();
        let grid = &grids[0];
        assert_eq!(grid["name"], "block.0/attn");
        assert_eq!(grid["type"], "FloatGrid");
        assert_eq!(grid["value_type"], "float");
        assert_eq!(
            (&grid["background"], &grid["half"]),
            (&json!(0.0), &json!(false))
        );
        let metadata = &grid["metadata"];
        assert_eq!(metadata["temporal_vdb_format"], 2);
        assert_eq!(
            metadata["temporal_vdb_digest"], grid["digest"],
            "as is documented"
        );
        assert_eq!(metadata["temporal_vdb_marks"], marks);
        let creator = concat!("temporal-vdb ", env!("CARGO_PKG_VERSION"));
        assert_eq!(metadata["creator"], creator);
        let own = metadata.as_object().unwrap().keys();
        for key in own.filter(|key| !key.starts_with("file_") && !key.starts_with("is_")) {
            let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
            assert!(key.bytes().all(plain), "{key}");
        }
        assert_eq!(
            (
                &metadata["temporal_vdb_rows"],
                &metadata["temporal_vdb_cols"]
            ),
            (&json!(20), &json!(140))
        );
        assert_eq!(metadata["temporal_vdb_oldest"], oldest.to_string());
        assert_eq!(metadata["temporal_vdb_steps"], steps);
        assert_eq!(grid["voxels"], expected_voxels(&layer));
        assert_eq!(grids.as_array().unwrap().len(), 1 + marks);
        if marks > 0 {
            assert_eq!(grids[1]["name"], "block.0/attn.exact");
            assert_eq!(
                grids[1]["voxels"],
                json!([[6, 8, 8, f32::INFINITY.to_bits()]])
            );
        }
    }
}

#[test]
fn vdb_print_accepts_our_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.vdb");
    example(StorageOptions::default())
        .export_vdb(&path)
        .unwrap();
    let Some(output) = tool("vdb_print", &["-l", text(&path)]) else {
        return;
    };
    let listing = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{listing}");
    assert!(
        listing.contains("block.0/attn") && listing.contains("temporal_vdb_steps"),
        "{listing}"
    );
}

#[test]
fn a_layer_comes_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.vdb");
    let mut layer = example(StorageOptions::default());
    for _ in 0..2 {
        layer.export_vdb(&path).unwrap();
        let back = Layer::open_vdb(&path, Some("block.0/attn"), StorageOptions::default()).unwrap();
        assert_eq!(
            (back.name(), back.shape(), back.steps()),
            (layer.name(), layer.shape(), layer.steps())
        );
        assert_eq!(back.oldest(), layer.oldest());
        for t in [layer.oldest(), 8, 300, 5000] {
            assert_eq!(
                back.weights_at_time(t).unwrap(),
                layer.weights_at_time(t).unwrap()
            );
        }
        assert_eq!(
            back.recent_deltas(9).unwrap(),
            layer.recent_deltas(9).unwrap()
        );
        layer.prune_history(3).unwrap(); // and once more with the base at step 7
    }
}

/// The companion grid is known by the layer it belongs to, not by its name alone: a layer called
/// `gate.exact` could once not be read back.
#[test]
fn a_layer_may_have_a_companion_s_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.vdb");
    let mut layer = Layer::new("gate.exact", 2, 2, StorageOptions::default()).unwrap();
    for step in 1..=2 {
        let exact = (step == 2).then_some(f32::NAN);
        let change = Change { delta: 1.0, exact };
        layer
            .store_changes(
                step,
                &Delta::from_changes(2, 2, [((0, 1), change)]).unwrap(),
            )
            .unwrap();
        layer.export_vdb(&path).unwrap();
        let back = Layer::open_vdb(&path, None, StorageOptions::default()).unwrap();
        assert_eq!(
            (back.name(), back.has_exact_marks()),
            ("gate.exact", step == 2)
        );
    }
}

#[test]
fn a_file_that_knows_only_the_base_opens_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.vdb");
    if python(&["write", "base", text(&path)]).is_none() {
        return;
    }
    let mut layer = Layer::open_vdb(&path, None, StorageOptions::default()).unwrap();
    assert_eq!(
        (layer.shape(), layer.steps(), layer.oldest()),
        ((19, 295), vec![], 0)
    );
    let expected = (0..20).step_by(3).flat_map(|row| {
        (0..300)
            .step_by(7)
            .map(move |col| (row, col, row as f32 + col as f32 / 8.0))
    });
    let expected = SparseWeights::from_triplets(19, 295, expected).unwrap();
    assert_eq!(layer.weights_at_time(0).unwrap(), expected);
    layer
        .store_changes(1, &Delta::from_triplets(19, 295, [(0, 0, 1.0)]).unwrap())
        .unwrap();
}

#[test]
fn active_tiles_of_others_are_voxels_to_us() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.vdb");
    if python(&["write", "layer", text(&path)]).is_none() {
        return;
    }
    let mut layer = Layer::open_vdb(&path, None, StorageOptions::default()).unwrap();
    assert_eq!(layer.steps(), [1, 2, 3, 4, 5, 6, 7, 8, 20]);
    let state = layer.dense_at_time(7).unwrap();
    assert!(
        state.values.iter().all(|&value| value == 2.0),
        "the base and seven deltas of 0.25"
    );
    assert_eq!(layer.get_delta_layer(20).unwrap().len(), 1);
    layer.prune_history(0).unwrap();
    assert_eq!(layer.weights_at_time(20).unwrap().get(3, 4), Some(1.0));
    assert_eq!(layer.figures().unwrap().leaves, 4);
}

#[test]
fn foreign_files_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.vdb");
    for (kind, reason) in [
        ("vectors", "no float grid, but 'made', a Tree_vec3s_5_4_3"),
        ("sphere", "background"),
        ("below", "from row -1, column 0, step 0 on, below (0, 0, 0)"),
        ("nothing", "holds no voxel"),
        ("background", "has background 1"),
        ("beyond", "beyond 4 rows, 4 columns"),
        ("infinite", "the delta inf at (0, 1, 2)"),
        ("unlisted", "voxels at step 5, which is not in its list"),
        ("newer", "format version 99"),
        ("disordered", "does not ascend"),
        ("many-steps", "more than 16777216 steps"),
        ("far-steps", "step 3000000000, and steps end at 2147483646"),
        ("huge-tile", "tiles that stand for 68719476736 voxels"),
        (
            "picture",
            "is a picture made by `tvdb export`: export with --exact",
        ),
    ] {
        if python(&["write", kind, text(&path)]).is_none() {
            return;
        }
        let Err(error) = Layer::open_vdb(&path, None, StorageOptions::default()) else {
            panic!("{kind} was opened")
        };
        assert_eq!(error.kind(), ErrorKind::BadFile, "{kind}: {error}");
        let message = error.to_string();
        assert!(
            message.contains(reason) && message.contains("foreign.vdb"),
            "{kind}: {message}"
        );
    }
    python(&["write", "base", text(&path)]);
    let unknown = Layer::open_vdb(&path, Some("other"), StorageOptions::default())
        .err()
        .unwrap();
    assert!(
        unknown.to_string().contains("no grid 'other', but 'made'"),
        "{unknown}"
    );
}

/// Only z = 0 could be read of such a grid.
#[test]
fn a_grid_that_knows_nothing_of_steps_has_one_at_each_z() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.vdb");
    if python(&["write", "steps-without-metadata", text(&path)]).is_none() {
        return;
    }
    let layer = Layer::open_vdb(&path, None, StorageOptions::default()).unwrap();
    assert_eq!((layer.oldest(), layer.steps()), (0, vec![5, 700]));
    let history = [(0, 0.5), (5, 1.5), (700, 1.25)];
    assert_eq!(layer.weight_history(2, 3).unwrap(), history);
}

#[test]
fn steps_can_be_told_by_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ordinal.vdb");
    if python(&["write", "ordinal", text(&path)]).is_none() {
        return;
    }
    let layer = Layer::open_vdb(&path, None, StorageOptions::default()).unwrap();
    let history = [(0, 1.0), (7, 1.5), (2147483646, 1.75)];
    assert_eq!(layer.weight_history(1, 2).unwrap(), history);
}

/// A companion that was left out, or a name that was changed, gave other weights without a word; of two
/// grids of one name the first was taken; keys that another program had merged into a grid, with 0, made
/// it unreadable.
#[test]
fn what_others_made_of_a_layer_is_that_layer_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (own, path) = (
        folder.path().join("own.vdb"),
        folder.path().join("file.vdb"),
    );
    let mut layer = Layer::new("made", 20, 140, StorageOptions::default()).unwrap();
    for step in 1..=3 {
        let change = |delta, exact| Change { delta, exact };
        let changes = [
            ((1, 2), change(0.5, None)),
            ((9, 130), change(1.0, Some(step as f32 / 3.0))),
        ];
        let delta = Delta::from_changes(20, 140, changes).unwrap();
        layer.store_changes(step, &delta).unwrap();
    }
    layer.export_vdb(&own).unwrap();
    let open = |name| Layer::open_vdb(&path, name, StorageOptions::default());
    for kind in ["same", "merged", "others-beside"] {
        if python(&["alter", kind, text(&own), text(&path)]).is_none() {
            return;
        }
        let back = open(Some("made")).unwrap();
        assert_eq!(
            back.weights_at_time(3).unwrap(),
            layer.weights_at_time(3).unwrap()
        );
        assert_eq!(
            back.recent_deltas(9).unwrap(),
            layer.recent_deltas(9).unwrap()
        );
        if kind == "merged" {
            let plain = open(Some("plain")).unwrap();
            assert_eq!((plain.shape(), plain.steps()), ((2, 3), vec![]));
        } else {
            open(None).unwrap();
        }
    }
    for (kind, reason) in [
        (
            "dropped",
            "grid 'made' has 3 exact marks, and the file has no grid 'made.exact'",
        ),
        (
            "marks-alone",
            "grid 'made.exact' holds exact marks of a layer",
        ),
        (
            "renamed",
            "grid 'density' has 3 exact marks, and the file has no grid 'density.exact'",
        ),
        (
            "marks-renamed",
            "grid 'made' has 3 exact marks, and the file has no grid 'made.exact'",
        ),
        ("half", "grid 'made' was saved with 16-bit floats"),
        (
            "marks-half",
            "grid 'made.exact' was saved with 16-bit floats",
        ),
        ("twice", "the file holds 2 grids named 'made'"),
        ("marks-twice", "the file holds 2 grids named 'made.exact'"),
        ("weight", "its digest is another"),
        ("mark", "its digest is another"),
        ("mark-gone", "its digest is another"),
        ("shape", "its digest is another"),
        ("steps", "its digest is another"),
        (
            "first-version",
            "format version 1, and version 2 is the one that is read",
        ),
    ] {
        python(&["alter", kind, text(&own), text(&path)]);
        let error = open(None)
            .err()
            .unwrap_or_else(|| panic!("{kind} was opened"));
        assert_eq!(error.kind(), ErrorKind::BadFile, "{kind}: {error}");
        let message = error.to_string();
        assert!(message.contains(reason), "{kind}: {message}");
    }
}

/// Without Blosc nothing in the data itself said how much of it there should be, and a file that was cut
/// off could give other weights.
#[test]
fn a_file_that_is_cut_off_is_refused_wherever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.vdb");
    example(StorageOptions::default())
        .export_vdb(&path)
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    let ends = (0..200)
        .chain((200..whole.len()).step_by(37))
        .chain([whole.len() - 1]);
    for end in ends {
        std::fs::write(&path, &whole[..end]).unwrap();
        let error = Layer::open_vdb(&path, None, StorageOptions::default())
            .err()
            .unwrap_or_else(|| panic!("{end} of {} bytes were opened", whole.len()));
        assert!(matches!(error, Error::NotALayer { .. }), "{end}: {error:?}");
    }
}

/// Whatever byte is another: it is an error, or nothing that matters. (In the name of the key that says
/// the format, it made a plain grid of a layer, which had no marks then.)
#[test]
fn a_byte_that_is_another_gives_no_other_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.vdb");
    let layer = example(StorageOptions::default());
    layer.export_vdb(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    let places = (0..1500).chain((1500..whole.len()).step_by(53));
    for at in places.filter(|at| *at < whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        match Layer::open_vdb(&path, None, StorageOptions::default()) {
            Ok(back) => {
                assert_eq!(back.name(), layer.name(), "byte {at}");
                assert_eq!(
                    back.recent_deltas(9).unwrap(),
                    layer.recent_deltas(9).unwrap()
                );
                for t in [0, 8, 5000] {
                    let same =
                        back.weights_at_time(t).unwrap() == layer.weights_at_time(t).unwrap();
                    assert!(same, "byte {at}");
                }
            }
            Err(error) => {
                refused += 1;
                assert!(
                    matches!(error, Error::NotALayer { .. }),
                    "byte {at}: {error:?}"
                );
            }
        }
    }
    assert!(refused > 500, "{refused}");
}

/// Files that OpenVDB 13.0.0 wrote itself: a FloatGrid "base" with i + 0.5 at (i, 2i, 0), and with it
/// an empty HalfGrid "half", of which older versions have not heard.
#[test]
fn files_of_the_newest_format_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/openvdb_13");
    let open =
        |name: &str| Layer::open_vdb(&folder.join(name), Some("base"), StorageOptions::default());
    let check = |layer: &Layer| {
        let base = layer.weights_at_time(0).unwrap();
        let weights = [(0, 0, 0.5), (1, 2, 1.5), (2, 4, 2.5)];
        assert_eq!(base, SparseWeights::from_triplets(3, 5, weights).unwrap());
    };
    let layer = open("floats.vdb").unwrap();
    check(&layer);
    // OpenVDB 10 does not know the type of the other grid, and is not asked for it.
    check(&open("half.vdb").unwrap());

    // What comes from the newest can be read by the oldest again.
    let again = tempfile::tempdir().unwrap();
    let path = again.path().join("again.vdb");
    layer.export_vdb(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[8..12], 224u32.to_le_bytes());
}

#[test]
fn files_that_are_no_vdb_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.vdb");
    for bytes in [&b""[..], b"PK\x03\x04", b"row,col\n1,2\n", &[0u8; 4096]] {
        std::fs::write(&path, bytes).unwrap();
        let error = Layer::open_vdb(&path, None, StorageOptions::default())
            .err()
            .unwrap();
        assert!(matches!(error, Error::NotALayer { .. }), "{error:?}");
    }
    let error = Layer::open_vdb(
        &folder.path().join("none.vdb"),
        None,
        StorageOptions::default(),
    )
    .err()
    .unwrap();
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    );
    let error = Layer::open_vdb(folder.path(), None, StorageOptions::default())
        .err()
        .unwrap();
    assert!(
        matches!(error.kind(), ErrorKind::Io | ErrorKind::BadFile),
        "a folder: {error}"
    );
}
