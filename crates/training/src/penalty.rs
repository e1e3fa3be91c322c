//! Penalties on the weights, by the host.

use unlearn_network::Penalty;

/// Adds ∂penalty/∂θ to the gradients and returns the penalty.
pub(crate) fn add(penalty: Penalty<'_>, parameters: &[Vec<f32>], gradients: &mut [Vec<f32>]) -> f64 {
    match penalty {
        Penalty::None => 0.0,
        Penalty::L1 { gamma } => {
            let mut norm = 0.0;
            for (parameter, gradient) in parameters.iter().zip(gradients) {
                for (theta, g) in parameter.iter().zip(gradient) {
                    norm += f64::from(theta.abs());
                    // The subgradient at 0 is 0, so pruned weights stay 0.
                    if *theta != 0.0 {
                        *g += gamma as f32 * theta.signum();
                    }
                }
            }
            gamma * norm
        }
        Penalty::SoftThreshold { gamma, over } => {
            let covered = parameters.iter().zip(over).filter(|(_, over)| **over);
            gamma * covered.flat_map(|(values, _)| values).map(|theta| f64::from(theta.abs())).sum::<f64>()
        }
        Penalty::Own(own) => own.add(parameters, gradients),
    }
}

/// The proximal step of a penalty R without a gradient, after a step at learning rate `lr`: θ ← argmin over x of
/// ‖x − θ‖²/2 + lr·R(x). It maps 0 to 0, so that pruned weights stay 0.
pub(crate) fn soften(penalty: Penalty<'_>, lr: f64, parameters: &mut [Vec<f32>]) {
    match penalty {
        Penalty::None | Penalty::L1 { .. } => {}
        Penalty::SoftThreshold { gamma, over } => {
            let threshold = (lr * gamma) as f32;
            let covered = parameters.iter_mut().zip(over).filter(|(_, over)| **over);
            for theta in covered.flat_map(|(values, _)| values) {
                *theta = if theta.abs() <= threshold { 0.0 } else { *theta - threshold * theta.signum() };
            }
        }
        Penalty::Own(own) => own.soften(lr, parameters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_penalty_pulls_towards_zero_and_leaves_zeros_alone() {
        let mut gradients = vec![vec![0.0; 3]];
        let value = add(Penalty::L1 { gamma: 0.25 }, &[vec![2.0, -1.0, 0.0]], &mut gradients);
        assert_eq!((value, gradients), (0.75, vec![vec![0.25, -0.25, 0.0]]));
    }

    #[test]
    fn the_threshold_makes_exact_zeros_of_what_it_covers_alone() {
        let penalty = Penalty::SoftThreshold { gamma: 2.0, over: &[true, false] };
        let mut parameters = vec![vec![1.0, -0.75, 0.5, -0.25, -0.0, 0.0], vec![0.25]];
        assert_eq!(add(penalty, &parameters, &mut []), 5.0);
        soften(penalty, 0.25, &mut parameters);
        assert_eq!(parameters, [vec![0.5, -0.25, 0.0, 0.0, 0.0, 0.0], vec![0.25]]);
        assert!(parameters[0][2..].iter().all(|theta| theta.to_bits() == 0));
    }

    #[test]
    fn the_threshold_minimises_what_it_should() {
        // θ′ = argmin over x of (x − θ)²/2 + lr·γ|x|, by search on a fine grid.
        let (lr, gamma) = (0.5, 0.6);
        for theta in [-1.3f32, -0.2, 0.1, 0.31, 2.0] {
            let cost = |x: f64| (x - f64::from(theta)).powi(2) / 2.0 + lr * gamma * x.abs();
            let grid = (-30_000..=30_000).map(|i| f64::from(i) * 1e-4);
            let best = grid.min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap();
            let mut parameters = vec![vec![theta]];
            soften(Penalty::SoftThreshold { gamma, over: &[true] }, lr, &mut parameters);
            assert!((f64::from(parameters[0][0]) - best).abs() < 2e-4, "{theta}: {parameters:?}, {best}");
        }
    }
}
