use crate::error::{Error, Result};

/// A vector with room for `count` elements, or `OutOfMemory`: shapes come from users.
pub(crate) fn vec_with_room<T>(count: usize) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(count)
        .map_err(|_| Error::OutOfMemory)?;
    Ok(vec)
}
