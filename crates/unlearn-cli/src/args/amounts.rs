//! Ages and sizes on the command line: a number with its unit.

use std::time::Duration;

/// Seconds of each unit of time.
const TIMES: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];

/// Bytes of each unit of size, longer names first.
const SIZES: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// Reads an age, for example `12h`.
///
/// # Errors
/// A text that is something else, with what is allowed.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    amount(text, &TIMES)
        .map(Duration::from_secs)
        .ok_or_else(|| "a whole number with one of s, m, h, d or w is needed, for example 12h or 7d".to_owned())
}

/// Reads a size in bytes, for example `10MiB`.
///
/// # Errors
/// A text that is something else, with what is allowed.
pub(super) fn size(text: &str) -> Result<u64, String> {
    amount(text, &SIZES).ok_or_else(|| {
        "a whole number with one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB is needed, for example 10MiB".to_owned()
    })
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_needs_its_unit() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("12h", 43_200), ("7d", 604_800), (" 2 w ", 1_209_600)] {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, bytes) in [("10MiB", 10 << 20), ("1GB", 1_000_000_000), ("2 kB", 2_000), ("7B", 7)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "7", "d", "-1d", "1.5h", "7 days", "99999999999999999999d", "18446744073709551615w"] {
            assert!(age(text).unwrap_err().contains("12h"), "{text}");
        }
        for text in ["", "7", "MiB", "-1B", "1.5GB", "18446744073709551615TB"] {
            assert!(size(text).unwrap_err().contains("10MiB"), "{text}");
        }
    }
}
