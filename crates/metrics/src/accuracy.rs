//! Accuracy and cross-entropy of a model on a labelled set.

use crate::{Error, Logits, Result};

/// The share of samples, in percent, whose predicted class is their label: Σ correct / Σ samples.
///
/// # Errors
/// Another number of labels than of samples, a label without a column.
pub fn accuracy(logits: &Logits, labels: &[u32]) -> Result<f64> {
    check_labels(logits, labels)?;
    let correct = logits.predictions().zip(labels).filter(|(c, label)| *c == **label as usize).count();
    Ok(100.0 * correct as f64 / labels.len() as f64)
}

/// The mean over samples of −log p of the label, in nats.
///
/// # Errors
/// As [`accuracy`].
pub fn mean_cross_entropy(logits: &Logits, labels: &[u32]) -> Result<f64> {
    check_labels(logits, labels)?;
    let sum: f64 = logits.log_probabilities().zip(labels).map(|(log_p, &label)| -log_p[label as usize]).sum();
    Ok(sum / labels.len() as f64)
}

fn check_labels(logits: &Logits, labels: &[u32]) -> Result<()> {
    let classes = logits.classes();
    if labels.len() != logits.samples() {
        let found = logits.samples() * classes;
        return Err(Error::Length { what: "logits", found, rows: labels.len(), classes });
    }
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(row) => Err(Error::Label { row, label: labels[row], classes }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_samples_and_gives_ties_to_the_lowest_class() {
        let logits = [1.0, 2.0, 0.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0];
        let logits = Logits::new(&logits, 3).unwrap();
        assert_eq!(accuracy(&logits, &[1, 0, 0]), Ok(100.0));
        assert_eq!(accuracy(&logits, &[1, 1, 2]), Ok(100.0 / 3.0));
    }

    #[test]
    fn an_even_model_has_the_logarithm_of_the_class_count() {
        let logits = Logits::new(&[300.0; 8], 4).unwrap();
        assert!((mean_cross_entropy(&logits, &[0, 3]).unwrap() - 4.0_f64.ln()).abs() < 1e-15);
        // A wrong answer given with certainty costs its logit's distance, not infinity.
        let wrong = Logits::new(&[2000.0, 0.0], 2).unwrap();
        assert_eq!(mean_cross_entropy(&wrong, &[1]), Ok(2000.0));
    }

    #[test]
    fn refuses_what_has_no_accuracy() {
        assert_eq!(Logits::new(&[], 3).unwrap_err(), Error::Empty { what: "samples" });
        let nan = Logits::new(&[0.0, f32::NAN], 2).unwrap_err().to_string();
        assert!(nan.contains("value 1 is NaN"), "{nan}");
        let part = Logits::new(&[0.0; 5], 2).unwrap_err().to_string();
        assert!(part.contains("5 values do not make 2 rows of 2 classes"), "{part}");
        let logits = Logits::new(&[0.0; 4], 2).unwrap();
        assert_eq!(accuracy(&logits, &[0, 2]), Err(Error::Label { row: 1, label: 2, classes: 2 }));
        assert!(accuracy(&logits, &[0]).is_err());
    }
}
