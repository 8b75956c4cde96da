use super::ffi;

/// Computes in IEEE 754's default mode, whatever the host has set for its thread (flush-to-zero,
/// another rounding), which comes back afterwards. Asking whether a number is 0 is arithmetic too,
/// even of its bits: the compiler makes a comparison of numbers of that.
///
/// The closure is called through a pointer that the optimizer cannot see through, so that no
/// arithmetic moves out of the guarded part.
pub(crate) fn ieee<T>(compute: impl FnOnce() -> T) -> T {
    let _mode = ffi::ieee_mode();
    std::hint::black_box(call::<T, _>)(compute)
}

/// Sets IEEE 754's default mode for a thread of our own, for good: threads inherit their mode.
pub(crate) fn keep_ieee() {
    ffi::keep_ieee_mode();
}

#[inline(never)]
fn call<T, F: FnOnce() -> T>(compute: F) -> T {
    compute()
}
