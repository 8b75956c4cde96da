//! What is counted as one.

use clap::ValueEnum;
use temporal_vdb::By;

/// A unit of a layer, as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnitName {
    Weight,
    Row,
    Col,
}

impl UnitName {
    pub(crate) fn noun(self) -> &'static str {
        match self {
            UnitName::Weight => "weight",
            UnitName::Row => "row",
            UnitName::Col => "column",
        }
    }
}

impl From<UnitName> for By {
    fn from(name: UnitName) -> Self {
        match name {
            UnitName::Weight => By::Weight,
            UnitName::Row => By::Row,
            UnitName::Col => By::Column,
        }
    }
}

/// A part of a model, as it is written on the command line: a unit of a layer, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartName {
    Weight,
    Row,
    Col,
    Layer,
}

impl PartName {
    pub(crate) const ALL: [PartName; 4] = [
        PartName::Weight,
        PartName::Row,
        PartName::Col,
        PartName::Layer,
    ];

    pub(crate) fn noun(self) -> &'static str {
        match self {
            PartName::Weight => "weight",
            PartName::Row => "row",
            PartName::Col => "column",
            PartName::Layer => "layer",
        }
    }

    /// What the library calls it; `None` for all of a layer.
    pub(crate) fn unit(self) -> Option<By> {
        match self {
            PartName::Weight => Some(By::Weight),
            PartName::Row => Some(By::Row),
            PartName::Col => Some(By::Column),
            PartName::Layer => None,
        }
    }
}
