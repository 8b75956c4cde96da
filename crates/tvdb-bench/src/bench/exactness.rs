//! Whether every step comes back as it was, bit for bit.

use anyhow::{Context, Result, bail};
use temporal_vdb::{Checkpoint, TemporalStore};

use super::run_source::RunSource;
use crate::{Listener, background};

/// Compares every step of the store with its checkpoint, and fails at the first that differs.
pub(super) async fn check(
    store: &TemporalStore,
    run: &RunSource,
    listener: &dyn Listener,
) -> Result<()> {
    for step in run.steps() {
        let expected = run.read(step).await?;
        let found = store
            .weights_at(step)
            .await
            .with_context(|| format!("step {step} cannot be read back"))?;
        if found.timestep != step {
            bail!(
                "step {step} was asked for, and step {} was read back",
                found.timestep
            );
        }
        background::run(move || compare(step, &expected, &found.checkpoint)).await?;
        listener.advance();
    }
    Ok(())
}

fn compare(step: usize, expected: &Checkpoint, found: &Checkpoint) -> Result<()> {
    for tensor in &expected.tensors {
        let name = &tensor.name;
        let Some(other) = found.tensors.iter().find(|other| other.name == *name) else {
            bail!("step {step}: tensor '{name}' is missing in what is read back");
        };
        if tensor != other {
            bail!("step {step}: tensor '{name}' is not read back as it was recorded");
        }
    }
    if found.tensors.len() != expected.tensors.len() {
        bail!("step {step}: there are tensors in what is read back that were not recorded");
    }
    if found.metadata != expected.metadata {
        bail!("step {step}: the metadata is not read back as it was recorded");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use temporal_vdb::{Dtype, Tensor};

    use super::*;

    fn checkpoint(values: [f32; 2]) -> Checkpoint {
        let tensor = Tensor {
            name: "fc".to_owned(),
            dtype: Dtype::F32,
            shape: vec![2],
            data: values.map(f32::to_le_bytes).concat().into(),
        };
        Checkpoint {
            tensors: vec![tensor],
            ..Checkpoint::default()
        }
    }

    #[test]
    fn what_differs_is_named() {
        let nan = checkpoint([f32::NAN, 0.0]);
        compare(3, &nan, &nan.clone()).unwrap();
        let error = compare(3, &nan, &checkpoint([f32::NAN, -0.0])).unwrap_err();
        assert!(error.to_string().contains("step 3: tensor 'fc'"), "{error}");
        compare(3, &nan, &Checkpoint::default()).unwrap_err();
        compare(3, &Checkpoint::default(), &nan).unwrap_err();
    }
}
