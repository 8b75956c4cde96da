use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// What a step says of itself beside its weights, such as its loss.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A number. Infinities and NaN are kept as text.
    Number(f64),
    /// Any text.
    Text(String),
}

impl From<f64> for Note {
    fn from(number: f64) -> Self {
        if number.is_finite() {
            Note::Number(number)
        } else {
            Note::Text(number.to_string())
        }
    }
}

impl From<&str> for Note {
    fn from(text: &str) -> Self {
        Note::Text(text.to_owned())
    }
}

impl From<String> for Note {
    fn from(text: String) -> Self {
        Note::Text(text)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Number(number) => number.fmt(f),
            Note::Text(text) => text.fmt(f),
        }
    }
}

/// The notes as a JSON object.
pub(crate) fn notes_to_json(notes: &BTreeMap<String, Note>) -> String {
    let value = |note: &Note| match note {
        Note::Number(number) => Value::from(*number),
        Note::Text(text) => Value::from(text.as_str()),
    };
    let object: Map<_, _> = notes
        .iter()
        .map(|(key, note)| (key.clone(), value(note)))
        .collect();
    Value::Object(object).to_string()
}

/// Notes from a JSON object that [`notes_to_json`] wrote; `None` for any other text.
pub(crate) fn notes_from_json(json: &str) -> Option<BTreeMap<String, Note>> {
    let Ok(Value::Object(object)) = serde_json::from_str(json) else {
        return None;
    };
    let note = |(key, value)| match value {
        Value::Number(number) => Some((key, Note::Number(number.as_f64()?))),
        Value::String(text) => Some((key, Note::Text(text))),
        _ => None,
    };
    object.into_iter().map(note).collect()
}

/// A checkpoint's metadata as a JSON object.
pub(crate) fn metadata_to_json(metadata: &BTreeMap<String, String>) -> String {
    let object: Map<_, _> = metadata
        .iter()
        .map(|(key, text)| (key.clone(), Value::from(text.as_str())))
        .collect();
    Value::Object(object).to_string()
}

/// Metadata from a JSON object that [`metadata_to_json`] wrote; `None` for any other text.
pub(crate) fn metadata_from_json(json: &str) -> Option<BTreeMap<String, String>> {
    serde_json::from_str(json).ok()
}
