//! The library as its users see it, in one program (linking OpenVDB once).
//!
//! `model` is a storage that is right by inspection; `conformance` holds every implementation of
//! the trait to the same sentences, `properties` compares them on random runs, bit for bit.

mod bad_input;
#[path = "../support/checkpoints.rs"]
mod checkpoints;
mod closing;
mod concurrency;
mod conformance;
mod dense;
mod durability;
mod golden;
mod host_float_mode;
mod lossless;
mod model;
mod open_steps;
mod properties;
mod pruning;
mod queries;
mod record_properties;
mod retention_traces;
mod snapping;
mod store_bad_input;
mod store_properties;
mod time_operations;
mod tools;
#[path = "../support/traces.rs"]
mod traces;
mod type_promises;
mod vdb_files;
mod volumes;
