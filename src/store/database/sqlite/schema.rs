//! The tables of a store. `docs/format.md` says what each column holds.

/// "TVDB", in the header of the file.
pub(super) const APPLICATION_ID: i32 = 0x5456_4442;

/// Of the format that this version writes, and the newest that it reads.
pub(super) const FORMAT_VERSION: i32 = 1;

pub(super) const PAGE_SIZE: i32 = 4096;

/// Every table with its definition, as SQLite keeps it.
pub(super) const TABLES: [(&str, &str); 8] = [
    (
        "tip",
        "CREATE TABLE tip (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, \
         first_seq INTEGER NOT NULL, seq INTEGER NOT NULL, anchor BLOB NOT NULL, chain BLOB NOT NULL, \
         commits INTEGER NOT NULL, gaps INTEGER NOT NULL, layers INTEGER NOT NULL, \
         next_blob INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",
    ),
    (
        "layers",
        "CREATE TABLE layers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, dtype TEXT NOT NULL, \
         shape TEXT NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, created INTEGER NOT NULL, \
         oldest INTEGER NOT NULL, base INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",
    ),
    (
        "commits",
        "CREATE TABLE commits (seq INTEGER PRIMARY KEY, step INTEGER NOT NULL, time INTEGER NOT NULL, \
         notes TEXT NOT NULL, metadata TEXT NOT NULL, layers INTEGER NOT NULL, members BLOB, \
         digest BLOB NOT NULL, before BLOB, chain BLOB NOT NULL, states BLOB NOT NULL) STRICT",
    ),
    (
        "gaps",
        "CREATE TABLE gaps (layer INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, \
         changes INTEGER, sum INTEGER NOT NULL, PRIMARY KEY (layer, first)) STRICT, WITHOUT ROWID",
    ),
    (
        "settings",
        "CREATE TABLE settings (id INTEGER PRIMARY KEY, tags TEXT NOT NULL, retention TEXT NOT NULL, \
         sum INTEGER NOT NULL) STRICT",
    ),
    (
        "groups",
        "CREATE TABLE groups (layer INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, \
         steps INTEGER NOT NULL, level INTEGER NOT NULL, per_run INTEGER NOT NULL, blob INTEGER NOT NULL, \
         bytes INTEGER NOT NULL, changes INTEGER NOT NULL, codebook INTEGER, lattice INTEGER, \
         manifest BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (layer, first)) STRICT, WITHOUT ROWID",
    ),
    (
        "keyframes",
        "CREATE TABLE keyframes (layer INTEGER NOT NULL, step INTEGER NOT NULL, anchor INTEGER, \
         per_run INTEGER NOT NULL, blob INTEGER NOT NULL, bytes INTEGER NOT NULL, \
         manifest BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (layer, step)) STRICT, WITHOUT ROWID",
    ),
    (
        "blobs",
        "CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
    ),
];
