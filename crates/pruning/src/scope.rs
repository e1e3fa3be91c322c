//! Scopes: among which weights the lowest scores are looked for. `global` ranks all of them together, the paper's choice.

use unlearn_masks::{Bits, Mask};
use unlearn_network::{Graph, ParameterId, ParameterKind};

use crate::{Error, Result, criteria::Scores};

/// Parameters that pruning covers: every convolution weight (arXiv 2304.04934, appendix C.1); the classifier only if asked.
pub fn prunable(graph: &Graph, include_classifier: bool) -> Vec<ParameterId> {
    let covered = |kind| match kind {
        ParameterKind::ConvWeight => true,
        ParameterKind::LinearWeight => include_classifier,
        _ => false,
    };
    (0..graph.parameters.len()).filter(|id| covered(graph.parameters[*id].kind)).collect()
}

/// Prunes the share `sparsity` of all scored weights with the lowest scores; a tie is broken by position, the earlier weight
/// going first. The number pruned is exactly the nearest integer (halves to even, as Python's `round`).
///
/// # Errors
/// A score that is NaN.
pub fn global(graph: &Graph, scores: &[Scores], sparsity: f64) -> Result<Mask> {
    let mut ranked: Vec<(f32, usize, usize)> = Vec::new();
    for (tensor, scores) in scores.iter().enumerate() {
        if scores.values.iter().any(|v| v.is_nan()) {
            return Err(Error::Score { layer: graph.parameters[scores.parameter].name.clone() });
        }
        ranked.extend(scores.values.iter().enumerate().map(|(i, v)| (*v, tensor, i)));
    }
    let pruned = (sparsity * ranked.len() as f64).round_ties_even() as usize;
    let order =
        |a: &(f32, usize, usize), b: &(f32, usize, usize)| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2)));
    if pruned > 0 && pruned < ranked.len() {
        ranked.select_nth_unstable_by(pruned - 1, order);
    }
    let mut keep: Vec<Vec<bool>> = scores.iter().map(|s| vec![true; s.values.len()]).collect();
    for (_, tensor, i) in &ranked[..pruned.min(ranked.len())] {
        keep[*tensor][*i] = false;
    }
    let mut mask = Mask::new(graph.arch.as_str());
    for (scores, keep) in scores.iter().zip(keep) {
        let parameter = &graph.parameters[scores.parameter];
        mask.insert(parameter.name.as_str(), Bits::from_bools(&parameter.shape, &keep)?);
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unlearn_network::GraphBuilder;

    fn two_convolutions() -> Graph {
        let (mut graph, input) = GraphBuilder::new("two", [1, 4, 4]);
        let first = graph.conv2d("a", input, 2, 1, 1, 0);
        let second = graph.conv2d("b", first, 2, 1, 1, 0);
        let pooled = graph.global_avg_pool("pool", second);
        graph.linear("fc", pooled, 2);
        graph.finish()
    }

    #[test]
    fn the_lowest_scores_of_all_layers_go_and_ties_go_by_position() {
        let graph = two_convolutions();
        let ids = prunable(&graph, false);
        assert_eq!(ids.len(), 2);
        let scores = [
            Scores { parameter: ids[0], values: vec![0.5, 0.1] },
            Scores { parameter: ids[1], values: vec![0.5, 0.9, 0.5, 0.2] },
        ];
        let mask = global(&graph, &scores, 0.5).unwrap();
        let bits = |name: &str| mask.get(name).unwrap().iter().collect::<Vec<_>>();
        assert_eq!((bits("a.weight"), bits("b.weight")), (vec![false, false], vec![true, true, true, false]));
        for sparsity in [0.0, 0.2, 0.99, 1.0] {
            let kept = 6 - (sparsity * 6.0f64).round_ties_even() as usize;
            assert_eq!(global(&graph, &scores, sparsity).unwrap().kept(), kept);
        }
    }

    #[test]
    fn a_nan_score_is_named() {
        let graph = two_convolutions();
        let scores = [Scores { parameter: 1, values: vec![f32::NAN; 4] }];
        assert!(global(&graph, &scores, 0.5).unwrap_err().to_string().contains("`b.weight`"));
    }
}
