use std::sync::Arc;

use rayon::prelude::*;

use super::join::ClassPair;
use super::{Inner, jaccard};
use crate::error::{Error, Result};
use crate::host::{Progress, Task, blocking};
use crate::values::Unit;

/// Pairs after which it is asked whether anyone still waits for them.
const BATCH: usize = 1 << 16;

/// Two units that change together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// One of them.
    pub a: Unit,
    /// The other, which comes after it.
    pub b: Unit,
    /// The Jaccard index of their sets of change steps.
    pub score: f64,
}

/// Pairs, found as they are read: whoever reads no further pays for no more.
pub struct Pairs {
    inner: Arc<Inner>,
    cursor: Cursor,
}

/// How far pairs have been read.
#[derive(Clone, Default)]
struct Cursor {
    /// The next block to look into.
    block: usize,
    /// Pairs of classes of equal sets, and which of them is next.
    found: Arc<Vec<ClassPair>>,
    at: usize,
    /// Which of its units are next, by their places in their classes.
    units: Option<(usize, usize)>,
}

impl Pairs {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Pairs {
            inner,
            cursor: Cursor::default(),
        }
    }

    /// The next pairs: at most `most`, or 1 for 0, and fewer at the end only; none after it. Dropping
    /// the future leaves them to the next call.
    ///
    /// Errors: `OutOfMemory`.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Pair>> {
        let (inner, mut cursor) = (Arc::clone(&self.inner), self.cursor.clone());
        let (_stopper, task) = Progress::default().begin();
        let (cursor, pairs) = blocking::run(move || {
            let pairs = cursor.read(&inner, most.max(1), &task)?;
            Ok((cursor, pairs))
        })
        .await?;
        self.cursor = cursor;
        Ok(pairs)
    }
}

impl Cursor {
    fn read(&mut self, inner: &Inner, most: usize, task: &Task) -> Result<Vec<Pair>> {
        let mut pairs = Vec::new();
        while pairs.len() < most {
            if self.at < self.found.len() {
                let most = most.min(pairs.len() + BATCH);
                self.expand(inner, most, &mut pairs)?;
                task.check()?;
                continue;
            }
            task.check()?;
            if self.block == inner.join.blocks() {
                break;
            }
            let end = inner.join.blocks();
            let end = end.min(self.block + inner.pool.current_num_threads());
            let blocks = (self.block..end).into_par_iter();
            let found: Vec<_> = inner
                .pool
                .install(|| blocks.map(|block| inner.join.block(block)).collect());
            (self.block, self.at) = (end, 0);
            self.found = Arc::new(found.into_iter().flatten().collect());
        }
        Ok(pairs)
    }

    /// The units of a pair of classes, from the next ones on.
    fn expand(&mut self, inner: &Inner, most: usize, pairs: &mut Vec<Pair>) -> Result<()> {
        let classes = self.found[self.at];
        let (firsts, seconds) = (inner.join.members(classes.a), inner.join.members(classes.b));
        let score = jaccard(
            classes.shared as usize,
            inner.join.size(classes.a),
            inner.join.size(classes.b),
        );
        // Of a class with itself each pair once.
        let begin = |i: usize| if classes.a == classes.b { i + 1 } else { 0 };
        let (mut i, mut j) = self.units.take().unwrap_or((0, begin(0)));
        while i < firsts.len() {
            if j >= seconds.len() {
                i += 1;
                j = begin(i);
                continue;
            }
            if pairs.len() == most {
                self.units = Some((i, j));
                return Ok(());
            }
            pairs.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
            let (one, other) = (firsts[i], seconds[j]);
            let unit = |at: u32| inner.units.units[at as usize];
            pairs.push(Pair {
                a: unit(one.min(other)),
                b: unit(one.max(other)),
                score,
            });
            j += 1;
        }
        self.at += 1;
        Ok(())
    }
}
