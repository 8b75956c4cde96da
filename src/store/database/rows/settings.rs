use crate::error::Result;
use crate::store::database::backend::{Key, Row};
use crate::store::database::cells::Cells;
use crate::store::database::digest::Sum;

/// What was set for a store: JSON objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingsRow {
    pub(crate) tags: String,
    pub(crate) retention: String,
}

impl SettingsRow {
    /// Of a store for which nothing was set.
    pub(crate) fn first() -> Self {
        SettingsRow {
            tags: "{}".to_owned(),
            retention: "{}".to_owned(),
        }
    }

    pub(crate) fn key() -> Key {
        Key::of(0)
    }

    pub(crate) fn to_row(&self) -> Row {
        vec![
            self.tags.as_str().into(),
            self.retention.as_str().into(),
            self.sum().into(),
        ]
    }

    pub(crate) fn from_row(row: Row) -> Result<Self> {
        let mut cells = Cells::new(row);
        let settings = SettingsRow {
            tags: cells.text()?,
            retention: cells.text()?,
        };
        cells.check_sum(|| "its settings".to_owned(), settings.sum())?;
        Ok(settings)
    }

    fn sum(&self) -> i64 {
        Sum::of("settings")
            .text(&self.tags)
            .text(&self.retention)
            .sum()
    }
}
