//! What a store rests on: rows by table and key, blobs by id, one writer, consistent views. Whoever
//! keeps those can keep a store.

use std::ops::{Range, RangeInclusive};
use std::path::Path;

use crate::error::Result;
use crate::store::options::Durability;

/// Keeps rows and blobs.
pub(crate) trait Backend: Send + Sync {
    /// What the store is called in errors: its file, where it has one.
    fn path(&self) -> &Path;

    /// Whether it was opened for writing.
    fn is_writable(&self) -> bool;

    /// One consistent state: the newest that has been committed when it is first asked something, at the
    /// latest. It stays as it is, whatever is committed meanwhile, and holds no writer up.
    fn view(&self) -> Result<Box<dyn View + '_>>;

    /// Begins to write, when nobody else does. What the batch is committed with is as safe as
    /// `durability` says once [`wait`](Backend::wait) has returned. Errors: `ReadOnly`.
    fn begin(&self, durability: Durability) -> Result<Box<dyn Batch + '_>>;

    /// Waits until all that was committed is as safe as its batch was begun to make it. A backend whose
    /// commits are safe when they return has nothing to wait for.
    fn wait(&self) -> Result<()>;

    /// Bytes that are taken now.
    fn sizes(&self) -> Result<Sizes>;

    /// Looks after what it keeps the rows in. Nothing that is read changes by it.
    fn maintain(&self, care: Care) -> Result<()>;

    /// Whether what it keeps the rows in is whole. Errors: `Damaged`.
    fn check(&self) -> Result<()>;
}

/// One consistent state of all rows and blobs.
pub(crate) trait View {
    /// A row with all its cells.
    fn get(&self, table: Table, key: &Key) -> Result<Option<Row>>;

    /// The rows of a range of keys, in the keys' order, each without what only [`get`](View::get)
    /// gives: see [`Table::listed`]. Stops at the first error of `each`.
    fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
        each: &mut dyn FnMut(&Key, Row) -> Result<()>,
    ) -> Result<()>;

    /// The blobs of some ids, in their order, as far as they are there.
    fn blobs(&self, ids: Range<u64>) -> Result<Vec<Option<Vec<u8>>>>;

    /// How many blobs there are.
    fn blob_count(&self) -> Result<u64>;

    /// Bytes that rows and blobs take, in the unit that the backend gives space back in.
    fn used_bytes(&self) -> Result<u64>;
}

/// Changes that are committed together. It reads its own writes; dropped, it is taken back.
pub(crate) trait Batch: View {
    /// Adds a row. Errors, where one with its key is there: it would be lost.
    fn add(&self, table: Table, key: &Key, row: Row) -> Result<()>;

    /// Adds a row, or puts it in the place of the one with its key.
    fn put(&self, table: Table, key: &Key, row: Row) -> Result<()>;

    /// Takes the rows of a range of keys away.
    fn delete(&self, table: Table, keys: RangeInclusive<Key>) -> Result<()>;

    /// Adds a blob. Ids are not used again. Errors, where one with the id is there.
    fn put_blob(&self, id: u64, data: &[u8]) -> Result<()>;

    /// Takes blobs away.
    fn delete_blobs(&self, ids: Range<u64>) -> Result<()>;

    /// Makes it the newest state: all of it, or with an error nothing.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// Bytes that a store takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) database: u64,
    /// Of what has been committed and is not in the database yet, where those are two things.
    pub(crate) log: u64,
}

/// How much looking after there is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// What keeps it from growing for ever, beside others who read and write.
    Passing,
    /// Space that is free goes back to where it came from, as far as readers allow.
    Thorough,
}

/// Where rows are. `docs/format.md` says what each holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// One row, key 0.
    Tip,
    /// By id.
    Layers,
    /// By number.
    Commits,
    /// By layer and first commit.
    Gaps,
    /// One row, key 0.
    Settings,
    /// By layer and first step.
    Groups,
    /// By layer and step.
    Keyframes,
}

impl Table {
    pub(crate) const ALL: [Table; 7] = [
        Table::Tip,
        Table::Layers,
        Table::Commits,
        Table::Gaps,
        Table::Settings,
        Table::Groups,
        Table::Keyframes,
    ];

    /// How many ids its keys have.
    pub(crate) fn ids(self) -> usize {
        match self {
            Table::Tip | Table::Layers | Table::Commits | Table::Settings => 1,
            Table::Gaps | Table::Groups | Table::Keyframes => 2,
        }
    }

    /// How many of its cells a range gives. All, but for the states of a commit, which grow with the
    /// layers and are asked for one commit at a time.
    pub(crate) fn listed(self) -> usize {
        match self {
            Table::Commits => 9,
            _ => usize::MAX,
        }
    }
}

/// One id or two, each as eight bytes, big-endian: keys are ordered as their bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    bytes: [[u8; 8]; 2],
}

impl Key {
    pub(crate) fn of(id: u64) -> Self {
        Key::pair(id, 0)
    }

    pub(crate) fn pair(first: u64, second: u64) -> Self {
        Key {
            bytes: [first.to_be_bytes(), second.to_be_bytes()],
        }
    }

    /// All keys with a first id.
    pub(crate) fn all_of(first: u64) -> RangeInclusive<Self> {
        Key::pair(first, 0)..=Key::pair(first, u64::MAX)
    }

    /// All keys.
    pub(crate) fn all() -> RangeInclusive<Self> {
        Key::pair(0, 0)..=Key::pair(u64::MAX, u64::MAX)
    }

    /// The ids; of a key with one, the second is 0.
    pub(crate) fn ids(&self) -> [u64; 2] {
        self.bytes.map(u64::from_be_bytes)
    }
}

/// The cells of a row, in the order of the table's columns, without the key.
pub(crate) type Row = Vec<Cell>;

/// What is in one column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(
            impl From<$type> for Cell {
                fn from(number: $type) -> Self {
                    Cell::Integer(number.into())
                }
            }
        )*
    };
}

integers!(bool i32 u32 i64);

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl Cell {
    /// A number that is not above 2^63 - 1.
    pub(crate) fn count(count: u64) -> Self {
        Cell::Integer(count as i64)
    }

    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Cell::Bytes(bytes.into())
    }

    pub(crate) fn optional(cell: Option<impl Into<Cell>>) -> Self {
        cell.map_or(Cell::Null, Into::into)
    }

    /// Bytes that it takes, about.
    pub(crate) fn size(&self) -> u64 {
        let size = match self {
            Cell::Null => 1,
            Cell::Integer(_) => 8,
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
        };
        size as u64
    }
}
