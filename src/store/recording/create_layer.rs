use super::heads::LayerHead;
use super::recorder::Recorder;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::store::database::LayerRow;
use crate::store::index::LayerKey;
use crate::store::reading::zeros;
use crate::values::check_shape;

impl Recorder {
    /// Adds a layer of zeros.
    pub(crate) fn create_layer(
        &self,
        name: &str,
        dtype: Dtype,
        rows: i32,
        cols: i32,
    ) -> Result<LayerKey> {
        check_shape(rows, cols)?;
        if !dtype.is_weights() {
            return Err(Error::NotAMatrix {
                name: name.to_owned(),
                dtype,
            });
        }
        let _turn = self.write_turn()?;
        let mut heads = self.heads_mut()?;
        if heads.layers.iter().any(|head| head.row.name == name) {
            return Err(Error::LayerExists {
                name: name.to_owned(),
            });
        }
        let row = LayerRow {
            id: heads.layers.len() as u32,
            name: name.to_owned(),
            dtype,
            shape: vec![rows as usize, cols as usize],
            matrix: Some((rows, cols)),
            created: 0,
            oldest: 0,
            base: false,
        };
        let state = zeros(&row)?;
        let key = LayerKey::of(&row)?;
        self.write(|transaction| transaction.put_layer(&row))?;
        heads.layers.push(LayerHead {
            row,
            latest: 0,
            steps: vec![0],
            unsealed: 0,
            lattice: None,
            state,
        });
        Ok(key)
    }
}
