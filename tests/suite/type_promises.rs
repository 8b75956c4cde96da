//! Promises that the compiler checks.

use static_assertions::{assert_impl_all, assert_obj_safe};
use temporal_vdb::{
    CoOccurrence, Delta, DeltaDetector, DenseDetector, Error, Layer, LayerEvolution,
    ModelEvolution, OpenVdbStorage, Pairs, Progress, SparseWeights, StepStream, StoredLayer,
    TemporalLayer, TemporalQueries, TemporalStore, TemporalVDBStorage, Together,
};

assert_obj_safe!(TemporalVDBStorage);
assert_obj_safe!(TemporalLayer);
assert_obj_safe!(TemporalQueries);
assert_impl_all!(OpenVdbStorage: Clone, Send, Sync, TemporalVDBStorage, TemporalLayer);
assert_impl_all!(OpenVdbStorage: TemporalQueries);
assert_impl_all!(StoredLayer: Clone, Send, Sync, TemporalQueries);
assert_impl_all!(Together: Clone, Send, Sync);
assert_impl_all!(Pairs: Send, Sync);
assert_impl_all!(Progress: Clone, Send, Sync);
assert_impl_all!(LayerEvolution: Clone, Send, Sync);
assert_impl_all!(ModelEvolution: Clone, Send, Sync);
assert_impl_all!(StepStream: Send, Sync);
assert_impl_all!(Layer: Send, Sync);
assert_impl_all!(SparseWeights: Clone, Send, Sync);
assert_impl_all!(Delta: Clone, Send, Sync);
assert_impl_all!(DeltaDetector: Send, Sync);
assert_impl_all!(DenseDetector: Send, Sync);
assert_impl_all!(Error: std::error::Error, Send, Sync);

/// The futures can be spawned on a runtime of many threads.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: &T) {}
    let storage = OpenVdbStorage::new("w", 1, 1).unwrap();
    send(&storage.dense_at_time(0));
    send(&storage.accumulate_temporal_gradient(0, 0, 1.0, 1));
    send(&storage.export_vdb("w.vdb"));
    send(&storage.weights_at_time(0));
    send(&storage.weights_at_step(0));
    send(&storage.subscribe().next());
    let progress = Progress::default();
    let query = CoOccurrence::default();
    send(&storage.evolution(0..=9, 1, &progress));
    send(&storage.together(&query, &progress));
    send(&storage.correlated_changes(1));
    let store = TemporalStore::in_memory(Default::default()).unwrap();
    send(&store.evolution(None, 0..=9, 1, &progress));
}
