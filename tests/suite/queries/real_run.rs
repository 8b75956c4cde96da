//! A real run's answers are those of a program in another language that looks at the checkpoints
//! themselves (`evolve.py`).

use serde_json::{Value, json};
use temporal_vdb::{
    CoOccurrence, Evolution, Progress, RecordOptions, StoreOptions, TemporalQueries, TemporalStore,
};

use crate::checkpoints::{checkpoint, files};
use crate::tools::python;
use crate::traces;

const LAYER: &str = "layers.1.attn.k_proj.weight";

fn assert_close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    // NumPy adds up in another order.
    let close = (found - expected).abs() <= 1e-9 * expected;
    assert!(close, "{what}: {found} where {expected} is expected");
}

fn changes(of: &[Evolution]) -> Value {
    of.iter().map(|one| one.changes).collect()
}

#[tokio::test]
async fn a_real_run_moved_as_its_checkpoints_say() {
    let Some(traces) = traces::folder() else {
        eprintln!("SKIPPED: TEMPORAL_VDB_TRACES names no folder of runs");
        return;
    };
    let folder = traces.join("finetune_bf16");
    let progress = Progress::default();
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    for file in files(&folder) {
        let checkpoint = checkpoint(&file);
        let recorded = store.record(None, checkpoint, RecordOptions::default());
        recorded.await.unwrap();
    }
    let all = 0..=usize::MAX;
    let model = store.evolution(None, all, 10, &progress).await.unwrap();
    let layer = store.layer(LAYER).await.unwrap();

    for t in [1, 8, 16] {
        let query = CoOccurrence::default().at(t);
        let (step, above) = (t.to_string(), query.above.to_string());
        let least = query.min_changes.to_string();
        let arguments = [folder.to_str().unwrap(), LAYER, &step, &above, &least];
        let Some(output) = python("queries/evolve.py", &arguments) else {
            return;
        };
        let expected: Value = serde_json::from_slice(&output).unwrap();

        let together = layer.together(&query, &progress).await.unwrap();
        let groups = together.groups(&progress).await.unwrap();
        let sizes: Vec<usize> = groups.iter().map(|group| group.units.len()).collect();
        let found = json!({
            "units": together.units().len(),
            "pairs": together.count(&progress).await.unwrap(),
            "groups": sizes,
        });
        assert_eq!(found, expected["together"], "at {t}");

        let expected = expected["layers"].as_object().unwrap();
        assert_eq!(model.layers.len(), expected.len());
        for (name, found) in &model.layers {
            let (all, expected) = (&found.layer, &expected[name]);
            assert_close(all.path, &expected["path"], name);
            assert_close(all.net, &expected["net"], name);
            let steps: Vec<Evolution> = found.steps.iter().map(|(_, own)| *own).collect();
            let found = json!({
                "changes": all.changes,
                "changed": all.changed,
                "first": all.first,
                "last": all.last,
                "path": expected["path"],
                "net": expected["net"],
                "largest": all.largest,
                "flips": all.flips,
                "rows": changes(&found.rows),
                "columns": changes(&found.columns),
                "steps": changes(&steps),
            });
            assert_eq!(found, *expected, "{name}");
        }
    }
}
