use safetensors::tensor::Dtype;

use super::{Folder, Model};

/// A store in which only the matrix of floats moves, by numbers that can be shown.
fn moving() -> Folder {
    let folder = Folder::new();
    let mut model = Model::of_any_bits(&[("fc1.weight", Dtype::F32, &[40, 50])]);
    let mut step = |name: &str, value: &dyn Fn(usize) -> f32| {
        model.tensors[0].data = (0..2000).flat_map(|i| value(i).to_le_bytes()).collect();
        folder.write(name, model.file());
        let note = format!("loss=0.{name}");
        folder.ok(&["record", "run.tvdb", name, "--note", &note]);
    };
    step("0", &|i| i as f32);
    step("1", &|i| i as f32 + 0.5);
    step("2", &|i| if i % 2 == 0 { i as f32 } else { i as f32 + 1.0 });
    step("3", &|i| if i % 2 == 0 { i as f32 - 2.0 } else { i as f32 });
    folder
}

#[test]
fn a_volume_is_written_and_told() {
    let folder = moving();
    let told = folder.ok(&["export", "run.tvdb", "-o", "run.vdb"]);
    assert!(
        told.starts_with("1 layer, 3 steps (1 to 3) -> run.vdb (40 x 50 x 48 voxels, "),
        "{told}"
    );
    assert!(
        told.contains("rows and columns by how far they moved: run.order.json"),
        "{told}"
    );
    assert_eq!(
        &folder.read("run.vdb")[..4],
        b" BDV",
        "OpenVDB's magic number"
    );
    let told = folder.json(&[
        "export", "run.tvdb", "fc1*", "-o", "run.vdb", "--from", "1", "--order", "index",
    ]);
    assert_eq!(told["base"], 1);
    assert_eq!(told["steps"], serde_json::json!([2, 3]));
    assert_eq!(told["order"], serde_json::Value::Null);
    assert_eq!(told["layers"][0]["pool"], serde_json::json!([1, 1, 1]));
}

#[test]
fn frames_are_told_as_houdini_takes_them() {
    let folder = moving();
    let told = folder.ok(&["export", "run.tvdb", "-o", "run.vdb", "--frames", "--look"]);
    assert!(told.contains("3 frames, run.0001.vdb"), "{told}");
    assert!(
        told.contains("Houdini: run.$F4.vdb, frames 1 to 3"),
        "{told}"
    );
    assert!(told.contains("blender --python run.blender.py"), "{told}");
    for name in [
        "run.0001.vdb",
        "run.0003.vdb",
        "run.usda",
        "run.blender.py",
        "run.order.json",
    ] {
        assert!(folder.path(name).is_file(), "{name}");
    }
    assert!(!folder.path("run.0004.vdb").exists() && !folder.path("run.vdb").exists());
    // A shorter sequence of the same name would be followed by frames of this one.
    folder.refuses(
        &[
            "export", "run.tvdb", "-o", "run.vdb", "--frames", "--to", "2",
        ],
        &["run.0003.vdb", "longer sequence"],
    );
}

#[test]
fn what_is_asked_for_wrongly_is_refused_and_leaves_no_file() {
    let folder = moving();
    let names = || {
        let entries = std::fs::read_dir(folder.path("")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // Whoever reads a store may leave files of SQLite's beside it.
        let mut names: Vec<_> = names.filter(|name| !name.starts_with("run.tvdb")).collect();
        names.sort();
        names
    };
    let before = names();
    let refused: [(&[&str], &[&str]); 6] = [
        (
            &["-o", "run.png"],
            &["ends in .vdb", "hint: name the volume"],
        ),
        (&["-o", "run.vdb", "--gamma", "0"], &["gamma 0"]),
        (&["-o", "run.vdb", "--size", "-1"], &["size -1"]),
        (&["-o", "run.vdb", "--pool", "0x1x1"], &["pool 0x1x1"]),
        (
            &["-o", "run.vdb", "fc9.weight"],
            &["no layer 'fc9.weight'", "fc1.weight"],
        ),
        (&["-o", "run.vdb", "--from", "3"], &["nothing to show"]),
    ];
    for (arguments, words) in refused {
        folder.refuses(&[&["export", "run.tvdb"], arguments].concat(), words);
    }
    for wrong in [
        &["--scale", "large"][..],
        &["--pool", "4"],
        &["--exact", "--frames"],
        &["--frames", "--time-scale", "3"],
        &["--value", "speed"],
    ] {
        folder.fails(
            2,
            &[&["export", "run.tvdb", "-o", "run.vdb"], wrong].concat(),
        );
    }
    assert_eq!(names(), before);
}

#[test]
fn values_that_no_float_can_tell_are_counted() {
    let folder = Folder::recorded(3);
    let told = folder.ok(&["export", "run.tvdb", "-o", "run.vdb"]);
    assert!(told.starts_with("2 layers, 2 steps (1 to 2)"), "{told}");
    assert!(
        told.contains("movements from or to NaN or infinity are not shown"),
        "{told}"
    );
}

#[test]
fn a_volume_that_would_be_large_is_refused_unless_it_is_forced() {
    let folder = Folder::new();
    let mut model = Model::of_any_bits(&[("wide", Dtype::F32, &[300, 400])]);
    for step in 0..2u8 {
        let value = f32::from(step);
        model.tensors[0].data = (0..120_000).flat_map(|_| value.to_le_bytes()).collect();
        folder.write("next", model.file());
        folder.ok(&["record", "run.tvdb", "next"]);
    }
    let large = [
        "export",
        "run.tvdb",
        "-o",
        "run.vdb",
        "--pool",
        "1x1x1",
        "--time-scale",
        "800",
    ];
    folder.refuses(&large, &["up to 576.0 MB", "--force"]);
    assert!(!folder.path("run.vdb").exists());
}
