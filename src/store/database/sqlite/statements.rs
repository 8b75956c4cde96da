use std::sync::LazyLock;

use crate::store::database::backend::Table;

/// What is asked of SQLite about one table.
pub(super) struct Statements {
    pub(super) get: String,
    /// The key's columns come first.
    pub(super) range: String,
    pub(super) add: String,
    pub(super) put: String,
    pub(super) delete: String,
}

impl Statements {
    pub(super) fn of(table: Table) -> &'static Self {
        static ALL: LazyLock<[Statements; 7]> = LazyLock::new(|| Table::ALL.map(Statements::new));
        &ALL[table as usize]
    }

    fn new(table: Table) -> Self {
        let Columns { name, key, others } = Columns::of(table);
        let listed = &others[..others.len().min(table.listed())];
        let columns = |columns: &[&str]| columns.join(", ");
        let holes = |count: usize| vec!["?"; count].join(", ");
        let all = holes(key.len() + others.len());
        // Of two ids the first one counts most, as in the order of keys.
        let (ids, bound) = (columns(key), holes(key.len()));
        let within = format!("({ids}) >= ({bound}) AND ({ids}) <= ({bound})");
        Statements {
            get: format!(
                "SELECT {} FROM {name} WHERE ({ids}) = ({bound})",
                columns(others)
            ),
            range: format!(
                "SELECT {ids}, {} FROM {name} WHERE {within} ORDER BY {ids}",
                columns(listed)
            ),
            add: format!("INSERT INTO {name} VALUES ({all})"),
            put: format!("INSERT OR REPLACE INTO {name} VALUES ({all})"),
            delete: format!("DELETE FROM {name} WHERE {within}"),
        }
    }
}

/// A table as its definition in `schema.rs` has it.
struct Columns {
    name: &'static str,
    key: &'static [&'static str],
    others: &'static [&'static str],
}

impl Columns {
    fn of(table: Table) -> Self {
        let (name, key, others): (_, &[_], &[_]) = match table {
            Table::Tip => (
                "tip",
                &["id"],
                &[
                    "generation",
                    "first_seq",
                    "seq",
                    "anchor",
                    "chain",
                    "commits",
                    "gaps",
                    "layers",
                    "next_blob",
                    "sum",
                ],
            ),
            Table::Layers => (
                "layers",
                &["id"],
                &[
                    "name", "dtype", "shape", "rows", "cols", "created", "oldest", "base", "sum",
                ],
            ),
            Table::Commits => (
                "commits",
                &["seq"],
                &[
                    "step", "time", "notes", "metadata", "layers", "members", "digest", "before",
                    "chain", "states",
                ],
            ),
            Table::Gaps => ("gaps", &["layer", "first"], &["last", "changes", "sum"]),
            Table::Settings => ("settings", &["id"], &["tags", "retention", "sum"]),
            Table::Groups => (
                "groups",
                &["layer", "first"],
                &[
                    "last", "steps", "level", "per_run", "blob", "bytes", "changes", "codebook",
                    "lattice", "manifest", "sum",
                ],
            ),
            Table::Keyframes => (
                "keyframes",
                &["layer", "step"],
                &["anchor", "per_run", "blob", "bytes", "manifest", "sum"],
            ),
        };
        Columns { name, key, others }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::TABLES;
    use super::*;

    #[test]
    fn every_column_is_where_the_definition_has_it() {
        for table in Table::ALL {
            let Columns { name, key, others } = Columns::of(table);
            assert_eq!(key.len(), table.ids());
            let (_, definition) = TABLES.iter().find(|(other, _)| *other == name).unwrap();
            let inside = definition.split_once('(').unwrap().1;
            let inside = inside.split(", PRIMARY KEY").next().unwrap();
            let defined = inside.split(", ");
            let defined: Vec<&str> = defined
                .map(|column| column.split(' ').next().unwrap())
                .collect();
            assert_eq!(defined, [key, others].concat(), "{name}");
        }
    }
}
