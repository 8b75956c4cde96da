//! `.vdb` files, as far as they can be checked without OpenVDB, whose reader believes what it reads:
//! every count, size and place in a file against the bytes that are there, and what our own files say of
//! themselves. Only what has passed is handed on.

mod archive;
mod checked;
mod chunk;
mod form;
mod metadata;
mod source;
mod steps;
mod transform;
mod tree;

pub(crate) use archive::TreeBytes;
pub(crate) use checked::Extent;
pub use checked::VdbGrid;
pub(crate) use form::{CHANGES, Form, keys};
