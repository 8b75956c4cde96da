use async_trait::async_trait;

use crate::error::Result;
use crate::grids::OpenVdbStorage;
use crate::store::StoredLayer;
use crate::traits::TemporalQueries;

/// A layer that a [`VolumeExport`](crate::VolumeExport) can show, wherever it is kept.
#[async_trait]
pub trait VolumeLayer: TemporalQueries {
    /// Its name, and its rows and columns. Errors: `Poisoned`.
    async fn name_and_shape(&self) -> Result<(String, (i32, i32))>;
}

#[async_trait]
impl VolumeLayer for StoredLayer {
    async fn name_and_shape(&self) -> Result<(String, (i32, i32))> {
        Ok((self.name().to_owned(), self.shape()))
    }
}

#[async_trait]
impl VolumeLayer for OpenVdbStorage {
    async fn name_and_shape(&self) -> Result<(String, (i32, i32))> {
        Ok((self.name().await?, self.shape().await?))
    }
}
