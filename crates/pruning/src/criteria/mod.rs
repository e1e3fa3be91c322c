//! Criteria: how much a weight matters. One file each; the registry is [`CRITERIA`].

mod magnitude;

use unlearn_network::{Network, ParameterId};

use crate::{Result, error::unknown};

/// The scores of one parameter's weights; the lowest are pruned first.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Which parameter.
    pub parameter: ParameterId,
    /// A score per weight.
    pub values: Vec<f32>,
}

/// A pruning criterion.
pub struct Criterion {
    /// Name in suites and reports.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Paper and equation.
    pub source: &'static str,
    /// Scores of the parameters asked for.
    pub score: fn(&mut Network, &[ParameterId]) -> Result<Vec<Scores>>,
}

/// All criteria.
pub static CRITERIA: &[Criterion] = &[magnitude::CRITERION];

/// Looks a criterion up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn criterion(name: &str) -> Result<&'static Criterion> {
    let names: Vec<_> = CRITERIA.iter().map(|c| c.name).collect();
    CRITERIA.iter().find(|c| c.name == name).ok_or_else(|| unknown("criterion", name, &names))
}
