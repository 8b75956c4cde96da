//! `tvdb compact`: a store made smaller, whose steps stay what they are.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use temporal_vdb::{StoreOptions, StoreStats, TemporalStore};

use crate::args::codec_name::CodecName;
use crate::screen::numbers::bytes;
use crate::screen::output;
use crate::screen::progress::Progress;

/// Make a store smaller
///
/// The journal is sealed, slabs of eight steps are merged into
/// longer groups and coded as asked, and the space that this
/// frees is given back to the file system. Every step stays
/// the same, bit for bit.
///
/// Nobody else may be writing to the store; others may read
/// it. While they do, the file may stay as long as it was.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// How changes are coded
    ///
    /// "dense" takes 0.6 to 0.8 times the bytes of "fast" for
    /// weights of 16 bits, 0.95 times for those of 32, and is
    /// two to five times slower to read, the more so the fewer
    /// weights a step changes. Changes that it would not make
    /// smaller stay in the fast coding. Whichever it is, the
    /// newest steps of a recording are coded fast, and coded
    /// densely once there are enough of them to merge.
    #[arg(long, value_enum, default_value_t = CodecName::Dense, verbatim_doc_comment)]
    codec: CodecName,
}

/// Compacts the store, and says what that came to.
///
/// # Errors
///
/// If the store cannot be read or written, or if somebody else is writing to it.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let compacted = Compacted::new(&options.store, options.codec).await?;
    output::print(&if json {
        compacted.json(&options.store)
    } else {
        compacted.text(&options.store)
    })
}

/// A store before and after.
struct Compacted {
    codec: CodecName,
    seconds: f64,
    before: Size,
    after: Size,
}

impl Compacted {
    async fn new(path: &Path, codec: CodecName) -> Result<Self> {
        let options = StoreOptions {
            codec: codec.into(),
            ..StoreOptions::default()
        };
        let store = TemporalStore::open(path, options).await?;
        let _progress = Progress::endless("compacting");
        let before = Size::of(&store.stats().await?);
        let start = Instant::now();
        store.compact().await?;
        store.settle().await?;
        Ok(Compacted {
            codec,
            seconds: start.elapsed().as_secs_f64(),
            before,
            after: Size::of(&store.stats().await?),
        })
    }

    fn json(&self, path: &Path) -> String {
        let value = json!({
            "path": path.to_string_lossy(),
            "codec": self.codec.name(),
            "seconds": self.seconds,
            "before": self.before.json(),
            "after": self.after.json(),
        });
        format!("{value:#}\n")
    }

    /// The table is as narrow as a terminal may be.
    fn text(&self, path: &Path) -> String {
        let (before, after) = (&self.before, &self.after);
        let line = |what, before: String, after: String, ratio: Option<f64>| {
            let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let line = format!("{what:<8}{before:>9}{after:>9}{ratio:>6}");
            format!("{}\n", line.trim_end())
        };
        let mut text = format!(
            "{}: compacted in {:.1} s, {}\n\n",
            path.display(),
            self.seconds,
            self.codec.name()
        );
        text += &format!("{:<8}{:>9}{:>9}{:>6}\n", "", "before", "after", "times");
        text += &line(
            "file",
            bytes(before.file),
            bytes(after.file),
            (before.file > 0).then(|| after.file as f64 / before.file as f64),
        );
        if let (Some(before), Some(after)) = (before.change, after.change) {
            let each = |change: f64| format!("{change:.2} B");
            text += &line("a change", each(before), each(after), Some(after / before));
        }
        text
    }
}

/// What a store takes.
struct Size {
    /// Bytes of all of it.
    file: u64,
    /// Bytes of journal and blocks for each changed weight, where there is one.
    change: Option<f64>,
}

impl Size {
    fn of(stats: &StoreStats) -> Self {
        Size {
            file: stats.file_bytes(),
            change: stats.bytes_per_change(),
        }
    }

    fn json(&self) -> Value {
        json!({ "file_bytes": self.file, "bytes_per_change": self.change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compacted(before: Size, after: Size) -> Compacted {
        Compacted {
            codec: CodecName::Dense,
            seconds: 0.25,
            before,
            after,
        }
    }

    #[test]
    fn columns_are_aligned() {
        let size = |file, change| Size {
            file,
            change: Some(change),
        };
        let text = compacted(size(999_949, 10.0), size(57_344, 2.5)).text(Path::new("run.tvdb"));
        let expected = "\
run.tvdb: compacted in 0.2 s, dense

           before    after times
file     999.9 kB  57.3 kB  0.06
a change  10.00 B   2.50 B  0.25
";
        assert_eq!(text, expected);
    }

    #[test]
    fn without_changes_there_is_no_size_of_one() {
        let size = |file| Size { file, change: None };
        let compacted = compacted(size(4096), size(4096));
        let text = compacted.text(Path::new("run.tvdb"));
        assert!(
            text.ends_with("\nfile       4.1 kB   4.1 kB  1.00\n"),
            "{text}"
        );
        assert!(
            compacted
                .json(Path::new("run.tvdb"))
                .contains("\"bytes_per_change\": null")
        );
    }
}
