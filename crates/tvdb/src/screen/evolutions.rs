//! How something moved, in words and for programs.

use serde_json::{Map, Value, json};
use temporal_vdb::Evolution;

use crate::screen::numbers::to_json;

/// The fields of an evolution.
pub(crate) fn fields(own: &Evolution) -> Map<String, Value> {
    let value = json!({
        "changes": own.changes,
        "changed": own.changed,
        "first": own.first,
        "last": own.last,
        "path": to_json(own.path),
        "net": to_json(own.net),
        "largest": to_json(own.largest),
        "flips": own.flips,
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
