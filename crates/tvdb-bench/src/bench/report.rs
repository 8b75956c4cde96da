//! Everything the benchmark measured, and the JSON of it.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use serde_json::{Map, Value, json};
use temporal_vdb::{Codec, Favor, StoreOptions, StoreStats};

use super::codings::{Coded, Codings};
use super::format_sizes::FormatSizes;
use super::reading::Reading;
use super::reconstruction::Reconstruction;
use super::recording::Recording;

/// Everything the benchmark measured.
pub struct Report {
    /// The folder, or what was made up.
    pub run: String,
    /// How the store works.
    pub options: StoreOptions,
    /// Recording, beside writing files.
    pub recording: Recording,
    /// What the store holds, when every slab was sealed.
    pub stats: StoreStats,
    /// Reading steps back, beside reading files.
    pub reading: Reading,
    /// The last step out of all changes, each way.
    pub reconstruction: Reconstruction,
    /// What the changes take in other forms.
    pub formats: FormatSizes,
    /// Both codings of the same steps, where they were compared.
    pub codings: Option<Codings>,
    /// The most bytes of memory until the store was recorded, sealed and read.
    pub peak_bytes: u64,
    /// The most bytes of memory of the whole run, the alternatives included.
    pub peak_bytes_with_alternatives: u64,
    /// Seconds that all of it took.
    pub seconds: f64,
}

impl Report {
    /// The coding of merged slabs: `fast` or `dense`.
    pub fn codec(&self) -> &'static str {
        match self.options.codec {
            Codec::Fast => "fast",
            Codec::Dense => "dense",
        }
    }

    /// What the store saves on: `size` or `reads`.
    pub fn favor(&self) -> &'static str {
        match self.options.favor {
            Favor::Size => "size",
            Favor::Reads => "reads",
        }
    }

    /// Threads of the store.
    pub fn threads(&self) -> usize {
        let all = || available_parallelism().map_or(1, NonZeroUsize::get);
        self.options.threads.map_or_else(all, NonZeroUsize::get)
    }

    /// `amount` per change; `None` where nothing changed.
    pub fn per_change(&self, amount: f64) -> Option<f64> {
        let changes = self.formats.changes;
        (changes > 0).then(|| amount / changes as f64)
    }

    /// Nanoseconds per change for the state at the last step, each way, by the name that the JSON has for
    /// it.
    pub fn reconstruct_ns(&self) -> [(&'static str, Option<f64>); 5] {
        let times = &self.reconstruction;
        [
            ("history", Some(times.history)),
            ("grid", times.grid),
            ("coo", Some(times.coo)),
            ("hashmap", times.hashmap),
            ("voxel", times.voxel),
        ]
        .map(|(name, seconds)| (name, seconds.and_then(|s| self.per_change(s * 1e9))))
    }

    /// Whether the store may know a state between the base and the last step, and then adds up
    /// only what came after it. (It counts tensors that are kept whole as such states.)
    pub fn has_keyframes(&self) -> bool {
        self.stats.keyframe_bytes > 0
    }

    /// Bytes per change, each form, by the name that the JSON has for it.
    pub fn bytes_per_change(&self) -> [(&'static str, Option<f64>); 4] {
        let formats = &self.formats;
        let each = |bytes: u64| self.per_change(bytes as f64);
        [
            ("tvdb", self.stats.bytes_per_change()),
            ("gap_coded", each(formats.gap_coded)),
            ("bitmap", each(formats.bitmap)),
            ("xor", each(formats.xor)),
        ]
    }

    /// How many times the store's bytes the checkpoints take.
    pub fn raw_over_file(&self) -> f64 {
        ratio(
            self.recording.raw_bytes as f64,
            self.stats.file_bytes() as f64,
        )
    }

    /// How many times as long recording a step takes as writing its file, until it is on the disk.
    pub fn record_ratio(&self) -> f64 {
        ratio(self.recording.record_s(), self.recording.write_s())
    }

    /// How many times as long, with the work behind recording that was not done when the last step was
    /// recorded.
    pub fn record_ratio_settled(&self) -> f64 {
        ratio(self.recording.settled_s(), self.recording.write_s())
    }

    /// How many times as long reading a step takes as reading its file.
    pub fn checkout_ratio(&self) -> f64 {
        ratio(self.reading.checkout, self.reading.load)
    }

    /// How many times as long reading the latest step takes, which may share the store's memory.
    pub fn latest_ratio(&self) -> f64 {
        ratio(self.reading.latest, self.reading.load_latest)
    }

    /// How many times as long reading and copying the latest step takes. This is the like-for-like one:
    /// reading a file gives memory of one's own too.
    pub fn latest_copied_ratio(&self) -> f64 {
        ratio(self.reading.latest_copied, self.reading.load_latest)
    }

    /// How many times a step's bytes the store keeps in memory.
    pub fn resident_over_dense(&self) -> f64 {
        let recording = &self.recording;
        ratio(
            recording.resident_bytes as f64,
            recording.model.dense_bytes as f64,
        )
    }

    /// One object. What could not be measured is null.
    pub fn to_json(&self) -> Value {
        let parts = [
            self.run_json(),
            self.recording_json(),
            self.reading_json(),
            self.sizes_json(),
            self.codings_json(),
            self.memory_json(),
        ];
        let mut all = Map::new();
        for part in parts {
            if let Value::Object(part) = part {
                all.extend(part);
            }
        }
        Value::Object(all)
    }

    fn run_json(&self) -> Value {
        let model = &self.recording.model;
        json!({
            "run": self.run,
            "codec": self.codec(),
            "favor": self.favor(),
            "threads": self.threads(),
            "steps": self.recording.steps(),
            "tensors": model.tensors,
            "layers": model.layers,
            "weights": model.weights,
            "changes": self.formats.changes,
            // Anything else ends the run with an error.
            "exact": true,
            "seconds": self.seconds,
        })
    }

    fn recording_json(&self) -> Value {
        let recording = &self.recording;
        json!({
            "record_s": recording.record_s(),
            "write_checkpoint_s": recording.write_s(),
            "record_ratio": self.record_ratio(),
            "record_settled_s": recording.settled_s(),
            "record_ratio_settled": self.record_ratio_settled(),
            "record_base_s": recording.record.first(),
            "settle_s": recording.settle,
            "bytes_written_per_change": self.per_change(recording.bytes_written as f64),
        })
    }

    fn reading_json(&self) -> Value {
        let reading = &self.reading;
        json!({
            "checkout_s": reading.checkout,
            "load_checkpoint_s": reading.load,
            "checkout_ratio": self.checkout_ratio(),
            "checkout_steps": reading.steps,
            "latest_s": reading.latest,
            "load_latest_s": reading.load_latest,
            "latest_ratio": self.latest_ratio(),
            "latest_copied_s": reading.latest_copied,
            "latest_copied_ratio": self.latest_copied_ratio(),
            "history_query_ms": reading.history_query.map(|seconds| seconds * 1e3),
            "reconstruct_ns_per_change": object(&self.reconstruct_ns()),
            "history_may_use_keyframes": self.has_keyframes(),
            "skipped": self.reconstruction.skipped,
        })
    }

    fn sizes_json(&self) -> Value {
        let stats = &self.stats;
        json!({
            "bytes_per_change": object(&self.bytes_per_change()),
            "file_bytes_per_change": stats.file_bytes_per_change(),
            "raw_over_file": self.raw_over_file(),
            "raw_bytes": self.recording.raw_bytes,
            "recorded_file_bytes": self.recording.file_bytes,
            "settled_file_bytes": stats.file_bytes(),
            "base_bytes": stats.base_bytes,
            "keyframe_bytes": stats.keyframe_bytes,
            "journal_bytes": stats.journal_bytes,
            "block_bytes": stats.block_bytes,
        })
    }

    fn codings_json(&self) -> Value {
        let coded = |coded: &Coded| {
            json!({
                "bytes_per_change": coded.bytes_per_change,
                "seal_ns_per_change": coded.seal * 1e9,
                "reconstruct_ns_per_change": self.per_change(coded.history * 1e9),
            })
        };
        let codings = self.codings.as_ref();
        json!({
            "codings": codings.map(|codings| json!({
                "fast": coded(&codings.fast),
                "dense": coded(&codings.dense),
            })),
        })
    }

    fn memory_json(&self) -> Value {
        json!({
            "dense_bytes": self.recording.model.dense_bytes,
            "resident_bytes_after_record": self.recording.resident_bytes,
            "resident_over_dense": self.resident_over_dense(),
            "peak_rss_bytes": self.peak_bytes,
            "peak_rss_bytes_with_alternatives": self.peak_bytes_with_alternatives,
        })
    }
}

/// How many times `reference` something is; 0 where there is no reference.
fn ratio(value: f64, reference: f64) -> f64 {
    if reference > 0.0 {
        value / reference
    } else {
        0.0
    }
}

fn object(pairs: &[(&str, Option<f64>)]) -> Value {
    let entries = pairs
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.into()));
    Value::Object(entries.collect::<Map<_, _>>())
}
