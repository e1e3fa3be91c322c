//! Adam (Kingma & Ba 2015, arXiv 1412.6980, algorithm 1) in PyTorch's form, with weight decay added to the gradient:
//! g ← g + λθ; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; θ ← θ − lr/(1 − β₁ᵗ) · m/(√(v/(1 − β₂ᵗ)) + ε).
//!
//! In the decoupled form (`AdamW`, Loshchilov & Hutter 2019, arXiv 1711.05101), weight decay is a separate step θ ← θ
//! − lr·λθ before the update, and g stays unchanged.
//!
//! The update of (θ, g, m, v) = (0, 0, 0, 0) is 0. So a pruned weight, whose gradient is always 0, stays exactly 0.

use rayon::prelude::*;
use unlearn_network::{ADAM_BETA_1 as BETA_1, ADAM_BETA_2 as BETA_2, ADAM_EPSILON as EPSILON, AdamStep, Descent};

use crate::{Recipe, Trainable};

/// Running means of every parameter's gradient and squared gradient.
#[derive(Debug, Clone)]
pub struct Adam {
    pub(crate) mean: Vec<Vec<f32>>,
    pub(crate) square: Vec<Vec<f32>>,
    weight_decay: f64,
    decoupled: bool,
    pub(crate) trainable: Option<Trainable>,
}

impl Adam {
    /// A new optimiser for parameters of these sizes. It changes only the `trainable` ones.
    pub fn new(recipe: &Recipe, parameters: &[Vec<f32>], trainable: Option<Trainable>) -> Self {
        let zeros: Vec<Vec<f32>> = parameters.iter().map(|p| vec![0.0; p.len()]).collect();
        let weight_decay = recipe.weight_decay;
        Self { mean: zeros.clone(), square: zeros, weight_decay, decoupled: false, trainable }
    }

    /// The same with decoupled weight decay: `AdamW`.
    #[must_use]
    pub fn decoupled(self) -> Self {
        Self { decoupled: true, ..self }
    }

    /// The rule as data, which a device executes in the same order.
    pub(crate) fn descent(&self) -> Descent {
        Descent::Adam { weight_decay: self.weight_decay, decoupled: self.decoupled }
    }

    /// Step number `t`, counted from 1.
    pub fn step(&mut self, t: u64, lr: f64, parameters: &mut [Vec<f32>], gradients: &[Vec<f32>]) {
        let AdamStep { decay, keep, rate, root } = AdamStep::new(self.weight_decay, self.decoupled, t, lr);
        let trainable = self.trainable.as_ref();
        let [keep_mean, keep_square] = [BETA_1 as f32, BETA_2 as f32];
        let [take_mean, take_square] = [(1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32];
        let update = |theta: &mut f32, m: &mut f32, v: &mut f32, g: &f32| {
            let g = g + decay * *theta;
            *theta *= keep;
            *m = keep_mean * *m + take_mean * g;
            *v = keep_square * *v + take_square * g * g;
            *theta -= rate * *m / (v.sqrt() / root + EPSILON);
        };
        let tensors = parameters.par_iter_mut().zip(&mut self.mean).zip(&mut self.square).zip(gradients);
        tensors.enumerate().for_each(|(id, (((parameter, mean), square), gradient))| {
            let values = parameter.iter_mut().zip(mean).zip(square).zip(gradient);
            match trainable.and_then(|trainable| trainable[id].as_ref()) {
                None => values.for_each(|(((theta, m), v), g)| update(theta, m, v, g)),
                Some(moves) => {
                    let moving = values.zip(moves).filter(|(_, moves)| **moves);
                    moving.for_each(|((((theta, m), v), g), _)| update(theta, m, v, g));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_learning_rate_whatever_the_gradient() {
        let recipe = Recipe { weight_decay: 0.0, ..Recipe::default() };
        let mut theta = vec![vec![1.0, 1.0, 0.0]];
        let mut adam = Adam::new(&recipe, &theta, None);
        adam.step(1, 0.1, &mut theta, &[vec![1e-3, -50.0, 0.0]]);
        assert!((theta[0][0] - 0.9).abs() < 1e-5 && (theta[0][1] - 1.1).abs() < 1e-5, "{theta:?}");
        assert_eq!(theta[0][2].to_bits(), 0);
    }

    #[test]
    fn what_is_not_trainable_does_not_even_decay() {
        let recipe = Recipe { weight_decay: 0.1, ..Recipe::default() };
        let mut theta = vec![vec![1.0, 1.0], vec![3.0]];
        let mut adam = Adam::new(&recipe, &theta, Some(vec![Some(vec![true, false]), None]));
        adam.step(1, 0.1, &mut theta, &[vec![1.0, 1.0], vec![0.0]]);
        assert!(theta[0][0] < 1.0 && theta[1][0] < 3.0);
        assert_eq!((theta[0][1], adam.mean[0][1]), (1.0, 0.0));
    }

    /// `PyTorch` computes in f64, this crate in f32 (`tests/golden/training/adam.py`).
    #[test]
    fn steps_with_either_decay_are_pytorchs() {
        let golden = unlearn_tests::golden::text("training/adam.json");
        let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
        let recipe = Recipe { weight_decay: 0.1, ..Recipe::default() };
        for (name, decoupled) in [("adam", false), ("adamw", true)] {
            let mut theta = vec![vec![1.0, -0.5, 0.25], vec![2.0, 0.0]];
            let adam = Adam::new(&recipe, &theta, None);
            let mut adam = if decoupled { adam.decoupled() } else { adam };
            for (step, expected) in (1_u32..).zip(golden[name].as_array().unwrap()) {
                let slope = |i: usize| (0.9 * f64::from(step) + 1.3 * i as f64).sin();
                let gradients =
                    [(0..3).map(|i| slope(i) as f32).collect(), vec![1e-3 * slope(3) as f32, slope(4) as f32]];
                adam.step(step.into(), 0.05, &mut theta, &gradients);
                for (found, expected) in theta.iter().flatten().zip(expected.as_array().unwrap()) {
                    let expected = expected.as_f64().unwrap();
                    assert!((f64::from(*found) - expected).abs() < 1e-6, "{name}, step {step}: {found}, {expected}");
                }
            }
        }
    }
}
