//! The quantity that a search minimises. Neither objective uses a test set, nor anything about the forget set beyond
//! the request.

use unlearn_run_store::Validation;

/// A criterion; lower is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// Distance to Retrain, which must be run.
    Gap,
    /// Figures that need no Retrain.
    OracleFree,
}

/// The reference for a trial.
pub(super) struct Reference {
    pub(super) objective: Objective,
    /// Retrain's figures for [`Objective::Gap`], or the original model's for [`Objective::OracleFree`].
    pub(super) figures: Validation,
    /// Share, 0..1, of the forget set that belongs to classes that are forgotten completely.
    pub(super) whole: f64,
}

impl Objective {
    /// Its name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::OracleFree => "oracle-free",
        }
    }

    /// The criterion in words.
    pub const fn criterion(self) -> &'static str {
        match self {
            Self::Gap => {
                "mean absolute difference to Retrain over UA, MIA-efficacy, RA and validation accuracy, in points; the attack is fitted on the \
                 validation set, no test image is seen"
            }
            Self::OracleFree => {
                "mean, in points, of four: the distance of UA from the original model's error on validation images (100 for classes forgotten \
                 whole); 100·|2·AUC − 1| of the loss telling forgotten from validation images of the same classes; what validation accuracy \
                 and what RA lost against the original model. No Retrain and no test image is seen"
            }
        }
    }
}

impl Reference {
    /// The criterion's value in points. A MIA-efficacy that is undefined is left out of the mean.
    pub(super) fn value(&self, found: &Validation) -> f64 {
        let Self { objective, figures, whole } = self;
        let parts = match objective {
            Objective::Gap => [
                (found.ua - figures.ua).abs(),
                (found.mia_efficacy - figures.mia_efficacy).abs(),
                (found.ra - figures.ra).abs(),
                (found.va - figures.va).abs(),
            ],
            Objective::OracleFree => {
                let unseen = 100.0 * whole + (1.0 - whole) * (100.0 - figures.va);
                [
                    (found.ua - unseen).abs(),
                    100.0 * (2.0 * found.forget_auc - 1.0).abs(),
                    (figures.va - found.va).max(0.0),
                    (figures.ra - found.ra).max(0.0),
                ]
            }
        };
        let defined = parts.iter().filter(|part| !part.is_nan());
        defined.clone().sum::<f64>() / defined.count() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: Validation =
        Validation { ua: 12.0, ra: 98.0, va: 90.0, mia_efficacy: 20.0, forget_auc: 0.5, rte_seconds: 1.0 };

    fn value(objective: Objective, whole: f64, found: &Validation) -> f64 {
        Reference { objective, figures: FIGURES, whole }.value(found)
    }

    #[test]
    fn retrain_itself_has_no_gap_and_every_figure_counts_a_quarter() {
        assert_eq!(value(Objective::Gap, 0.0, &FIGURES), 0.0);
        let other = Validation { ua: 16.0, ra: 94.0, va: 94.0, mia_efficacy: 16.0, ..FIGURES };
        assert_eq!(value(Objective::Gap, 0.0, &other), 4.0);
        let undefined = Validation { mia_efficacy: f64::NAN, va: 93.0, ..other };
        assert_eq!(
            value(Objective::Gap, 0.0, &undefined),
            11.0 / 3.0,
            "what is undefined counts neither for nor against"
        );
    }

    #[test]
    fn without_an_oracle_a_model_should_treat_what_it_forgot_as_unseen() {
        let ideal = Validation { ua: 10.0, ..FIGURES };
        assert_eq!(value(Objective::OracleFree, 0.0, &ideal), 0.0);
        assert_eq!(value(Objective::OracleFree, 1.0, &Validation { ua: 100.0, ..FIGURES }), 0.0);
        assert_eq!(value(Objective::OracleFree, 0.5, &Validation { ua: 55.0, ..FIGURES }), 0.0);
        // If the loss separates forgotten images from unseen ones, the model still remembers them.
        assert!((value(Objective::OracleFree, 0.0, &Validation { forget_auc: 0.9, ..ideal }) - 20.0).abs() < 1e-9);
        // A better model scores no worse, and a damaged one does.
        assert_eq!(value(Objective::OracleFree, 0.0, &Validation { va: 95.0, ra: 100.0, ..ideal }), 0.0);
        assert_eq!(value(Objective::OracleFree, 0.0, &Validation { va: 86.0, ra: 90.0, ..ideal }), 3.0);
    }
}
