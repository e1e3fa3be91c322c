//! Pruning scopes: the set of weights among which the lowest scores are pruned. Each has one file; the registry is
//! [`SCOPES`].

mod apportionment;
mod erk;
mod global;
mod layer;

use unlearn_masks::{Mask, Ranked, keep_highest};
use unlearn_network::{Graph, Kept, ParameterId, ParameterKind};
use unlearn_training::mask_over;

use self::apportionment::apportion;
use crate::{Error, Result, criteria::Scores};

/// A pruning scope.
pub struct Scope {
    /// Name in suites and reports.
    pub name: &'static str,
    /// Description in one line.
    pub summary: &'static str,
    /// Paper and section.
    pub source: &'static str,
    /// The quota of a layer, given the shape of its weight. The number of kept weights is proportional to it. `None`
    /// if all layers compete.
    pub quota: Option<fn(&[usize]) -> f64>,
}

/// All scopes.
pub static SCOPES: &[Scope] = &[global::SCOPE, layer::SCOPE, erk::SCOPE];

/// Looks a scope up by name.
///
/// # Errors
/// If the name is unknown. The error lists the valid ones.
pub fn scope(name: &str) -> Result<&'static Scope> {
    Ok(unlearn_names::find("pruning scope", name, SCOPES, |scope| scope.name)?)
}

/// Parameters that pruning covers: every convolution weight (arXiv 2304.04934, appendix C.1), and every weight of a
/// transformer's layers on tokens. The classifier's weight is covered only if `include_classifier` is set.
pub fn prunable(graph: &Graph, include_classifier: bool) -> Vec<ParameterId> {
    let covered = |kind| match kind {
        ParameterKind::LinearWeight => include_classifier,
        kind => kind.is_feature_weight(),
    };
    (0..graph.parameters.len()).filter(|id| covered(graph.parameters[*id].kind)).collect()
}

impl Scope {
    /// The mask that keeps exactly `keep` of the scored weights: those with the highest scores among the weights in
    /// `kept`. Among equal scores, the earlier weight is pruned first. If `kept` has at most `keep` weights, all of
    /// them stay.
    ///
    /// # Errors
    /// If a score is NaN.
    pub fn select(&self, graph: &Graph, scores: &[Scores], kept: &Kept, keep: usize) -> Result<Mask> {
        let mut layers: Vec<Ranked<'_>> = Vec::new();
        for scores in scores {
            if scores.values.iter().any(|v| v.is_nan()) {
                return Err(Error::Score { layer: graph.parameters[scores.parameter].name.clone() });
            }
            layers.push(Ranked::new(&scores.values, kept[scores.parameter].as_deref()));
        }
        match self.quota {
            None => keep_highest(&mut layers, keep),
            Some(quota) => {
                let shape = |scores: &Scores| quota(&graph.parameters[scores.parameter].shape);
                let quotas: Vec<_> = scores.iter().map(shape).collect();
                let left: Vec<_> = layers.iter().map(Ranked::kept).collect();
                for (layer, keep) in layers.iter_mut().zip(apportion(keep, &quotas, &left)) {
                    keep_highest(std::slice::from_mut(layer), keep);
                }
            }
        }
        let left = scores.iter().zip(&layers).map(|(scores, layer)| (scores.parameter, Some(layer.keep.as_slice())));
        Ok(mask_over(graph, left)?)
    }
}

#[cfg(test)]
mod tests {
    use unlearn_network::GraphBuilder;

    use super::*;

    fn two_convolutions() -> Graph {
        let (mut graph, input) = GraphBuilder::new("two", [1, 4, 4]);
        let first = graph.conv2d("a", input, 2, 1, 1, 0);
        let second = graph.conv2d("b", first, 2, 1, 1, 0);
        let pooled = graph.global_avg_pool("pool", second);
        graph.linear("fc", pooled, 2);
        graph.finish()
    }

    fn scores(graph: &Graph) -> [Scores; 2] {
        let ids = prunable(graph, false);
        assert_eq!((ids.len(), prunable(graph, true).len()), (2, 3));
        [
            Scores { parameter: ids[0], values: vec![0.5, 0.1] },
            Scores { parameter: ids[1], values: vec![0.5, 0.9, 0.5, 0.2] },
        ]
    }

    #[test]
    fn the_lowest_scores_go_and_ties_go_by_position() {
        let graph = two_convolutions();
        let whole = vec![None; graph.parameters.len()];
        let check = |name, kept: &Kept, keep, a: [bool; 2], b: [bool; 4]| {
            let mask = scope(name).unwrap().select(&graph, &scores(&graph), kept, keep).unwrap();
            let bits = |name: &str| mask.get(name).unwrap().iter().collect::<Vec<_>>();
            assert_eq!((bits("a.weight"), bits("b.weight")), (a.to_vec(), b.to_vec()), "{name} {keep}");
        };
        check("global", &whole, 3, [false, false], [true, true, true, false]);
        check("global", &whole, 6, [true, true], [true; 4]);
        check("global", &whole, 0, [false, false], [false; 4]);
        // Each layer keeps a third of its weights. Of the equal scores in `b`, the later weight stays.
        check("layer", &whole, 3, [true, false], [false, true, true, false]);
        // The sums of the dimensions are 5 and 6, which would give three weights each, but `a` has only two.
        check("erk", &whole, 5, [true, true], [true, true, true, false]);
        check("erk", &whole, 4, [true, true], [false, true, true, false]);
        // Weights that are already pruned stay so, whatever their scores.
        let mut pruned = whole.clone();
        pruned[scores(&graph)[1].parameter] = Some(vec![true, false, true, true]);
        check("global", &pruned, 2, [false, false], [true, false, true, false]);
        check("global", &pruned, 6, [true, true], [true, false, true, true]);
    }

    #[test]
    fn every_scope_is_documented_and_uniquely_named() {
        for (i, scope) in SCOPES.iter().enumerate() {
            assert!(SCOPES[..i].iter().all(|other| other.name != scope.name), "{} twice", scope.name);
            assert!(!scope.summary.is_empty() && !scope.source.is_empty(), "{}", scope.name);
        }
        assert!(scope("layers").err().unwrap().to_string().contains("did you mean `layer`"));
    }

    #[test]
    fn a_nan_score_is_named() {
        let graph = two_convolutions();
        let scores = [Scores { parameter: 1, values: vec![f32::NAN; 4] }];
        let kept = vec![None; graph.parameters.len()];
        let message = SCOPES[0].select(&graph, &scores, &kept, 2).unwrap_err().to_string();
        assert!(message.contains("`b.weight`"), "{message}");
    }
}
