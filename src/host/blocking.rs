use tokio::runtime::Handle;

use super::float_mode::ieee;
use crate::error::{Error, Result};

/// The one door from async code to heavy work: runs it where it may block.
///
/// Inside a tokio runtime that is its pool for blocking work; without one the caller's own thread
/// is all there is. The work is done in IEEE 754's default mode. Dropping the future does not stop
/// work that has started.
pub(crate) async fn run<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    let Ok(runtime) = Handle::try_current() else {
        return ieee(work);
    };
    match runtime.spawn_blocking(|| ieee(work)).await {
        Ok(result) => result,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Cancelled),
        },
    }
}
