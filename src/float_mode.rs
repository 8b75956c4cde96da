use crate::ffi;

/// Computes in IEEE 754's default mode, whatever the host has set for its thread (flush-to-zero,
/// another rounding), which comes back afterwards.
///
/// The closure is called through a pointer that the optimizer cannot see through, so that no
/// arithmetic moves out of the guarded part.
pub(crate) fn ieee<T>(compute: impl FnOnce() -> T) -> T {
    let _mode = ffi::ieee_mode();
    std::hint::black_box(call::<T, _>)(compute)
}

#[inline(never)]
fn call<T, F: FnOnce() -> T>(compute: F) -> T {
    compute()
}
