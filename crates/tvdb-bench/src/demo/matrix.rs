use ndarray::Array2;

/// Name and shape of a weight matrix.
#[derive(Clone)]
pub struct Matrix {
    /// What its volume is called.
    pub name: String,
    /// Outputs of the layer.
    pub rows: usize,
    /// Inputs of the layer, and one for the bias.
    pub cols: usize,
}

impl Matrix {
    /// The matrices of a network: `layer1`, `layer2`, ...
    pub(super) fn all(layers: &[Array2<f32>]) -> Vec<Self> {
        let named = layers.iter().enumerate();
        named
            .map(|(index, layer)| Matrix {
                name: format!("layer{}", index + 1),
                rows: layer.nrows(),
                cols: layer.ncols(),
            })
            .collect()
    }

    /// How many weights it has.
    pub fn weights(&self) -> usize {
        self.rows * self.cols
    }
}
