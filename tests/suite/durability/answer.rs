//! All that can be asked of a store, and what it answers.

use temporal_vdb::{
    Checkpoint, Delta, LayerInfo, Result, SparseWeights, StepInfo, StoreStats, TemporalLayer,
    TemporalStore, TemporalVDBStorage, Verified,
};

use super::done;

#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    Steps,
    Layers,
    Stats,
    Latest,
    Weights(usize),
    /// One layer at a step.
    State(String, usize),
    Deltas(String),
    /// Of the weight in the middle of a layer.
    History(String),
    Verify,
}

#[derive(Debug, PartialEq)]
pub enum Answer {
    Steps(Vec<StepInfo>),
    Layers(Vec<LayerInfo>),
    Stats(StoreStats),
    Weights(usize, Checkpoint),
    State(usize, SparseWeights),
    Deltas(Vec<(usize, Delta)>),
    History(Vec<(usize, u32)>),
    Verified(Verified),
}

impl Question {
    /// All that makes sense for a store with these layers.
    pub fn all(layers: &[LayerInfo]) -> Vec<Question> {
        let mut questions = vec![
            Question::Steps,
            Question::Layers,
            Question::Stats,
            Question::Latest,
        ];
        let whole = layers.iter().map(|layer| layer.oldest).max().unwrap();
        questions.extend((whole..=layers[0].latest).map(Question::Weights));
        for layer in layers.iter().filter(|layer| layer.matrix.is_some()) {
            let name = || layer.name.clone();
            let older = (layer.oldest..whole).chain([layer.latest]);
            questions.extend(older.map(|step| Question::State(name(), step)));
            questions.extend([Question::Deltas(name()), Question::History(name())]);
        }
        questions.push(Question::Verify);
        questions
    }

    pub fn ask(&self, store: &TemporalStore) -> Result<Answer> {
        Ok(match self {
            Question::Steps => Answer::Steps(done(store.steps())?),
            Question::Layers => Answer::Layers(done(store.layers())?),
            Question::Stats => Answer::Stats(done(store.stats())?),
            Question::Latest => {
                let found = done(store.latest())?;
                Answer::Weights(found.timestep, found.checkpoint)
            }
            Question::Weights(step) => {
                let found = done(store.weights_at(*step))?;
                Answer::Weights(found.timestep, found.checkpoint)
            }
            Question::State(layer, step) => {
                let found = done(done(store.layer(layer))?.weights_at_time(*step))?;
                Answer::State(found.timestep().unwrap(), found)
            }
            Question::Deltas(layer) => {
                Answer::Deltas(done(done(store.layer(layer))?.recent_deltas(usize::MAX))?)
            }
            Question::History(layer) => {
                let layer = done(store.layer(layer))?;
                let (rows, cols) = layer.shape();
                let found = done(layer.weight_history(rows / 2, cols / 2))?;
                let bits = found
                    .into_iter()
                    .map(|(step, value)| (step, value.to_bits()));
                Answer::History(bits.collect())
            }
            Question::Verify => Answer::Verified(done(store.verify(|_, _| ()))?),
        })
    }
}

impl Answer {
    /// Whether it is what a store could have said that has lost its newest steps, but for weights,
    /// which name their step.
    pub fn is_beginning_of(&self, whole: &Answer) -> bool {
        match (self, whole) {
            (Answer::Steps(part), Answer::Steps(whole)) => whole.starts_with(part),
            (Answer::Deltas(part), Answer::Deltas(whole)) => whole.starts_with(part),
            (Answer::History(part), Answer::History(whole)) => whole.starts_with(part),
            (Answer::Layers(part), Answer::Layers(whole)) => {
                let shortened = |(part, whole): (&LayerInfo, &LayerInfo)| {
                    part.latest <= whole.latest
                        && *part
                            == LayerInfo {
                                latest: part.latest,
                                ..whole.clone()
                            }
                };
                part.len() == whole.len() && part.iter().zip(whole).all(shortened)
            }
            (Answer::Stats(_), Answer::Stats(_)) => true,
            (Answer::Verified(_), Answer::Verified(_)) => true,
            _ => self == whole,
        }
    }
}
