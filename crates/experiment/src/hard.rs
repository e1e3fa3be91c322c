//! `kind = "hard"`: the samples that are hardest, or easiest, to forget, by a score of each sample.

use serde::{Deserialize, Serialize};

/// The samples at one end of a ranking of all training samples by how hard they are to forget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hard {
    /// What makes a sample hard to forget.
    pub by: Difficulty,
    /// Share of the training split, in (0, 1), rounded to whole samples. Exactly one of this and `count` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Number of samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Which samples are taken.
    #[serde(default)]
    pub end: End,
    /// By the worst case: number of rounds. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<usize>,
    /// By the worst case: number of steps of unlearning in a round. Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// By the worst case: by how much a step of unlearning moves each weight. Default 1e-4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
}

/// How the worst case is sought.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Search {
    /// Number of rounds.
    pub rounds: usize,
    /// Number of steps of unlearning in a round.
    pub steps: usize,
    /// By how much a step of unlearning moves each weight.
    pub lr: f64,
}

/// What makes a sample hard to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difficulty {
    /// A low mean confidence over the epochs of training: the model learnt the sample late, so it had to memorise it.
    Memorisation,
    /// A low silhouette in the dense model's features: the sample lies among samples of another class, which are retained.
    Entanglement,
    /// A high weight in the forget set whose unlearning fails most, found by bi-level selection.
    WorstCase,
}

/// An end of a ranking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The samples that are hardest to forget.
    #[default]
    Hardest,
    /// The samples that are easiest to forget.
    Easiest,
}

impl Difficulty {
    /// Its name in suites.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memorisation => "memorisation",
            Self::Entanglement => "entanglement",
            Self::WorstCase => "worst-case",
        }
    }
}

impl Hard {
    /// `hardest 10 % by memorisation`.
    pub(crate) fn label(self) -> String {
        let end = match self.end {
            End::Hardest => "hardest",
            End::Easiest => "easiest",
        };
        let share = match (self.fraction, self.count) {
            // Rounded as in the label of a random request.
            (Some(fraction), _) => format!("{} %", (fraction * 1e8).round() / 1e6),
            (None, count) => count.unwrap_or_default().to_string(),
        };
        match self.by {
            Difficulty::WorstCase => format!("worst case of {share}"),
            by => format!("{end} {share} by {}", by.name()),
        }
    }

    /// Most rounds, and most steps of a round.
    const MOST: usize = 10_000;

    /// Refuses settings that are out of range, or that another score has no use for. The error is a reason for users.
    pub(crate) fn check(self) -> Result<(), String> {
        let fail = |reason: String| Err(format!("`kind = \"hard\"`: {reason}"));
        if self.by != Difficulty::WorstCase {
            let given = [("rounds", self.rounds.is_some()), ("steps", self.steps.is_some()), ("lr", self.lr.is_some())];
            return match given.iter().find(|(_, given)| *given) {
                None => Ok(()),
                Some((key, _)) => {
                    fail(format!("`{key}` is for `by = \"worst-case\"` and has no meaning by {}", self.by.name()))
                }
            };
        }
        if self.end == End::Easiest {
            return fail("a worst case has no easiest end; leave `end` out".into());
        }
        let Search { rounds, steps, lr } = self.search();
        for (key, value) in [("rounds", rounds), ("steps", steps)] {
            if !(1..=Self::MOST).contains(&value) {
                return fail(format!("`{key}` must be 1 to {}, found {value}", Self::MOST));
            }
        }
        if !(lr.is_finite() && lr > 0.0) {
            return fail(format!("`lr` must be a positive number, found {lr}"));
        }
        Ok(())
    }

    /// How the worst case is sought, with every default filled in.
    pub(crate) fn search(self) -> Search {
        Search { rounds: self.rounds.unwrap_or(5), steps: self.steps.unwrap_or(20), lr: self.lr.unwrap_or(1e-4) }
    }

    /// The number of samples among `available`. The error is a reason for users.
    pub(crate) fn number(self, available: usize) -> Result<usize, String> {
        let fail = |reason: String| Err(format!("`kind = \"hard\"`: {reason}"));
        let number = match (self.fraction, self.count) {
            (Some(fraction), None) if fraction > 0.0 && fraction < 1.0 => {
                (fraction * available as f64).round() as usize
            }
            (Some(fraction), None) => {
                return fail(format!("`fraction` must lie between 0 and 1, found {fraction}"));
            }
            (None, Some(count)) => count,
            (Some(_), Some(_)) => return fail("give `fraction` or `count`, not both".into()),
            (None, None) => return fail("give `fraction`, a share of the training samples, or `count`".into()),
        };
        if (1..available).contains(&number) {
            return Ok(number);
        }
        let most = available.saturating_sub(1);
        fail(format!(
            "it asks for {number} of {available} training samples; give 1 to {most}, so that one sample is left"
        ))
    }

    /// The chosen positions, ascending, given the score of each. Among samples of equal score, the lower position comes first. The error
    /// is a reason for users.
    pub(crate) fn choose(self, positions: &[u32], scores: &[f64]) -> Result<Vec<u32>, String> {
        let number = self.number(positions.len())?;
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by(|a, b| {
            let by_score = scores[*a].total_cmp(&scores[*b]);
            let by_score = if self.end == End::Hardest { by_score } else { by_score.reverse() };
            by_score.then(positions[*a].cmp(&positions[*b]))
        });
        let mut chosen: Vec<u32> = order[..number].iter().map(|at| positions[*at]).collect();
        chosen.sort_unstable();
        Ok(chosen)
    }

    /// As many positions as the request has samples, evenly spaced, to stand for those that a stage has yet to find.
    pub(crate) fn stand_in(self, positions: &[u32]) -> Result<Vec<u32>, String> {
        let number = self.number(positions.len())?;
        Ok((0..number).map(|i| positions[i * positions.len() / number]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hard(fraction: Option<f64>, count: Option<usize>, end: End) -> Hard {
        Hard { by: Difficulty::Memorisation, fraction, count, end, rounds: None, steps: None, lr: None }
    }

    #[test]
    fn samples_are_chosen_from_either_end_and_ties_go_by_position() {
        let (positions, scores) = ([3, 5, 8, 9, 12], [0.5, 0.1, 0.5, 0.9, 0.1]);
        let of = |count, end| hard(None, Some(count), end).choose(&positions, &scores).unwrap();
        assert_eq!(of(2, End::Hardest), [5, 12]);
        assert_eq!(of(3, End::Hardest), [3, 5, 12]);
        assert_eq!(of(1, End::Easiest), [9]);
        assert_eq!(of(2, End::Easiest), [3, 9]);
        assert_eq!(hard(Some(0.4), None, End::Hardest).choose(&positions, &scores), Ok(vec![5, 12]));
        assert_eq!(hard(Some(0.4), None, End::Hardest).stand_in(&positions), Ok(vec![3, 8]));
    }

    #[test]
    fn a_number_that_leaves_none_or_takes_none_is_refused() {
        for (fraction, count, words) in [
            (None, None, "give `fraction`"),
            (Some(0.1), Some(3), "not both"),
            (Some(1.0), None, "between 0 and 1, found 1"),
            (Some(f64::NAN), None, "between 0 and 1"),
            (None, Some(0), "give 1 to 9"),
            (None, Some(10), "asks for 10 of 10"),
            (Some(0.01), None, "asks for 0 of 10"),
        ] {
            let reason = hard(fraction, count, End::Hardest).number(10).unwrap_err();
            assert!(reason.contains(words), "{reason}");
        }
        assert_eq!(hard(Some(0.07), None, End::Hardest).label(), "hardest 7 % by memorisation");
        assert_eq!(hard(None, Some(45), End::Easiest).label(), "easiest 45 by memorisation");
    }
}
