//! Criteria: how much a weight matters. One file each; the registry is [`CRITERIA`].

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

/// The scores of one parameter's weights; the lowest are pruned first.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Which parameter.
    pub parameter: ParameterId,
    /// A score per weight, in the parameter's order.
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
    /// In how many rounds of scoring and pruning a sparsity is reached.
    pub rounds: usize,
    /// Scores of the parameters asked for. The network is left as it was.
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

/// Looks a criterion up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn criterion(name: &str) -> Result<&'static Criterion> {
    Ok(unlearn_names::find("pruning criterion", name, CRITERIA, |criterion| criterion.name)?)
}
