//! Which partition a key belongs to. The answer is on disk in every journal, so it never changes.

/// The partition of a record with that key, among `partitions`: CRC-32C of the key, modulo the count.
/// An empty key has no partition of its own and goes to `sticky`, which the caller picks anew for each call.
pub(crate) fn partition_of(key: &[u8], partitions: u32, sticky: u32) -> u32 {
    let spread = if key.is_empty() {
        sticky
    } else {
        crc32c::crc32c(key)
    };
    spread % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn the_partition_of_a_key_never_changes() {
        let of = |key: &str| partition_of(key.as_bytes(), 8, 0);
        assert_eq!(
            ["123456789", "user-1", "user-2", "ada"].map(of),
            [3, 4, 0, 2]
        );
        assert_eq!(partition_of(b"", 8, 21), 5);
    }
}
