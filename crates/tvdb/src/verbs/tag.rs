//! `tvdb tag`: names for steps.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use temporal_vdb::{StepInfo, StoreOptions, TemporalStore};

use crate::args::at::{At, LATEST};
use crate::screen::table::{self, Column, Fit};
use crate::screen::terminal::shortened;
use crate::screen::{notes, output, terminal, time};

/// Name a step, or list the names
///
/// A step with a name can be checked out by it, and stays:
/// no policy drops it, and a rollback refuses to. Several
/// names can be of one step. Without a name all of them are
/// listed, those of the newest steps first, which works
/// beside a run that is being recorded.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// The name to give; any text that is no number
    #[arg(value_parser = name)]
    name: Option<String>,

    /// The step: a number, another tag, or 'latest'
    #[arg(
        long,
        value_name = "T",
        default_value = LATEST,
        allow_negative_numbers = true,
        requires = "name"
    )]
    at: At,

    /// Take a name away; its step is as any other then
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "at"])]
    delete: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    if text == LATEST {
        return Err(format!(
            "'{LATEST}' always is the newest step: give another name"
        ));
    }
    Ok(text.to_owned())
}

/// Lists the tags, or sets or takes one away.
///
/// # Errors
///
/// If the store cannot be read or written, if there is no such step or tag, or one already.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let done = match (&options.name, &options.delete) {
        (Some(name), _) => Done::set(&options.store, name, &options.at).await?,
        (None, Some(name)) => Done::delete(&options.store, name).await?,
        (None, None) => return list(&options.store, json).await,
    };
    output::print(&if json { done.json() } else { done.text() })
}

/// A tag that was set or taken away.
struct Done<'a> {
    name: &'a str,
    step: usize,
    deleted: bool,
}

impl<'a> Done<'a> {
    async fn set(path: &Path, name: &'a str, at: &At) -> Result<Self> {
        let store = TemporalStore::open(path, StoreOptions::default()).await?;
        let step = at.find(&store, path).await?;
        store.tag(name, step).await?;
        Ok(Done {
            name,
            step,
            deleted: false,
        })
    }

    async fn delete(path: &Path, name: &'a str) -> Result<Self> {
        let store = TemporalStore::open(path, StoreOptions::default()).await?;
        Ok(Done {
            name,
            step: store.untag(name).await?,
            deleted: true,
        })
    }

    fn json(&self) -> String {
        let value = json!({ "name": self.name, "step": self.step, "deleted": self.deleted });
        format!("{value:#}\n")
    }

    fn text(&self) -> String {
        let Done { name, step, .. } = self;
        if self.deleted {
            format!("step {step} is not '{name}' any more\n")
        } else {
            format!("step {step} is '{name}'\n")
        }
    }
}

async fn list(path: &Path, json: bool) -> Result<()> {
    let store = TemporalStore::open_read_only(path, StoreOptions::default()).await?;
    let steps = store.steps().await?;
    let steps: BTreeMap<_, _> = steps.iter().map(|step| (step.step, step)).collect();
    let mut tags: Vec<Tag> = Vec::new();
    for (name, step) in store.tags().await? {
        let info = steps.get(&step).copied();
        tags.push(Tag { name, step, info });
    }
    tags.sort_by_key(|tag| Reverse(tag.step));
    output::print(&if json {
        format!("{:#}\n", Value::from_iter(tags.iter().map(Tag::json)))
    } else {
        text(path, &tags, terminal::width())
    })
}

struct Tag<'a> {
    name: String,
    step: usize,
    /// `None` where another process has dropped the step just now.
    info: Option<&'a StepInfo>,
}

impl Tag<'_> {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "step": self.step,
            "time": self.info.map(|step| time::rfc3339(step.time)),
            "notes": self.info.map(|step| notes::to_json(&step.notes)),
        })
    }
}

fn text(store: &Path, tags: &[Tag], width: usize) -> String {
    if tags.is_empty() {
        return format!("{}: no tags\n", store.display());
    }
    let column = |heading, rank, fit, cell: &dyn Fn(&Tag) -> String| Column {
        heading,
        cells: tags.iter().map(cell).collect(),
        rank,
        fit,
    };
    let of_step =
        |tag: &Tag, text: &dyn Fn(&StepInfo) -> String| tag.info.map_or_else(String::new, text);
    let columns = vec![
        column("tag", 0, Fit::Left, &|tag| shortened(&tag.name, width / 3)),
        column("step", 0, Fit::Right, &|tag| tag.step.to_string()),
        column("time (UTC)", 1, Fit::Left, &|tag| {
            of_step(tag, &|step| time::text(step.time))
        }),
        column("notes", 2, Fit::Text, &|tag| {
            of_step(tag, &|step| notes::text(&step.notes))
        }),
    ];
    table::render(columns, width)
}
