//! A small store in which there is everything, to be damaged.

use std::ops::Range;
use std::path::Path;

use rusqlite::{Connection, Row};
use temporal_vdb::{Checkpoint, Durability, StoreOptions, TemporalStore};

use super::answer::{Answer, Question};
use super::damage::Damage;
use super::recorder::{Job, store_files};
use super::run::{Acknowledged, Run};
use super::{done, scratch};

/// Its newest step.
const LATEST: usize = 29;

/// Steps that are in SQLite's log alone, where there is one.
const IN_LOG: usize = 4;

/// A whole store, and what it answers.
pub struct Example {
    pub run: Run,
    pub options: StoreOptions,
    /// Names and contents: the database, and the log if there is one.
    pub files: Vec<(String, Vec<u8>)>,
    /// `None` where an error is the right answer.
    pub answers: Vec<(Question, Option<Answer>)>,
    /// By step, and one more.
    pub checkpoints: Vec<Checkpoint>,
    /// Of every layer at every step.
    states: Vec<(Question, Answer)>,
    /// Bytes of the database that hold rows, but for those of blobs, which are most of it.
    pub rows: Vec<Range<usize>>,
}

impl Example {
    pub fn new(with_log: bool) -> Self {
        let folder = scratch();
        let job = Job {
            store: folder.path().join("run.tvdb"),
            run: Run { seed: 13, side: 16 },
            steps: 0,
            durability: Durability::Immediate,
            closes: true,
        };
        let options = StoreOptions {
            threads: std::num::NonZeroUsize::new(1),
            ..job.options()
        };
        let run = job.run;
        let store = done(TemporalStore::create(&job.store, options)).unwrap();
        let mut known = Acknowledged::default();
        for step in 0..=LATEST {
            if step == LATEST + 1 - IN_LOG {
                done(store.seal()).unwrap(); // so that nothing is done behind recording later
                done(store.settle()).unwrap();
            }
            run.record(&store, step).unwrap();
            known.step = Some(step);
            if step < LATEST - IN_LOG && run.maintain(&store, step).unwrap() {
                known.pruned.push(step);
            }
        }
        if !with_log {
            done(store.settle()).unwrap();
        }
        run.check(&store, &known, usize::MAX);
        let layers = done(store.layers()).unwrap();
        let answers = Question::all(&layers).into_iter();
        let states = layers.iter().filter(|layer| layer.matrix.is_some());
        let states = states.flat_map(|layer| {
            (layer.oldest..=LATEST).map(|step| Question::State(layer.name.clone(), step))
        });
        let example = Example {
            run,
            options,
            files: store_files(&job.store),
            answers: answers
                .map(|question| (question.clone(), question.ask(&store).ok()))
                .collect(),
            checkpoints: (0..=LATEST + 1).map(|step| run.checkpoint(step)).collect(),
            states: states
                .map(|state| (state.clone(), state.ask(&store).unwrap()))
                .collect(),
            rows: rows(&job.store),
        };
        let sizes: Vec<usize> = example.files.iter().map(|(_, bytes)| bytes.len()).collect();
        assert!(sizes[0] > 50_000 && (sizes.len() == 2 && sizes[1] > 50_000) == with_log);
        has_everything(&job.store);
        example
    }

    /// That an answer is the right one or, where the log may have lost its end, that of a store
    /// that has only the steps before.
    pub fn check(&self, question: &Question, answer: &Answer, expected: &Answer) {
        let may_be_shorter = self.has_log();
        let right = match (question, answer) {
            (Question::Latest | Question::Weights(_), Answer::Weights(step, found))
                if may_be_shorter =>
            {
                let until = if let Question::Weights(at) = question {
                    *at
                } else {
                    LATEST
                };
                *step <= until && *found == self.checkpoints[*step]
            }
            (Question::State(layer, _), Answer::State(step, _)) if may_be_shorter => {
                let same = Question::State(layer.clone(), *step);
                let state = self.states.iter().find(|(other, _)| same == *other);
                state.is_some_and(|(_, state)| state == answer)
            }
            _ if may_be_shorter => answer.is_beginning_of(expected),
            _ => answer == expected,
        };
        assert!(right, "{question:?} is answered wrongly");
    }

    /// Its files with one of them damaged.
    pub fn damaged(&self, file: usize, damage: Damage, folder: &Path) {
        for (i, (name, bytes)) in self.files.iter().enumerate() {
            let mut bytes = bytes.clone();
            if i == file {
                damage.apply(&mut bytes);
            }
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }

    /// Whether some steps are in the log alone. What SQLite finds wrong with that it takes for its
    /// end, since it cannot tell the two: steps that were acknowledged vanish then, unseen.
    pub fn has_log(&self) -> bool {
        self.files.len() > 1
    }
}

/// Where the rows of all tables but that of blobs are; in a page they lie at its end.
fn rows(path: &Path) -> Vec<Range<usize>> {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT pgoffset + unused, pgoffset + pgsize FROM dbstat WHERE name <> 'blobs'";
    let mut query = connection.prepare(sql).unwrap();
    let at = |row: &Row, column| row.get::<_, u32>(column).map(|at| at as usize);
    let rows = query.query_map([], |row| Ok(at(row, 0)?..at(row, 1)?));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// The example holds each form that something can have in a store.
fn has_everything(path: &Path) {
    let connection = Connection::open(path).unwrap();
    for rows in [
        "groups WHERE level = 0",
        "groups WHERE level = 1",
        "groups WHERE level > 1",
        "keyframes WHERE anchor IS NULL AND step > 0",
        "keyframes WHERE anchor IS NOT NULL",
        "layers WHERE oldest > 0",
        "layers WHERE rows = 0",
        "commits WHERE notes <> '{}'",
    ] {
        let sql = format!("SELECT count(*) FROM {rows}");
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert!(count > 0, "no {rows}");
    }
}
