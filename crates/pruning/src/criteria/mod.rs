//! Pruning criteria, which score weights. Each has one file; the registry is [`CRITERIA`].

mod grasp;
mod l1_channel;
mod l1_filter;
mod magnitude;
mod random;
mod slices;
mod snip;
mod subject;
mod synflow;
mod taylor;

use unlearn_network::ParameterId;

pub use self::subject::Subject;
use crate::Result;

/// The scores of one parameter's weights. The lowest are pruned first.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The parameter.
    pub parameter: ParameterId,
    /// One score per weight, in the parameter's order.
    pub values: Vec<f32>,
}

/// A pruning criterion.
pub struct Criterion {
    /// Name in suites and reports.
    pub name: &'static str,
    /// Description in one line.
    pub summary: &'static str,
    /// Paper and equation.
    pub source: &'static str,
    /// Number of rounds of scoring and pruning to reach a sparsity.
    pub rounds: usize,
    /// Computes the scores of the given parameters. The network is left unchanged.
    pub score: fn(&mut Subject<'_>, &[ParameterId]) -> Result<Vec<Scores>>,
}

/// All criteria.
pub static CRITERIA: &[Criterion] = &[
    magnitude::CRITERION,
    random::CRITERION,
    snip::CRITERION,
    grasp::CRITERION,
    synflow::CRITERION,
    taylor::CRITERION,
    l1_channel::CRITERION,
    l1_filter::CRITERION,
];

/// Looks a criterion up by name.
///
/// # Errors
/// If the name is unknown. The error lists the valid ones.
pub fn criterion(name: &str) -> Result<&'static Criterion> {
    Ok(unlearn_names::find("pruning criterion", name, CRITERIA, |criterion| criterion.name)?)
}
