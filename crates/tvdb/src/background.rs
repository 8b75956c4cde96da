//! Work that blocks, off the thread that listens for signals.

use anyhow::{Result, anyhow};
use tokio::task::spawn_blocking;

/// Runs the program's own reading and writing of files; the library sees to itself. Once it has
/// begun it is finished, even if nobody waits for it any more.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(anyhow!("the program is ending")),
        },
    }
}
