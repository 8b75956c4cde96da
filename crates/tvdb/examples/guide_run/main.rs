//! Writes the checkpoints that the pages of docs/guide work with into a folder: 41 steps of a small
//! network, made up, 3 MB.
//!
//!     cargo run -p tvdb --example guide_run [-- FOLDER]

mod run;

use std::env;
use std::io;
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let folder = env::args_os()
        .nth(1)
        .map_or_else(|| ".".into(), PathBuf::from);
    run::write(&folder)?;
    println!(
        "checkpoints and next.safetensors are in {}",
        folder.display()
    );
    Ok(())
}
