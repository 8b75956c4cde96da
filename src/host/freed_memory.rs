//! What happens to memory that is freed. Only glibc can be told; elsewhere nothing is done.

use super::ffi;

/// Gives memory that has been freed back to the system.
///
/// The work behind recording takes megabytes for a moment, again and again. What the C library keeps
/// of that for later is several times what a store itself needs to be open.
pub(crate) fn release() {
    ffi::release_freed_memory();
}

/// Has the C library keep little of what is freed from now on, in the whole process: the threads of
/// a store would otherwise each keep what they once needed. For programs, not for libraries.
#[doc(hidden)]
pub fn return_early() {
    ffi::return_freed_memory_early();
}
