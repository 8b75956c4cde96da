use std::collections::BTreeMap;

use super::source::Source;
use crate::error::Result;

/// What a grid says of itself, as far as it is looked at: ours, and how it was saved.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    entries: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    /// Of any other type, which is named.
    Other(String),
}

/// What our keys begin with.
const OURS: &str = "temporal_vdb_";

/// The key of a grid's name, which stands in the list of grids too.
pub(super) const NAME: &str = "name";

impl Metadata {
    /// Reads a map: each entry has a name, the name of its type, a size, and so many bytes.
    pub(super) fn read(source: &mut Source, what: &str) -> Result<Self> {
        let count = source.u32(what)?;
        source.need(u64::from(count) * 3 * 4, what)?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let name = source.text(what)?;
            let type_name = source.text(what)?;
            let size = u64::from(source.u32(what)?);
            if !name.starts_with(OURS) && !name.starts_with("is_") && name != NAME {
                source.skip(size, what)?;
                continue;
            }
            let value = match (&*type_name, size) {
                ("bool", 1) => Value::Bool(source.u8(what)? != 0),
                ("int32", 4) => Value::Int(source.i32(what)?.into()),
                ("int64", 8) => Value::Int(source.i64(what)?),
                ("string", _) => {
                    let bytes = source.bytes(size, what)?;
                    Value::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
                _ => {
                    source.skip(size, what)?;
                    Value::Other(type_name)
                }
            };
            entries.insert(name, value);
        }
        Ok(Metadata { entries })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// Whether any of our keys has a value that is not 0 or empty.
    pub(super) fn has_ours(&self) -> bool {
        let ours = self.entries.iter().filter(|(key, _)| key.starts_with(OURS));
        ours.into_iter().any(|(_, value)| match value {
            Value::Bool(set) => *set,
            Value::Int(number) => *number != 0,
            Value::Text(text) => !text.is_empty(),
            Value::Other(_) => true,
        })
    }

    /// Whether a flag is set, be it a bool or a number.
    pub(super) fn is_true(&self, key: &str) -> bool {
        match self.get(key) {
            Some(Value::Bool(set)) => *set,
            Some(Value::Int(number)) => *number != 0,
            _ => false,
        }
    }
}
