//! What was noted with a step.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use temporal_vdb::Note;

/// `loss=0.25 lr=0.001`
pub(crate) fn text(notes: &BTreeMap<String, Note>) -> String {
    let notes: Vec<_> = notes
        .iter()
        .map(|(key, note)| format!("{key}={note}"))
        .collect();
    notes.join(" ")
}

pub(crate) fn to_json(notes: &BTreeMap<String, Note>) -> Value {
    let value = |note: &Note| match note {
        Note::Number(number) => Value::from(*number),
        Note::Text(text) => Value::from(text.as_str()),
    };
    let notes = notes.iter().map(|(key, note)| (key.clone(), value(note)));
    Value::Object(notes.collect::<Map<_, _>>())
}
