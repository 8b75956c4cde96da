use std::path::PathBuf;

/// What a [`VolumeExport`](crate::VolumeExport) has written.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// The volume, or the frames in their order.
    pub files: Vec<PathBuf>,
    /// The rows and columns as they lie beside each other, as JSON, where that is not as in the matrix.
    pub order: Option<PathBuf>,
    /// What opens it with its colours: a script for Blender, and a USD scene; where asked for.
    pub look: Vec<PathBuf>,
    /// The layers that it shows.
    pub layers: Vec<PicturedLayer>,
    /// The state that movements begin from.
    pub first: usize,
    /// The steps that are shown, ascending.
    pub steps: Vec<usize>,
    /// Voxels along x, y and z, of the volume or of each frame.
    pub voxels: [usize; 3],
    /// Bytes of all files of the volume.
    pub bytes: u64,
}

/// A layer of a [`Volume`].
#[derive(Clone, Debug, PartialEq)]
pub struct PicturedLayer {
    /// Its name.
    pub name: String,
    /// Rows and columns.
    pub shape: (i32, i32),
    /// Rows, columns and steps to a voxel.
    pub pool: (usize, usize, usize),
    /// The movement that is shown as 1.
    pub scale: f32,
    /// How many movements are not shown, since they are from or to NaN or an infinity: of each step that
    /// is shown, by the layer's weights.
    pub left_out: u64,
}
