//! The sizes for people.

use std::collections::BTreeMap;
use std::path::Path;

use temporal_vdb::{LayerInfo, LayerStats, StoreStats};

use crate::screen::numbers::{bytes, counted, grouped};
use crate::screen::table::{self, Column, Fit};
use crate::screen::tags;
use crate::screen::terminal::labelled;
use crate::verbs::policies::Policies;

/// A few lines about the store, and a line for each layer, of at most `width` columns where the
/// store's own name lets them.
pub(super) fn render(
    store: &Path,
    stats: &StoreStats,
    tags: &BTreeMap<String, usize>,
    policies: &Policies,
    width: usize,
) -> String {
    let mut text = format!("{}: {}\n", store.display(), holds(stats));
    if !tags.is_empty() || !policies.keep_all() {
        text.push('\n');
        text += &labelled("tags", &tags::short_list(tags), width);
        text += &labelled("keeps", &keeps(policies), width);
    }
    if !stats.layers.is_empty() {
        text.push('\n');
        text += &sizes(stats, width);
        text.push('\n');
        text += &layers(&stats.layers, width);
    }
    text
}

/// `41 steps (0 to 40) of 3 layers`
fn holds(stats: &StoreStats) -> String {
    let count = counted(stats.count as u64, "step");
    let layers = counted(stats.layers.len() as u64, "layer");
    match (stats.oldest, stats.latest) {
        (Some(oldest), Some(latest)) if oldest != latest => {
            format!("{count} ({oldest} to {latest}) of {layers}")
        }
        (_, Some(latest)) => format!("{count} ({latest}) of {layers}"),
        _ => format!("{count} yet, {layers}"),
    }
}

/// `last 100; 2 layers tiers 10,40@10`, and nothing where all steps stay.
fn keeps(policies: &Policies) -> String {
    if policies.keep_all() {
        return String::new();
    }
    let mut layers: BTreeMap<String, u64> = BTreeMap::new();
    for policy in policies.own.values() {
        *layers.entry(policy.to_string()).or_default() += 1;
    }
    let mut text = policies.common.to_string();
    for (policy, count) in layers {
        text += &format!("; {policy} of {}", counted(count, "layer"));
    }
    text
}

/// What each size is, the size, and a remark, which a narrow terminal does without.
fn sizes(stats: &StoreStats, width: usize) -> String {
    let file = stats.file_bytes();
    let times = |part: u64| part as f64 / file.max(1) as f64;
    let log = match stats.log_bytes {
        0 => String::new(),
        log => format!("{} of it in its log", bytes(log)),
    };
    let mut rows = vec![
        (
            "raw checkpoints",
            bytes(stats.raw_bytes),
            format!("{:.2} times the file", times(stats.raw_bytes)),
        ),
        ("file", bytes(file), log),
    ];
    let parts = [
        ("  base", stats.base_bytes),
        ("  later keyframes", stats.keyframe_bytes),
        ("  journal", stats.journal_bytes),
        ("  blocks", stats.block_bytes),
    ];
    let known: u64 = parts.iter().map(|(_, size)| size).sum();
    let rest = [("  all else", file.saturating_sub(known))];
    for (name, size) in parts.into_iter().chain(rest) {
        let share = format!("{:.1} %", times(size) * 100.0);
        rows.push((name, bytes(size), share));
    }
    rows.push(("changed weights", grouped(stats.changes), String::new()));
    for (name, each) in [
        ("  journal, blocks", stats.bytes_per_change()),
        ("  all but base", stats.file_bytes_per_change()),
    ] {
        if let Some(each) = each {
            rows.push((name, format!("{each:.2} B"), "each".to_owned()));
        }
    }
    let line = |(name, value, remark): (&str, String, String)| {
        let line = format!("{name:<17}{value:>15}");
        if remark.is_empty() || line.len() + 2 + remark.len() > width {
            return line + "\n";
        }
        format!("{line}  {remark}\n")
    };
    rows.into_iter().map(line).collect()
}

fn layers(layers: &[LayerStats], width: usize) -> String {
    let column = |heading, rank, fit, cell: &dyn Fn(&LayerStats) -> String| Column {
        heading,
        cells: layers.iter().map(cell).collect(),
        rank,
        fit,
    };
    let columns = vec![
        column("layer", 0, Fit::Name, &|layer| layer.info.name.clone()),
        column("shape", 1, Fit::Right, &|layer| shape(&layer.info)),
        column("type", 2, Fit::Right, &|layer| layer.info.dtype.to_string()),
        column("changes", 0, Fit::Right, &|layer| grouped(layer.changes)),
        column("bytes", 0, Fit::Right, &|layer| bytes(layer.bytes)),
    ];
    table::render(columns, width)
}

/// The tensor's own shape: `256 x 64`.
fn shape(info: &LayerInfo) -> String {
    if info.shape.is_empty() {
        return "scalar".to_owned();
    }
    let axes: Vec<_> = info.shape.iter().map(ToString::to_string).collect();
    axes.join(" x ")
}
