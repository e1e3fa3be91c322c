//! Whole numbers on the command line, with a message that says which are allowed.

use unlearn::mia_eval::Settings;

/// Reads a whole number from `least` to `most`.
///
/// # Errors
/// A text that is something else, with what is allowed.
pub(super) fn whole<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<T, String> {
    let number = text.trim().parse::<u64>().ok().filter(|number| (least..=most).contains(number));
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("a whole number from {least} to {most} is needed"))
}

/// A seed. A suite's file can hold no larger one.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    whole(text, 0, i64::MAX as u64)
}

/// The side of images in pixels.
pub(super) fn side(text: &str) -> Result<usize, String> {
    whole(text, 1, 1 << 14)
}

/// A number of draws.
pub(super) fn draws(text: &str) -> Result<usize, String> {
    whole(text, 1, Settings::MOST_DRAWS as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_allowed_number_is_refused_with_the_range() {
        for text in ["-1", "0", "1.5", "one", "", "1001", "99999999999999999999"] {
            assert_eq!(whole::<u16>(text, 1, 1000).unwrap_err(), "a whole number from 1 to 1000 is needed", "{text}");
        }
        assert_eq!((whole("7", 1, 1000), whole::<u64>("0", 0, u64::MAX)), (Ok(7_u16), Ok(0)));
        assert!(seed("-1").unwrap_err().starts_with("a whole number from 0 to "));
    }
}
