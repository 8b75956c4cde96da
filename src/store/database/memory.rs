use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backend::{Backend, Batch, Care, Cell, Key, Row, Sizes, Table, View};
use super::rows::{SettingsRow, Tip};
use crate::error::{Error, Result};
use crate::store::options::Durability;

/// Rows and blobs that go with the process. A view shares them; a batch keeps its own beside them until
/// it is committed.
pub(super) struct Memory {
    contents: Mutex<Arc<Contents>>,
    /// Held by whoever writes.
    writing: Mutex<()>,
}

#[derive(Clone, Default)]
struct Contents {
    rows: BTreeMap<(Table, Key), Arc<Row>>,
    blobs: BTreeMap<u64, Arc<[u8]>>,
    /// What all of them take.
    bytes: u64,
}

/// What a batch puts, and with `None` takes away.
#[derive(Default)]
struct Changes {
    rows: BTreeMap<(Table, Key), Option<Arc<Row>>>,
    blobs: BTreeMap<u64, Option<Arc<[u8]>>>,
}

impl Memory {
    /// An empty store.
    pub(super) fn new() -> Self {
        let mut changes = Changes::default();
        changes.put(
            Table::Settings,
            &SettingsRow::key(),
            SettingsRow::first().to_row(),
        );
        changes.put(Table::Tip, &Tip::key(), Tip::first().to_row());
        let mut contents = Contents::default();
        contents.apply(changes);
        Memory {
            contents: Mutex::new(Arc::new(contents)),
            writing: Mutex::new(()),
        }
    }

    /// What is whole between any two commits.
    fn contents(&self) -> MutexGuard<'_, Arc<Contents>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn path(&self) -> &Path {
        Path::new(":memory:")
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn view(&self) -> Result<Box<dyn View + '_>> {
        Ok(Box::new(MemoryView(Arc::clone(&self.contents()))))
    }

    fn begin(&self, _: Durability) -> Result<Box<dyn Batch + '_>> {
        // Whoever panicked while writing has changed nothing.
        let alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(MemoryBatch {
            base: MemoryView(Arc::clone(&self.contents())),
            changes: RefCell::default(),
            memory: self,
            _alone: alone,
        }))
    }

    fn wait(&self) -> Result<()> {
        Ok(()) // it lasts as long as the process, whatever is done
    }

    fn sizes(&self) -> Result<Sizes> {
        Ok(Sizes {
            database: self.contents().bytes,
            log: 0,
        })
    }

    fn maintain(&self, _: Care) -> Result<()> {
        Ok(())
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Contents {
    fn apply(&mut self, changes: Changes) {
        self.bytes = self.bytes_with(&changes);
        for (key, row) in changes.rows {
            match row {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
        for (id, blob) in changes.blobs {
            match blob {
                Some(blob) => self.blobs.insert(id, blob),
                None => self.blobs.remove(&id),
            };
        }
    }

    /// What everything takes once changes are among it.
    fn bytes_with(&self, changes: &Changes) -> u64 {
        let rows = changes.rows.iter().map(|(key, row)| {
            let size = |row: &Arc<Row>| row_size(row);
            (
                row.as_ref().map_or(0, size),
                self.rows.get(key).map_or(0, size),
            )
        });
        let blobs = changes.blobs.iter().map(|(id, blob)| {
            let size = |blob: &Arc<[u8]>| blob_size(blob);
            (
                blob.as_ref().map_or(0, size),
                self.blobs.get(id).map_or(0, size),
            )
        });
        let (mut added, mut gone) = (0, 0);
        for (new, old) in rows.chain(blobs) {
            added += new;
            gone += old;
        }
        self.bytes + added - gone
    }
}

fn there_already(what: String) -> Error {
    Error::Unexpected {
        message: format!("{what} is there already"),
    }
}

/// With its key.
fn row_size(row: &Row) -> u64 {
    16 + row.iter().map(Cell::size).sum::<u64>()
}

/// With its id.
fn blob_size(blob: &[u8]) -> u64 {
    8 + blob.len() as u64
}

impl Changes {
    fn put(&mut self, table: Table, key: &Key, row: Row) {
        self.rows.insert((table, *key), Some(Arc::new(row)));
    }
}

struct MemoryView(Arc<Contents>);

impl MemoryView {
    fn rows(
        &self,
        table: Table,
        keys: &RangeInclusive<Key>,
    ) -> impl Iterator<Item = (Key, &Arc<Row>)> {
        let keys = (table, *keys.start())..=(table, *keys.end());
        let rows = self.0.rows.range(keys);
        rows.map(|((_, key), row)| (*key, row))
    }
}

/// A row as a range gives it.
fn listed(table: Table, row: &Row) -> Row {
    row[..row.len().min(table.listed())].to_vec()
}

impl View for MemoryView {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Row>> {
        let row = self.0.rows.get(&(table, *key));
        Ok(row.map(|row| Row::clone(row)))
    }

    fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
        each: &mut dyn FnMut(&Key, Row) -> Result<()>,
    ) -> Result<()> {
        let mut rows = self.rows(table, &keys);
        rows.try_for_each(|(key, row)| each(&key, listed(table, row)))
    }

    fn blobs(&self, ids: Range<u64>) -> Result<Vec<Option<Vec<u8>>>> {
        let blob = |id| self.0.blobs.get(&id).map(|blob| blob.to_vec());
        Ok(ids.map(blob).collect())
    }

    fn blob_count(&self) -> Result<u64> {
        Ok(self.0.blobs.len() as u64)
    }

    fn used_bytes(&self) -> Result<u64> {
        Ok(self.0.bytes)
    }
}

struct MemoryBatch<'m> {
    base: MemoryView,
    changes: RefCell<Changes>,
    memory: &'m Memory,
    _alone: MutexGuard<'m, ()>,
}

impl View for MemoryBatch<'_> {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Row>> {
        match self.changes.borrow().rows.get(&(table, *key)) {
            Some(row) => Ok(row.as_ref().map(|row| Row::clone(row))),
            None => self.base.get(table, key),
        }
    }

    fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
        each: &mut dyn FnMut(&Key, Row) -> Result<()>,
    ) -> Result<()> {
        // Collected, so that `each` may write.
        let mut found: BTreeMap<Key, Arc<Row>> = self
            .base
            .rows(table, &keys)
            .map(|(key, row)| (key, Arc::clone(row)))
            .collect();
        let own = (table, *keys.start())..=(table, *keys.end());
        for ((_, key), row) in self.changes.borrow().rows.range(own) {
            match row {
                Some(row) => found.insert(*key, Arc::clone(row)),
                None => found.remove(key),
            };
        }
        let mut found = found.iter();
        found.try_for_each(|(key, row)| each(key, listed(table, row)))
    }

    fn blobs(&self, ids: Range<u64>) -> Result<Vec<Option<Vec<u8>>>> {
        let changes = self.changes.borrow();
        let blob = |id: u64| match changes.blobs.get(&id) {
            Some(blob) => blob.as_deref().map(<[u8]>::to_vec),
            None => self.base.0.blobs.get(&id).map(|blob| blob.to_vec()),
        };
        Ok(ids.map(blob).collect())
    }

    fn blob_count(&self) -> Result<u64> {
        let changes = self.changes.borrow();
        let mut count = self.base.0.blobs.len();
        for (id, blob) in &changes.blobs {
            match (blob, self.base.0.blobs.contains_key(id)) {
                (Some(_), false) => count += 1,
                (None, true) => count -= 1,
                _ => {}
            }
        }
        Ok(count as u64)
    }

    fn used_bytes(&self) -> Result<u64> {
        Ok(self.base.0.bytes_with(&self.changes.borrow()))
    }
}

impl Batch for MemoryBatch<'_> {
    fn add(&self, table: Table, key: &Key, row: Row) -> Result<()> {
        if self.get(table, key)?.is_some() {
            return Err(there_already(format!("row {:?} of {table:?}", key.ids())));
        }
        self.put(table, key, row)
    }

    fn put(&self, table: Table, key: &Key, row: Row) -> Result<()> {
        self.changes.borrow_mut().put(table, key, row);
        Ok(())
    }

    fn delete(&self, table: Table, keys: RangeInclusive<Key>) -> Result<()> {
        let there = self.base.rows(table, &keys).map(|(key, _)| key);
        let own = (table, *keys.start())..=(table, *keys.end());
        let mut changes = self.changes.borrow_mut();
        let put = changes.rows.range(own).map(|((_, key), _)| *key);
        let gone: Vec<Key> = there.chain(put).collect();
        for key in gone {
            changes.rows.insert((table, key), None);
        }
        Ok(())
    }

    fn put_blob(&self, id: u64, data: &[u8]) -> Result<()> {
        if self.blobs(id..id.saturating_add(1))?[0].is_some() {
            return Err(there_already(format!("blob {id}")));
        }
        self.changes
            .borrow_mut()
            .blobs
            .insert(id, Some(data.into()));
        Ok(())
    }

    fn delete_blobs(&self, ids: Range<u64>) -> Result<()> {
        let there = self.base.0.blobs.range(ids.clone()).map(|(id, _)| *id);
        let mut changes = self.changes.borrow_mut();
        let put = changes.blobs.range(ids).map(|(id, _)| *id);
        let gone: Vec<u64> = there.chain(put).collect();
        for id in gone {
            changes.blobs.insert(id, None);
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let MemoryBatch {
            base,
            changes,
            memory,
            _alone,
        } = *self;
        // Where no view is left they are changed in place.
        drop(base);
        let mut contents = memory.contents();
        Arc::make_mut(&mut contents).apply(changes.into_inner());
        Ok(())
    }
}
