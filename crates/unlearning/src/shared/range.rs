//! Checks of configured numbers. A message gives the key, the value found and the allowed range.

/// A share or a weight in 0..=1.
///
/// # Errors
/// If the value is outside this range.
pub fn share(key: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(format!("`{key}` must lie in 0..=1, found {value}")) }
}

/// A number above 0.
///
/// # Errors
/// If the value is not in this range.
pub fn positive(key: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(format!("`{key}` must be a positive number, found {value}"))
    }
}

/// A number that is not negative.
///
/// # Errors
/// If the value is not in this range.
pub fn zero_or_more(key: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(format!("`{key}` must be zero or more, found {value}")) }
}

/// A count above 0.
///
/// # Errors
/// If the value is 0.
pub fn one_or_more(key: &str, value: usize) -> Result<(), String> {
    if value > 0 { Ok(()) } else { Err(format!("`{key}` must be 1 or more, found 0")) }
}
