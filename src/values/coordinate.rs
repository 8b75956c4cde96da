/// A voxel of a layer's grid: x is the row, y the column, z the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinate3D {
    /// Row of the weight.
    pub x: i32,
    /// Column of the weight.
    pub y: i32,
    /// Timestep; 0 is the base.
    pub z: i32,
}

impl Coordinate3D {
    /// The voxel (x, y, z): row, column, timestep.
    pub const fn new(x: i32, y: i32, z: i32) -> Self {
        Coordinate3D { x, y, z }
    }
}

/// A weight at a time: x is the row, y the column, z the temporal index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemporalCoordinate {
    /// Row of the weight.
    pub x: i32,
    /// Column of the weight.
    pub y: i32,
    /// Temporal index (time).
    pub z: i32,
}

impl TemporalCoordinate {
    /// The same weight at step `t`. Steps end below 2^31 - 1; a larger `t` gives the last z there
    /// is, which no step can have.
    pub fn at_time(&self, t: usize) -> Coordinate3D {
        Coordinate3D::new(self.x, self.y, i32::try_from(t).unwrap_or(i32::MAX))
    }

    /// The same weight in the base, z = 0.
    pub fn base_weight(&self) -> Coordinate3D {
        Coordinate3D::new(self.x, self.y, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_third_axis() {
        let weight = TemporalCoordinate { x: 3, y: 5, z: 9 };
        assert_eq!(weight.at_time(7), Coordinate3D::new(3, 5, 7));
        assert_eq!(weight.base_weight(), Coordinate3D::new(3, 5, 0));
        assert_eq!(weight.at_time(usize::MAX).z, i32::MAX);
    }
}
