use std::collections::HashMap;

/// What a hash map has allocated.
///
/// The standard library does not say, but its table (hashbrown) follows from the capacity: it has
/// a power of two of buckets, of which 7/8 may be used (all but one where there are at most 8),
/// and each bucket takes an entry and a control byte. A few bytes of padding are left out.
pub(super) fn hash_map_bytes<K, V>(map: &HashMap<K, V>) -> u64 {
    let buckets = match map.capacity() {
        0 => 0,
        capacity @ 1..8 => capacity + 1,
        capacity => (capacity * 8 / 7).next_power_of_two(),
    };
    (buckets * (size_of::<(K, V)>() + 1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_with_room_for(count: usize) -> u64 {
        hash_map_bytes(&HashMap::<(i32, i32), f32>::with_capacity(count))
    }

    #[test]
    fn hash_maps_have_a_power_of_two_of_buckets() {
        const BUCKET: u64 = 12 + 1;
        for (count, buckets) in [
            (0, 0),
            (1, 4),
            (7, 8),
            (28, 32),
            (29, 64),
            (57_344, 65_536),
            (57_345, 131_072),
        ] {
            assert_eq!(bytes_with_room_for(count), buckets * BUCKET, "{count}");
        }
    }
}
