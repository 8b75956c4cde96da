//! Bad input that is about more than one call of the trait: what it gets, and that nothing changed.

use std::path::Path;

use temporal_vdb::{
    Delta, Error, ErrorKind, Layer, OpenVdbStorage, Region, Retention, Ring, SparseWeights,
    StorageOptions, Tier,
};

fn layer() -> Layer {
    let mut layer = Layer::new("w", 4, 4, StorageOptions::default()).unwrap();
    layer
        .store_changes(2, &Delta::from_triplets(4, 4, [(0, 0, 1.0)]).unwrap())
        .unwrap();
    layer
        .store_changes(
            5,
            &Delta::from_triplets(4, 4, [(0, 0, 1.0), (3, 3, -0.0)]).unwrap(),
        )
        .unwrap();
    layer
        .store_changes(9, &Delta::from_triplets(4, 4, [(1, 2, 4.0)]).unwrap())
        .unwrap();
    layer
}

#[test]
fn a_layer_has_rows_and_columns() {
    for (rows, cols) in [(0, 1), (1, 0), (-3, 5), (i32::MIN, i32::MAX)] {
        let error = OpenVdbStorage::new("w", rows, cols).unwrap_err();
        assert!(
            matches!(error, Error::InvalidShape { rows: r, cols: c } if (r, c) == (rows, cols))
        );
    }
}

#[test]
fn changes_of_a_step_that_has_none() {
    let layer = layer();
    let error = |t| layer.get_delta_layer(t).unwrap_err();
    assert!(matches!(error(0), Error::InvalidStep { step: 0 }));
    assert!(matches!(
        error(1),
        Error::NoSuchStep {
            step: 1,
            before: None,
            after: Some(2)
        }
    ));
    assert!(matches!(
        error(7),
        Error::NoSuchStep {
            step: 7,
            before: Some(5),
            after: Some(9)
        }
    ));
    assert!(matches!(
        error(usize::MAX),
        Error::NoSuchStep {
            before: Some(9),
            after: None,
            ..
        }
    ));
    assert_eq!(
        error(7).to_string(),
        "there is no step 7: the nearest ones are 5 and 9"
    );
    let mut pruned = self::layer();
    pruned.prune_history(1).unwrap();
    assert!(matches!(
        pruned.get_delta_layer(5),
        Err(Error::Pruned { step: 5, oldest: 5 })
    ));
}

#[test]
fn rollback_goes_no_further_than_the_base() {
    let mut layer = layer();
    layer.prune_history(2).unwrap();
    assert!(matches!(
        layer.rollback(1),
        Err(Error::Pruned { step: 1, oldest: 2 })
    ));
    assert_eq!(layer.steps(), [5, 9]);
    assert_eq!(layer.rollback(usize::MAX).unwrap(), 0);
    assert_eq!(layer.rollback(6).unwrap(), 1);
    assert_eq!(layer.rollback(2).unwrap(), 1);
    assert_eq!((layer.steps(), layer.latest()), (vec![], 2));
    layer
        .store_changes(3, &Delta::empty(4, 4).unwrap())
        .unwrap();
}

#[test]
fn accumulation_goes_into_the_open_step_only() {
    let mut layer = layer();
    for closed in [5, 9] {
        let error = layer
            .accumulate_temporal_gradient(0, 0, 1.0, closed)
            .unwrap_err();
        assert!(
            matches!(error, Error::StepOutOfOrder { step, latest: 9 } if step == closed),
            "{error}"
        );
    }
    let error = layer
        .accumulate_temporal_gradient(0, 4, 1.0, 10)
        .unwrap_err();
    assert!(
        matches!(error, Error::OutOfShape { row: 0, col: 4, .. }),
        "{error}"
    );
    let error = layer
        .accumulate_temporal_gradient(0, 1, f32::NAN, 10)
        .unwrap_err();
    assert!(
        matches!(error, Error::NotFinite { row: 0, col: 1, .. }),
        "{error}"
    );
    assert!(matches!(
        layer.accumulate_temporal_gradient(0, 0, 1.0, 0),
        Err(Error::InvalidStep { step: 0 })
    ));
    assert_eq!(layer.latest(), 9, "nothing was opened");
    layer.accumulate_temporal_gradient(1, 2, 4.0, 10).unwrap();
    let before = layer.get_delta_layer(10).unwrap();
    layer
        .accumulate_temporal_gradient(2, 2, f32::MAX, 10)
        .unwrap();
    let error = layer
        .accumulate_temporal_gradient(2, 2, f32::MAX, 10)
        .unwrap_err();
    assert!(
        matches!(error, Error::NotFinite { row: 2, col: 2, value } if value == f32::INFINITY),
        "{error}"
    );
    layer
        .accumulate_temporal_gradient(2, 2, -f32::MAX, 10)
        .unwrap();
    assert_eq!(
        layer.get_delta_layer(10).unwrap(),
        before,
        "a sum of 0 is no change"
    );
    layer.accumulate_temporal_gradient(2, 2, 0.5, 12).unwrap();
    assert_eq!(layer.latest(), 12, "a step after the newest is opened");
    let error = layer
        .accumulate_temporal_gradient(2, 2, 0.5, 10)
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::StepOutOfOrder {
                step: 10,
                latest: 12
            }
        ),
        "{error}"
    );
    assert_eq!(layer.commit_accumulated().unwrap(), Some(12));
    assert_eq!(layer.commit_accumulated().unwrap(), None);
    assert!(matches!(
        layer.accumulate_temporal_gradient(2, 2, 0.5, 12),
        Err(Error::StepOutOfOrder { .. })
    ));
}

#[test]
fn a_scale_is_finite_and_so_are_the_products() {
    let mut layer = layer();
    let delta = Delta::from_triplets(4, 4, [(1, 1, 1e30), (2, 2, 1e-30)]).unwrap();
    for scale in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = layer.accumulate(10, &delta, scale).unwrap_err();
        assert!(
            matches!(error, Error::InvalidScale { scale: s } if s.to_bits() == scale.to_bits())
        );
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let error = layer.accumulate(10, &delta, -1e10).unwrap_err();
    assert!(
        matches!(error, Error::NotFinite { row: 1, col: 1, value } if value == f32::NEG_INFINITY),
        "{error}"
    );
    assert_eq!(layer.latest(), 9);
    layer.accumulate(10, &delta, 1e-20).unwrap();
    let changes = layer.get_delta_layer(10).unwrap();
    assert_eq!(changes.deltas().len(), 1, "1e-50 is 0 in f32");
    layer.accumulate(10, &delta, 0.0).unwrap();
    assert_eq!(layer.get_delta_layer(10).unwrap(), changes);
}

#[test]
fn what_is_accumulated_has_no_exact_marks() {
    let mut layer = layer();
    let mark = temporal_vdb::Change {
        delta: 0.0,
        exact: Some(f32::INFINITY),
    };
    let marked = Delta::from_changes(4, 4, [((1, 1), mark)]).unwrap();
    let error = layer.accumulate(10, &marked, 1.0).unwrap_err();
    assert!(
        matches!(
            error,
            Error::ExactMark {
                row: 1,
                col: 1,
                step: 10
            }
        ),
        "{error}"
    );
    layer.store_changes(10, &marked).unwrap();
    assert!(layer.has_exact_marks());
    layer.rollback(9).unwrap();
    assert!(
        !layer.has_exact_marks(),
        "the companion grid goes with the last mark"
    );
}

#[test]
fn names_of_tags_can_be_told_from_steps() {
    let mut layer = layer();
    for name in [
        "", "7", "0012", " best", "best ", "\tbest", "a\nb", "a\u{7f}",
    ] {
        let error = layer.tag(name, 5).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidTag { name: found } if found == name),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    for name in ["best", "v2", "step 5", "läuft", "1.5", "-3"] {
        layer.tag(name, 5).unwrap();
    }
    let error = layer.tag("best", 9).unwrap_err();
    assert!(
        matches!(&error, Error::TagExists { name, step: 5 } if name == "best"),
        "{error}"
    );
    let error = layer.untag("bets").unwrap_err();
    assert_eq!(error.to_string(), "there is no tag 'bets'");
    let error = layer.untag("stop 5").unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no tag 'stop 5': is it 'step 5'?"
    );
    assert_eq!(error.kind(), ErrorKind::Conflict);
    for (t, before, after) in [
        (3, Some(2), Some(5)),
        (1, Some(0), Some(2)),
        (99, Some(9), None),
    ] {
        let error = layer.tag("new", t).unwrap_err();
        assert!(
            matches!(error, Error::NoSuchStep { step, before: b, after: a } if (step, b, a) == (t, before, after)),
            "{error}"
        );
    }
    layer.accumulate_temporal_gradient(0, 0, 1.0, 12).unwrap();
    assert!(
        matches!(
            layer.tag("new", 12),
            Err(Error::NoSuchStep {
                step: 12,
                before: Some(9),
                after: None
            })
        ),
        "the open step can still change"
    );
    layer.untag("best").unwrap();
    assert_eq!(layer.tags().len(), 5);
}

#[test]
fn a_tagged_step_is_not_pruned_nor_rolled_back() {
    let mut layer = layer();
    layer.tag("start", 0).unwrap();
    layer.tag("best", 5).unwrap();
    for keep in [0, 1, 2] {
        let error = layer.prune_history(keep).unwrap_err();
        assert!(
            matches!(&error, Error::Pinned { step: 0, tag } if tag == "start"),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    assert_eq!(layer.untag("start").unwrap(), 0);
    let error = layer.prune_history(0).unwrap_err();
    assert!(
        matches!(&error, Error::Pinned { step: 5, tag } if tag == "best"),
        "{error}"
    );
    let error = layer.rollback(4).unwrap_err();
    assert!(
        matches!(&error, Error::Pinned { step: 5, tag } if tag == "best"),
        "{error}"
    );
    assert_eq!(layer.steps(), [2, 5, 9]);
    assert_eq!(layer.rollback(5).unwrap(), 1);
    layer.prune_history(0).unwrap(); // the base that it becomes
    assert_eq!((layer.oldest(), layer.steps()), (5, vec![]));
    assert_eq!(layer.tags()["best"], 5);
}

#[test]
fn policies_that_keep_nothing_or_do_not_nest() {
    let mut layer = layer();
    let tier = |steps, every| Tier { steps, every };
    let nothing = [
        Retention::KeepLast(0),
        Retention::Tiered(vec![]),
        Retention::Tiered(vec![tier(0, 1)]),
        Retention::Tiered(vec![tier(1, 0)]),
    ];
    for policy in nothing {
        for error in [
            layer.prune(&policy).unwrap_err(),
            layer.plan_prune(&policy).unwrap_err(),
            layer.set_retention(policy.clone()).unwrap_err(),
        ] {
            assert!(
                matches!(&error, Error::KeepsNothing { retention } if *retention == policy.to_string())
            );
        }
    }
    let apart = Retention::Tiered(vec![tier(2, 2), tier(1, 3)]);
    assert!(matches!(
        layer.prune(&apart),
        Err(Error::TiersDoNotNest {
            finer: 2,
            coarser: 3
        })
    ));
    assert!(layer.set_retention(apart).is_err());
    assert_eq!(*layer.retention(), Retention::KeepAll);
    assert_eq!(layer.steps(), [2, 5, 9]);
}

#[test]
fn a_ring_decides_alone_what_stays() {
    let options = StorageOptions {
        ring: Some(Ring::new(4).unwrap()),
        ..StorageOptions::default()
    };
    let mut layer = Layer::new("w", 1, 1, options).unwrap();
    layer
        .store_changes(1, &Delta::empty(1, 1).unwrap())
        .unwrap();
    let fixed = |result: temporal_vdb::Result<()>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::FixedByRing { length: 4 }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Conflict);
    };
    fixed(layer.tag("best", 1));
    for policy in ["last 3", "tiers 1,1@10"] {
        let policy: Retention = policy.parse().unwrap();
        fixed(layer.prune(&policy).map(|_| ()));
        fixed(layer.plan_prune(&policy).map(|_| ()));
        fixed(layer.set_retention(policy));
    }
    layer.set_retention(Retention::KeepAll).unwrap();
    let pruned = layer.prune(&Retention::KeepAll).unwrap();
    assert!(pruned.steps.is_empty());
    layer.prune_history(0).unwrap();
    assert_eq!(layer.oldest(), 1);
}

#[test]
fn questions_about_what_is_not_retained() {
    let mut layer = layer();
    layer.prune_history(2).unwrap();
    let pruned = |error| matches!(error, Error::Pruned { step: 1, oldest: 2 });
    assert!(pruned(layer.dense_at_many(&[9, 1, 5]).unwrap_err()));
    assert!(pruned(layer.net_change(1, 5).unwrap_err()));
    assert!(pruned(layer.net_change(5, 1).unwrap_err()));
    assert!(pruned(layer.tag("then", 1).unwrap_err()));
    assert!(layer.dense_at_many(&[]).unwrap().is_empty());
    assert!(layer.change_counts(0..=2).unwrap().is_empty());
    #[expect(clippy::reversed_empty_ranges)]
    let none = 9..=5;
    assert!(layer.change_counts(none).unwrap().is_empty());
    assert_eq!(
        layer.change_counts(0..=usize::MAX).unwrap(),
        [((0, 0), 1), ((1, 2), 1)]
    );
}

#[test]
fn regions_lie_inside_the_layer() {
    let layer = layer();
    for (rows, cols) in [
        (0..5, 0..4),
        (-1..2, 0..4),
        (2..2, 0..4),
        (0..4, 3..3),
        (0..4, 0..i32::MAX),
    ] {
        let error = layer
            .dense_in_region(9, Region::new(rows.clone(), cols.clone()))
            .unwrap_err();
        assert!(
            matches!(&error, Error::InvalidRegion { rows: r, cols: c, shape: (4, 4) } if (r, c) == (&rows, &cols))
        );
        assert!(layer.weights_in_region(9, Region::new(rows, cols)).is_err());
    }
}

#[test]
fn shapes_must_agree() {
    let mut layer = layer();
    let error = layer
        .store_changes(10, &Delta::empty(4, 5).unwrap())
        .unwrap_err();
    assert!(matches!(
        error,
        Error::ShapeMismatch {
            expected: (4, 4),
            found: (4, 5)
        }
    ));
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        layer
            .accumulate(10, &Delta::empty(5, 4).unwrap(), 1.0)
            .is_err()
    );
    assert!(
        layer
            .store_base(&SparseWeights::from_dense(1, 1, &[0.0]).unwrap())
            .is_err()
    );
    assert_eq!(layer.latest(), 9);
}

/// A ring's slots in z are not steps; what it answers is, though.
#[test]
fn a_ring_answers_in_steps() {
    let options = StorageOptions {
        ring: Some(Ring::new(4).unwrap()),
        ..StorageOptions::default()
    };
    let mut layer = Layer::new("w", 1, 1, options).unwrap();
    for step in [1, 2, 4, 5, 6] {
        layer
            .store_changes(
                step,
                &Delta::from_triplets(1, 1, [(0, 0, step as f32)]).unwrap(),
            )
            .unwrap();
    }
    assert_eq!((layer.oldest(), layer.steps()), (2, vec![4, 5, 6]));
    assert_eq!(
        layer.weight_history(0, 0).unwrap(),
        [(2, 3.0), (4, 7.0), (5, 12.0), (6, 18.0)]
    );
    assert_eq!(
        layer
            .deltas_in(5..=6)
            .unwrap()
            .iter()
            .map(|(t, _)| *t)
            .collect::<Vec<_>>(),
        [5, 6]
    );
    layer
        .store_changes(1000, &Delta::empty(1, 1).unwrap())
        .unwrap();
    assert_eq!((layer.oldest(), layer.steps()), (6, vec![1000]));
    assert_eq!(layer.weight_history(0, 0).unwrap(), [(6, 18.0)]);
}

/// Exporting where it cannot be done: the error names the file, the old file stays, and nothing is
/// left beside it.
#[test]
fn a_failed_export_leaves_the_old_file() {
    let layer = layer();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub").join("layer.vdb");
    let error = layer.export_vdb(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Io { path: p, source } if *p == path && source.kind() == std::io::ErrorKind::NotFound)
    );
    let path = folder.path().join("old.vdb");
    std::fs::create_dir(&path).unwrap(); // a folder cannot be replaced by a file
    let error = layer.export_vdb(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("old.vdb"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A full disk, for real: a small file system in memory. Needs root and mount(8); says so loudly
/// where it cannot be made.
#[test]
fn a_full_disk_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED a_full_disk_leaves_the_old_file: no tmpfs can be mounted: {mounted:?}");
        return;
    }
    let outcome = std::panic::catch_unwind(|| export_until_full(folder.path()));
    let unmounted = std::process::Command::new("umount")
        .arg(folder.path())
        .status();
    assert!(unmounted.unwrap().success());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn export_until_full(folder: &Path) {
    let path = folder.join("layer.vdb");
    let small = layer();
    small.export_vdb(&path).unwrap();
    let old = std::fs::read(&path).unwrap();
    let mut large = Layer::new("w", 256, 256, StorageOptions::default()).unwrap();
    let noise = (0..256 * 256)
        .map(|i: i32| f32::from_bits(0x3f80_0000 | (i as u32).wrapping_mul(2_654_435_761) >> 9));
    let base = SparseWeights::from_dense(256, 256, &noise.collect::<Vec<_>>()).unwrap();
    large.store_base(&base).unwrap();
    let error = large.export_vdb(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error:?}"
    );
    assert!(error.to_string().contains("layer.vdb"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), old);
    assert_eq!(
        std::fs::read_dir(folder).unwrap().count(),
        1,
        "no temporary file is left"
    );
    small.export_vdb(&path).unwrap();
}
