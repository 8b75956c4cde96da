//! What people and programs are shown: numbers, tables, lines, progress, errors. Nothing here knows
//! verbs, arguments or files.

pub(crate) mod evolutions;
pub(crate) mod failure;
pub(crate) mod notes;
pub(crate) mod numbers;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod ranges;
pub(crate) mod sparkline;
pub(crate) mod table;
pub(crate) mod tags;
pub(crate) mod terminal;
pub(crate) mod time;
