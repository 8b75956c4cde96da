use super::hottest::Hottest;
use super::places::Places;
use super::{Evolution, TileEvolution};
use crate::error::Result;
use crate::host::vec_with_room;
use crate::values::{By, Tiling, Unit};

/// How a layer moved in a range of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerEvolution {
    /// Rows and columns.
    pub shape: (i32, i32),
    /// All of the layer.
    pub layer: Evolution,
    /// Each retained step of the range, ascending, and what it changed.
    pub steps: Vec<(usize, Evolution)>,
    /// Each row.
    pub rows: Vec<Evolution>,
    /// Each column.
    pub columns: Vec<Evolution>,
    /// Each tile of 128 x 128 weights, those at the lower and right edge being smaller: along the
    /// rows of tiles.
    pub tiles: Vec<Evolution>,
    /// The most active weights, (row, col), as many as were asked for: see [`LayerEvolution::hot`].
    pub hot_weights: Vec<((i32, i32), Evolution)>,
    /// Of the weights that changed, row-major.
    changed: Places,
    /// How many weights there are, row-major: those of a vector need not fill the last row.
    weights: usize,
}

impl LayerEvolution {
    /// How many tiles lie side by side.
    pub fn tiles_across(&self) -> usize {
        Tiling::new(self.shape).across()
    }

    /// The most active rows, columns or weights, the most active first: ordered by how often they
    /// changed, then by how far, then by where they are. Those that never changed are not among
    /// them, nor are weights beyond [`hot_weights`](Self::hot_weights).
    pub fn hot(&self, by: By, top: usize) -> Vec<(Unit, Evolution)> {
        let lines = |lines: &[Evolution], unit: fn(i32) -> Unit| {
            let mut hot = Hottest::new(top);
            for (i, line) in lines.iter().enumerate() {
                hot.offer(unit(i as i32), *line);
            }
            hot.finish()
        };
        match by {
            By::Row => lines(&self.rows, Unit::Row),
            By::Column => lines(&self.columns, Unit::Column),
            By::Weight => {
                let weights = self.hot_weights.iter().take(top);
                weights
                    .map(|((row, col), own)| (Unit::Weight(*row, *col), *own))
                    .collect()
            }
        }
    }

    /// The rows, columns or weights that never changed, ascending.
    pub fn frozen(&self, by: By) -> Box<dyn Iterator<Item = Unit> + Send + '_> {
        fn still(lines: &[Evolution]) -> impl Iterator<Item = i32> {
            let numbered = lines.iter().enumerate();
            numbered
                .filter(|(_, line)| line.changes == 0)
                .map(|(i, _)| i as i32)
        }
        match by {
            By::Row => Box::new(still(&self.rows).map(Unit::Row)),
            By::Column => Box::new(still(&self.columns).map(Unit::Column)),
            By::Weight => {
                let cols = self.shape.1 as usize;
                let still = (0..self.weights).filter(|at| !self.changed.has(*at));
                Box::new(still.map(move |at| Unit::Weight((at / cols) as i32, (at % cols) as i32)))
            }
        }
    }
}

/// Puts what became of tiles together, which come in their order: sums of floats depend on it.
pub(crate) struct Gathering {
    hot: Hottest<(i32, i32)>,
    made: LayerEvolution,
}

impl Gathering {
    /// Of a layer in a range of steps; with the `top` most active weights. There are `weights`
    /// weights, row-major.
    pub(crate) fn new(
        shape: (i32, i32),
        weights: usize,
        steps: &[usize],
        top: usize,
    ) -> Result<Self> {
        let tiling = Tiling::new(shape);
        let changed = Places::try_new(tiling.len())?;
        let still = |lines: usize| -> Result<Vec<Evolution>> {
            let mut still = vec_with_room(lines)?;
            still.resize(lines, Evolution::default());
            Ok(still)
        };
        Ok(Gathering {
            hot: Hottest::new(top),
            made: LayerEvolution {
                shape,
                layer: Evolution::default(),
                steps: steps
                    .iter()
                    .map(|&step| (step, Evolution::default()))
                    .collect(),
                rows: still(shape.0 as usize)?,
                columns: still(shape.1 as usize)?,
                tiles: vec_with_room(tiling.count())?,
                hot_weights: Vec::new(),
                changed,
                weights,
            },
        })
    }

    /// The next tile.
    pub(crate) fn add(&mut self, tile: TileEvolution) {
        let (made, rect) = (&mut self.made, tile.rect);
        for (all, own) in made.rows[rect.row..].iter_mut().zip(&tile.rows) {
            all.add(own);
        }
        for (all, own) in made.columns[rect.col..].iter_mut().zip(&tile.columns) {
            all.add(own);
        }
        for ((_, all), own) in made.steps.iter_mut().zip(&tile.steps) {
            all.add(own);
        }
        made.layer.add(&tile.tile);
        made.tiles.push(tile.tile);
        let cols = made.shape.1 as usize;
        for place in tile.changed.iter() {
            let at = (rect.row + place / rect.width) * cols + rect.col + place % rect.width;
            made.changed.put(at);
        }
        for (weight, own) in tile.hot {
            self.hot.offer(weight, own);
        }
    }

    pub(crate) fn finish(mut self) -> LayerEvolution {
        self.made.hot_weights = self.hot.finish();
        self.made
    }
}
