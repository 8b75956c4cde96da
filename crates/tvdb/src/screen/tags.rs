//! The names of steps.

use std::collections::BTreeMap;

use crate::screen::terminal::shortened;

/// Tags in few words: `best (12), warm (40)`.
pub(crate) fn short_list(tags: &BTreeMap<String, usize>) -> String {
    const MOST: usize = 6;
    let mut words: Vec<_> = tags
        .iter()
        .take(MOST)
        .map(|(name, step)| format!("{} ({step})", shortened(name, 24)))
        .collect();
    if tags.len() > MOST {
        words.push(format!("{} more", tags.len() - MOST));
    }
    words.join(", ")
}
