//! Checks of configured numbers. A message gives the key, the value found and the allowed range.
//!
//! Weights and their updates are 32-bit numbers, so a factor that is 0 or infinite in 32 bits is refused too.

/// Maximum of a count that is a setting, unless the setting has its own: epochs, steps, samples per step.
pub const MOST: usize = 1_000_000;

/// Maximum of a count of samples or of MiB.
pub const MOST_SAMPLES: usize = 1_000_000_000;

/// A share or a weight in 0..=1.
///
/// # Errors
/// If the value is outside this range.
pub fn share(key: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(format!("`{key}` must lie in 0..=1, found {value}")) }
}

/// A number above 0, also as a 32-bit number.
///
/// # Errors
/// If the value is not in this range.
pub fn positive(key: &str, value: f64) -> Result<(), String> {
    if !(value.is_finite() && value > 0.0) {
        return Err(format!("`{key}` must be a positive number, found {value:?}"));
    }
    if value as f32 == 0.0 {
        return Err(format!(
            "`{key}` is {value:e}, which is 0 as a 32-bit number; give {:e} or more",
            f32::MIN_POSITIVE
        ));
    }
    single(key, value)
}

/// A number that is not negative, and finite as a 32-bit number.
///
/// # Errors
/// If the value is not in this range.
pub fn zero_or_more(key: &str, value: f64) -> Result<(), String> {
    if !(value.is_finite() && value >= 0.0) {
        return Err(format!("`{key}` must be zero or more, found {value:?}"));
    }
    single(key, value)
}

/// A count above 0.
///
/// # Errors
/// If the value is 0 or above [`MOST`].
pub fn one_or_more(key: &str, value: usize) -> Result<(), String> {
    count(key, value, MOST)
}

/// A count from 1 to `most`.
///
/// # Errors
/// If the value is outside this range.
pub fn count(key: &str, value: usize, most: usize) -> Result<(), String> {
    if value == 0 {
        return Err(format!("`{key}` must be 1 or more, found 0"));
    }
    at_most(key, value, most)
}

/// A count from 0 to `most`.
///
/// # Errors
/// If the value is above `most`.
pub fn at_most(key: &str, value: usize, most: usize) -> Result<(), String> {
    if value > most { Err(format!("`{key}` must be at most {most}, found {value}")) } else { Ok(()) }
}

/// A number that is finite as a 32-bit number.
fn single(key: &str, value: f64) -> Result<(), String> {
    if (value as f32).is_finite() {
        return Ok(());
    }
    Err(format!("`{key}` is {value:e}, too large for a 32-bit number; give {:e} or less", f32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_must_survive_in_32_bits() {
        for (result, words) in [
            (positive("lr", 1e-60), "`lr` is 1e-60, which is 0 as a 32-bit number"),
            (positive("lr", 1e300), "`lr` is 1e300, too large for a 32-bit number"),
            (zero_or_more("gamma", 1e39), "`gamma` is 1e39, too large"),
            (positive("lr", f64::NAN), "`lr` must be a positive number, found NaN"),
            (zero_or_more("gamma", -1.0), "`gamma` must be zero or more"),
            (one_or_more("epochs", 1_000_001), "`epochs` must be at most 1000000, found 1000001"),
            (one_or_more("epochs", 0), "`epochs` must be 1 or more, found 0"),
        ] {
            let message = result.unwrap_err();
            assert!(message.starts_with(words), "{message}");
        }
        assert_eq!((positive("lr", 1e-30), zero_or_more("gamma", 0.0)), (Ok(()), Ok(())));
        assert_eq!((one_or_more("epochs", MOST), at_most("msteps", 0, MOST)), (Ok(()), Ok(())));
    }
}
