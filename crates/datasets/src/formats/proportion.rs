//! Limits the unpacked size of packed files.
//!
//! A few bytes can announce any number of equal ones: a file of 10 MB may unpack to an array of 10 GB. No reader can
//! know whether that is intended. So a packed file may unpack to 64 MiB whatever its size, and beyond that to 128
//! times its length. Pictures compress far less. Larger content is read after it is stored unpacked.

/// Bytes that any file may unpack to.
const ALWAYS: u64 = 64 << 20;

/// Maximum unpacked bytes per byte of a larger file.
const RATIO: u64 = 128;

/// Checks that a packed file of `len` bytes may unpack to `announced` bytes. `unpacked` is the advice in the error.
///
/// # Errors
/// If that is out of proportion.
pub(crate) fn check(announced: u64, len: u64, unpacked: &str) -> Result<(), String> {
    if announced <= ALWAYS || announced / RATIO <= len {
        return Ok(());
    }
    Err(format!(
        "it announces {announced} bytes, more than {RATIO} times the {len} bytes of its file; if that is right, {unpacked}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_arrays_and_those_that_pack_by_a_hundred_pass() {
        assert_eq!(check(64 << 20, 10, "unpack it"), Ok(()));
        assert_eq!(check(100 << 30, 1 << 30, "unpack it"), Ok(()));
        let said = "it announces 10000000000 bytes, more than 128 times the 10000000 bytes of its file; if that is right, unpack it";
        assert_eq!(check(10_000_000_000, 10_000_000, "unpack it").unwrap_err(), said);
    }
}
