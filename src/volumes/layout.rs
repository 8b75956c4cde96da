use super::options::{VolumePool, VolumeUp};
use super::volume_file::{FogGrid, VolumeFile};
use crate::error::{Error, Result};
use crate::host::vec_with_room;

/// The longest edge that is made without being asked for, in voxels.
const EDGE: usize = 256;

/// Voxels between two layers.
const GAP: usize = 2;

/// Voxels of a plate, from front to back.
const THICKEST: usize = 8;

/// Where layers lie in a volume, in voxels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Of each layer.
    pub(super) places: Vec<Place>,
    /// Of the whole volume.
    pub(super) dims: [usize; 3],
}

/// Where a layer lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Rows and columns to a voxel.
    pub(super) pool: (usize, usize),
    /// Rows and columns of voxels.
    pub(super) voxels: (usize, usize),
    /// The voxel with the least coordinates.
    pub(super) origin: [usize; 3],
    /// Voxels along each axis.
    pub(super) dims: [usize; 3],
}

/// How steps become voxels: several steps to one, or several voxels for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeAxis {
    pub(super) steps_per_voxel: usize,
    pub(super) voxels_per_step: usize,
}

impl Layout {
    /// Layers side by side, rows along x, columns along y, `steps` upward along z.
    pub(super) fn side_by_side(
        shapes: &[(i32, i32)],
        steps: usize,
        pool: VolumePool,
        time_scale: Option<usize>,
    ) -> (Self, TimeAxis) {
        let (mut places, (width, depth)) = match pool {
            VolumePool::By { rows, cols, .. } => pack(pooled(shapes, |_| (rows, cols))),
            VolumePool::Auto => fit(shapes),
        };
        let steps_per_voxel = match (pool, time_scale) {
            (VolumePool::By { steps, .. }, _) => steps,
            (VolumePool::Auto, Some(_)) => 1,
            (VolumePool::Auto, None) => steps.div_ceil(EDGE),
        };
        let layers_of_steps = steps.div_ceil(steps_per_voxel);
        let high = width.max(depth).min(EDGE);
        let voxels_per_step = match time_scale {
            Some(voxels) => voxels,
            None if steps_per_voxel > 1 => 1,
            // About as high as it is wide: a plate of few steps would hardly be seen.
            None => (high / layers_of_steps).max(1),
        };
        let height = layers_of_steps * voxels_per_step;
        for place in &mut places {
            place.dims[2] = height;
        }
        let axis = TimeAxis {
            steps_per_voxel,
            voxels_per_step,
        };
        let dims = [width, depth, height];
        (Layout { places, dims }, axis)
    }

    /// Layers as plates one behind the other along x, columns along y, row 0 uppermost along z.
    pub(super) fn plates(shapes: &[(i32, i32)], pool: VolumePool) -> Self {
        let mut places = match pool {
            VolumePool::By { rows, cols, .. } => pooled(shapes, |_| (rows, cols)),
            VolumePool::Auto => pooled(shapes, |shape| auto_pool(shape, EDGE)),
        };
        let width = places.iter().map(|p| p.voxels.1).max().unwrap_or(1);
        let height = places.iter().map(|p| p.voxels.0).max().unwrap_or(1);
        // About as deep as it is wide and high, at most a third of it plates: thicker ones would
        // show no more, and every frame has them.
        let pitch = (width.max(height).min(EDGE) / places.len().max(1)).max(2);
        let thick = (pitch / 3).clamp(1, THICKEST);
        for (i, place) in places.iter_mut().enumerate() {
            let (rows, cols) = place.voxels;
            place.origin = [i * pitch, (width - cols) / 2, (height - rows) / 2];
            place.dims = [thick, cols, rows];
        }
        let depth = (places.len().max(1) - 1) * pitch + thick;
        Layout {
            places,
            dims: [depth, width, height],
        }
    }

    /// Voxels of all layers.
    pub(super) fn voxels(&self) -> u64 {
        let own = self.places.iter().map(|place| volume(place.dims));
        own.fold(0, u64::saturating_add)
    }

    /// Voxels of the box that they lie in.
    pub(super) fn box_voxels(&self) -> u64 {
        volume(self.dims)
    }
}

/// `u64::MAX` where it is more.
fn volume(dims: [usize; 3]) -> u64 {
    let edges = dims.into_iter().map(|n| n as u64);
    edges.fold(1, u64::saturating_mul)
}

/// So many rows and columns to a voxel that a layer has no edge beyond `edge` voxels.
fn auto_pool((rows, cols): (i32, i32), edge: usize) -> (usize, usize) {
    let pool = |lines: i32| (lines as usize).div_ceil(edge);
    (pool(rows), pool(cols))
}

fn pooled(shapes: &[(i32, i32)], pool: impl Fn((i32, i32)) -> (usize, usize)) -> Vec<Place> {
    let place = |&shape: &(i32, i32)| {
        let pool = pool(shape);
        let (rows, cols) = (shape.0 as usize, shape.1 as usize);
        let voxels = (rows.div_ceil(pool.0), cols.div_ceil(pool.1));
        Place {
            pool,
            voxels,
            origin: [0; 3],
            dims: [voxels.0, voxels.1, 1],
        }
    };
    shapes.iter().map(place).collect()
}

/// As fine as the whole has no edge beyond [`EDGE`]: of the pairs of longest rows and columns that
/// fit, that with the most voxels.
fn fit(shapes: &[(i32, i32)]) -> (Vec<Place>, (usize, usize)) {
    // So long are k layers that just fill an edge.
    let edges = (1..)
        .map(|k| (EDGE + GAP) / k)
        .take_while(|&edge| edge > GAP);
    let mut edges: Vec<usize> = edges.map(|edge| edge - GAP).collect();
    edges.dedup();
    let voxels =
        |places: &[Place]| -> usize { places.iter().map(|p| p.voxels.0 * p.voxels.1).sum() };
    let mut best: Option<(Vec<Place>, (usize, usize))> = None;
    for &long in &edges {
        // The first that fits is the finest of these.
        let pool = |(rows, cols): (i32, i32), wide| {
            (
                (rows as usize).div_ceil(long),
                (cols as usize).div_ceil(wide),
            )
        };
        let mut packed = edges
            .iter()
            .map(|&wide| pack(pooled(shapes, |shape| pool(shape, wide))));
        let own = packed.find(|(_, size)| size.0 <= EDGE && size.1 <= EDGE);
        if let Some(own) = own
            && best
                .as_ref()
                .is_none_or(|best| voxels(&own.0) > voxels(&best.0))
        {
            best = Some(own);
        }
    }
    // So many layers that not even a voxel of each has room.
    best.unwrap_or_else(|| {
        pack(pooled(shapes, |(rows, cols)| {
            (rows as usize, cols as usize)
        }))
    })
}

/// Puts layers beside each other in shelves, in their order, so that all of them are about as wide
/// as deep: of several lengths of a shelf that with the shortest longer edge is taken.
fn pack(mut places: Vec<Place>) -> (Vec<Place>, (usize, usize)) {
    const LENGTHS: usize = 32;
    let longest = places.iter().map(|p| p.voxels.1).max().unwrap_or(0);
    let all: usize = places.iter().map(|p| p.voxels.1 + GAP).sum();
    let lengths = (0..=LENGTHS).map(|i| longest + all.saturating_sub(longest) * i / LENGTHS);
    let best = lengths.min_by_key(|&length| {
        let (width, depth) = shelve(&mut places, length);
        (width.max(depth), width + depth)
    });
    let size = shelve(&mut places, best.unwrap_or(0));
    (places, size)
}

/// With shelves of one length; how wide and deep it gets.
fn shelve(places: &mut [Place], length: usize) -> (usize, usize) {
    let (mut x, mut y, mut next_x, mut depth) = (0, 0, 0, 0);
    for place in places {
        if y > 0 && y + place.voxels.1 > length {
            (x, y) = (next_x + GAP, 0);
        }
        place.origin = [x, y, 0];
        next_x = next_x.max(x + place.voxels.0);
        depth = depth.max(y + place.voxels.1);
        y += place.voxels.1 + GAP;
    }
    (next_x, depth)
}

/// How the voxels of a layout lie in the scene: cubes, the longest edge of all of them of a given
/// length, the middle at the origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    dims: [usize; 3],
    up: VolumeUp,
    pub(super) voxel_size: f64,
}

impl Scene {
    pub(super) fn new(layout: &Layout, size: f64, up: VolumeUp) -> Self {
        let longest = layout.dims.into_iter().max().unwrap_or(1);
        Scene {
            dims: layout.dims,
            up,
            voxel_size: size / longest as f64,
        }
    }

    /// The length of the shortest edge.
    pub(super) fn shortest(&self) -> f64 {
        self.dims.into_iter().min().unwrap_or(1) as f64 * self.voxel_size
    }

    /// A box in the file's axes: where it begins, and how long its edges are.
    fn turned(&self, origin: [usize; 3], dims: [usize; 3]) -> ([i32; 3], [i32; 3]) {
        let number = |three: [usize; 3]| three.map(|n| n as i32);
        match self.up {
            VolumeUp::Z => (number(origin), number(dims)),
            // A quarter turn about x: what was upward along z is so along y, and nothing is
            // mirrored.
            VolumeUp::Y => {
                let y = self.dims[1] - dims[1] - origin[1];
                (
                    number([origin[0], origin[2], y]),
                    number([dims[0], dims[2], dims[1]]),
                )
            }
        }
    }

    /// An empty file of such voxels.
    pub(super) fn file(&self) -> Result<VolumeFile> {
        let (_, dims) = self.turned([0; 3], self.dims);
        let first = dims.map(|n| -0.5 * self.voxel_size * f64::from(n - 1));
        VolumeFile::new(self.voxel_size, first)
    }

    /// Makes the outermost voxels active, so that all frames have one box.
    pub(super) fn hold_bounds(&self, file: &mut VolumeFile) -> Result<()> {
        let (first, dims) = self.turned([0; 3], self.dims);
        file.hold_bounds(first, dims.map(|n| n - 1))
    }

    /// Voxels of the whole, all 0. Errors: `OutOfMemory`.
    pub(super) fn blank(&self) -> Result<Vec<f32>> {
        let len = self
            .dims
            .iter()
            .try_fold(1usize, |all, &n| all.checked_mul(n));
        let len = len.ok_or(Error::OutOfMemory)?;
        let mut voxels = vec_with_room(len)?;
        voxels.resize(len, 0.0);
        Ok(voxels)
    }

    /// Sets what one place of the layout has of these voxels to `value([x, y, z])`, counted from its
    /// corner.
    pub(super) fn paint(
        &self,
        voxels: &mut [f32],
        place: &Place,
        value: impl Fn([usize; 3]) -> f32,
    ) {
        let (_, whole) = self.turned([0; 3], self.dims);
        let (origin, dims) = self.turned(place.origin, place.dims);
        let number = |three: [i32; 3]| three.map(|n| n as usize);
        let (whole, origin, [across, along, upward]) =
            (number(whole), number(origin), number(dims));
        for x in 0..across {
            for y in 0..along {
                let begin = ((origin[0] + x) * whole[1] + origin[1] + y) * whole[2] + origin[2];
                for (z, voxel) in voxels[begin..begin + upward].iter_mut().enumerate() {
                    *voxel = value(match self.up {
                        VolumeUp::Z => [x, y, z],
                        VolumeUp::Y => [x, upward - 1 - z, y],
                    });
                }
            }
        }
    }

    /// Gives a grid its voxels.
    pub(super) fn fill(&self, file: &mut VolumeFile, grid: FogGrid, voxels: &[f32]) -> Result<()> {
        let (origin, dims) = self.turned([0; 3], self.dims);
        file.fill(grid, origin, dims, voxels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(a: &Place, b: &Place) -> bool {
        (0..2)
            .all(|i| a.origin[i] < b.origin[i] + b.dims[i] && b.origin[i] < a.origin[i] + a.dims[i])
    }

    #[test]
    fn layers_lie_beside_each_other_within_256_voxels() {
        let models: [&[(i32, i32)]; 4] = [
            &[(64, 10)],
            &[(784, 256), (1, 256), (256, 10), (1, 10)],
            &[(1, 1), (50_000, 768), (768, 3), (4096, 4096)],
            &[(300, 40); 70],
        ];
        for shapes in models {
            let (layout, axis) = Layout::side_by_side(shapes, 40, VolumePool::Auto, None);
            assert!(
                layout.dims.iter().all(|&edge| edge <= 256),
                "{:?}",
                layout.dims
            );
            assert_eq!(layout.dims[2] % 40, 0);
            assert_eq!(axis.steps_per_voxel, 1);
            for (i, a) in layout.places.iter().enumerate() {
                assert!((0..3).all(|k| a.origin[k] + a.dims[k] <= layout.dims[k]));
                assert!(layout.places[..i].iter().all(|b| !overlap(a, b)));
                assert!(a.voxels.0 * a.pool.0 >= shapes[i].0 as usize);
            }
        }
    }

    #[test]
    fn many_steps_share_a_voxel_and_few_are_several_high() {
        let axis = |steps, pool, scale| Layout::side_by_side(&[(256, 200)], steps, pool, scale).1;
        let auto = |steps| axis(steps, VolumePool::Auto, None);
        assert_eq!(
            (auto(16).voxels_per_step, auto(16).steps_per_voxel),
            (16, 1)
        );
        assert_eq!(
            (auto(600).voxels_per_step, auto(600).steps_per_voxel),
            (1, 3)
        );
        let pool = VolumePool::By {
            rows: 4,
            cols: 1,
            steps: 2,
        };
        assert_eq!(axis(600, pool, Some(3)).voxels_per_step, 3);
        let (layout, _) = Layout::side_by_side(&[(256, 200)], 600, pool, Some(3));
        assert_eq!(layout.dims, [64, 200, 900]);
    }

    #[test]
    fn plates_stand_one_behind_the_other() {
        let layout = Layout::plates(&[(256, 64), (10, 256)], VolumePool::Auto);
        assert_eq!(layout.places[0].origin, [0, 96, 0]);
        assert_eq!(layout.places[1].origin, [128, 0, 123]);
        assert_eq!(layout.dims, [128 + 8, 256, 256]);
    }

    #[test]
    fn a_turned_box_stays_in_the_volume_and_is_not_mirrored() {
        let (layout, _) = Layout::side_by_side(&[(5, 9), (4, 3)], 7, VolumePool::Auto, Some(1));
        let scene = Scene::new(&layout, 2.0, VolumeUp::Y);
        let (whole, dims) = scene.turned([0; 3], layout.dims);
        assert_eq!(whole, [0; 3]);
        assert_eq!(
            dims.map(|n| n as usize),
            [layout.dims[0], 7, layout.dims[1]]
        );
        for place in &layout.places {
            let (origin, own) = scene.turned(place.origin, place.dims);
            assert!((0..3).all(|i| origin[i] >= 0 && origin[i] + own[i] <= dims[i]));
        }
        assert!(
            (scene.voxel_size * layout.dims.into_iter().max().unwrap() as f64 - 2.0).abs() < 1e-12
        );
    }
}
