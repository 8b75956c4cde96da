use crate::store::database::backend::Table;

/// What is asked of SQLite about one table.
pub(super) struct Statements {
    pub(super) get: &'static str,
    pub(super) range: &'static str,
    pub(super) put: &'static str,
    pub(super) delete: &'static str,
}

/// The statements of a table whose keys have one id or two. In a range the key's columns come first, and
/// what only `get` gives is left out.
macro_rules! statements {
    ($table:literal, ($key:literal), $listed:literal, $all:literal, $values:literal) => {
        Statements {
            get: concat!("SELECT ", $all, " FROM ", $table, " WHERE ", $key, " = ?"),
            range: concat!(
                "SELECT ",
                $key,
                ", ",
                $listed,
                " FROM ",
                $table,
                " WHERE ",
                $key,
                " BETWEEN ? AND ? ORDER BY ",
                $key
            ),
            put: concat!("INSERT OR REPLACE INTO ", $table, " VALUES (", $values, ")"),
            delete: concat!("DELETE FROM ", $table, " WHERE ", $key, " BETWEEN ? AND ?"),
        }
    };
    ($table:literal, ($first:literal, $second:literal), $all:literal, $values:literal) => {
        Statements {
            get: concat!(
                "SELECT ",
                $all,
                " FROM ",
                $table,
                " WHERE ",
                $first,
                " = ? AND ",
                $second,
                " = ?"
            ),
            range: concat!(
                "SELECT ",
                $first,
                ", ",
                $second,
                ", ",
                $all,
                " FROM ",
                $table,
                " WHERE (",
                $first,
                ", ",
                $second,
                ") >= (?, ?) AND (",
                $first,
                ", ",
                $second,
                ") <= (?, ?) ORDER BY ",
                $first,
                ", ",
                $second
            ),
            put: concat!("INSERT OR REPLACE INTO ", $table, " VALUES (", $values, ")"),
            delete: concat!(
                "DELETE FROM ",
                $table,
                " WHERE (",
                $first,
                ", ",
                $second,
                ") >= (?, ?) AND (",
                $first,
                ", ",
                $second,
                ") <= (?, ?)"
            ),
        }
    };
}

pub(super) fn of(table: Table) -> Statements {
    match table {
        Table::Tip => statements!(
            "tip",
            ("id"),
            "generation, first_seq, seq, anchor, chain, commits, gaps, layers, next_blob, sum",
            "generation, first_seq, seq, anchor, chain, commits, gaps, layers, next_blob, sum",
            "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
        ),
        Table::Layers => statements!(
            "layers",
            ("id"),
            "name, dtype, shape, rows, cols, created, oldest, base, sum",
            "name, dtype, shape, rows, cols, created, oldest, base, sum",
            "?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
        ),
        Table::Commits => statements!(
            "commits",
            ("seq"),
            "step, time, notes, metadata, layers, members, digest, before, chain",
            "step, time, notes, metadata, layers, members, digest, before, chain, states",
            "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
        ),
        Table::Gaps => statements!(
            "gaps",
            ("layer", "first"),
            "last, changes, sum",
            "?, ?, ?, ?, ?"
        ),
        Table::Settings => statements!(
            "settings",
            ("id"),
            "tags, retention, sum",
            "tags, retention, sum",
            "?, ?, ?, ?"
        ),
        Table::Groups => statements!(
            "groups",
            ("layer", "first"),
            "last, steps, level, per_run, blob, bytes, changes, codebook, lattice, manifest, sum",
            "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
        ),
        Table::Keyframes => statements!(
            "keyframes",
            ("layer", "step"),
            "anchor, per_run, blob, bytes, manifest, sum",
            "?, ?, ?, ?, ?, ?, ?, ?"
        ),
    }
}
