//! Selection of the weights to prune, given their scores and the number to keep.

/// One tensor's scores, and which of its weights are currently kept.
#[derive(Debug, Clone)]
pub struct Ranked<'a> {
    /// Score of each weight; must not be NaN.
    pub scores: &'a [f32],
    /// Which weights are kept.
    pub keep: Vec<bool>,
}

impl<'a> Ranked<'a> {
    /// Scores of weights of which `kept` says which are kept. `None` means all.
    pub fn new(scores: &'a [f32], kept: Option<&[bool]>) -> Self {
        Self { scores, keep: kept.map_or_else(|| vec![true; scores.len()], <[bool]>::to_vec) }
    }

    /// Number of kept weights.
    pub fn kept(&self) -> usize {
        self.keep.iter().filter(|keep| **keep).count()
    }
}

/// Prunes the weights with the lowest scores of all tensors together until `keep` weights are left. Among equal
/// scores, the earlier weight is pruned first. If at most `keep` weights are left already, nothing changes.
pub fn keep_highest(tensors: &mut [Ranked<'_>], keep: usize) {
    let mut ranked: Vec<(f32, u32, u32)> = Vec::new();
    for (number, tensor) in (0..).zip(&*tensors) {
        let kept = (0..).zip(tensor.scores).zip(&tensor.keep).filter(|(_, keep)| **keep);
        ranked.extend(kept.map(|((position, score), _)| (*score, number, position)));
    }
    let pruned = ranked.len().saturating_sub(keep);
    if pruned == 0 {
        return;
    }
    ranked.select_nth_unstable_by(pruned - 1, |a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for (_, tensor, position) in &ranked[..pruned] {
        tensors[*tensor as usize].keep[*position as usize] = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_go_ties_go_by_position_and_what_is_pruned_stays_so() {
        let (first, second) = ([0.5, 0.1], [0.5, 0.9, 0.5, 0.2]);
        let left = |pruned: &[usize], keep: usize| {
            let kept = |position| !pruned.contains(&position);
            let mut tensors = [Ranked::new(&first, None), Ranked::new(&second, Some(&[0, 1, 2, 3].map(kept)))];
            keep_highest(&mut tensors, keep);
            assert!(tensors.iter().map(Ranked::kept).sum::<usize>() <= keep.max(6 - pruned.len()));
            tensors.map(|tensor| tensor.keep)
        };
        assert_eq!(left(&[], 3), [vec![false, false], vec![true, true, true, false]]);
        assert_eq!(left(&[], 6), [vec![true; 2], vec![true; 4]]);
        assert_eq!(left(&[], 0), [vec![false; 2], vec![false; 4]]);
        assert_eq!(left(&[1], 2), [vec![false, false], vec![true, false, true, false]]);
    }
}
