//! Exact intervals of a share of independent trials.

use statrs::distribution::{Beta, Continuous as _, ContinuousCDF as _};

use crate::{Error, Result};

/// The 97.5 % quantile of the normal distribution.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// The exact 95 % interval of a probability, 0..1, after `successes` in `trials` independent trials.
///
/// Clopper & Pearson 1934: the ends are quantiles of Beta(k, n − k + 1) and Beta(k + 1, n − k). With no success the
/// lower end is 0; with nothing but successes the upper end is 1.
///
/// # Errors
/// If there are no trials, or more successes than trials.
pub fn clopper_pearson(successes: usize, trials: usize) -> Result<[f64; 2]> {
    if trials == 0 {
        return Err(Error::Empty { what: "trials" });
    }
    let Some(failures) = trials.checked_sub(successes) else {
        return Err(Error::Share { what: "successes over trials", value: successes as f64 / trials as f64 });
    };
    let (k, rest) = (successes as f64, failures as f64);
    let low = if successes == 0 { 0.0 } else { quantile(k, rest + 1.0, 0.025) };
    let high = if failures == 0 { 1.0 } else { quantile(k + 1.0, rest, 0.975) };
    Ok([low, high])
}

/// A quantile of the beta distribution with shapes of at least 1.
fn quantile(a: f64, b: f64, share: f64) -> f64 {
    let Ok(beta) = Beta::new(a, b) else { return f64::NAN };
    // The crate's inverse is good to about eight digits; Newton's method gives the rest.
    (0..3).fold(beta.inverse_cdf(share), |at, _| {
        let next = at - (beta.cdf(at) - share) / beta.pdf(at);
        if next > 0.0 && next < 1.0 { next } else { at }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn intervals_are_scipys() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/judging.json")).unwrap();
        for case in golden["clopper_pearson"].as_array().unwrap() {
            let count = |key: &str| case[key].as_u64().unwrap() as usize;
            let expected: [f64; 2] = serde_json::from_value(case["interval"].clone()).unwrap();
            let found = clopper_pearson(count("successes"), count("trials")).unwrap();
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() <= 1e-9 * b.max(1e-6), "{case}: {found:?}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_share() {
        assert_eq!(clopper_pearson(0, 0), Err(Error::Empty { what: "trials" }));
        assert!(clopper_pearson(3, 2).is_err());
    }
}
