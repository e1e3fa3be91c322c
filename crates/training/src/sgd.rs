//! Stochastic gradient descent with momentum and weight decay, in PyTorch's form:
//! g ← g + λθ; v ← μv + g; θ ← θ − lr·v, or θ ← θ − lr·(g + μv) with Nesterov.
//!
//! The update of (θ, g, v) = (0, 0, 0) is 0: a pruned weight, whose gradient is always 0, stays exactly 0.

use rayon::prelude::*;

use crate::Recipe;

/// Velocity of every parameter.
#[derive(Debug, Clone)]
pub struct Sgd {
    velocity: Vec<Vec<f32>>,
    momentum: f32,
    weight_decay: f32,
    nesterov: bool,
}

impl Sgd {
    /// An optimiser at rest for parameters of these sizes.
    pub fn new(recipe: &Recipe, parameters: &[Vec<f32>]) -> Self {
        Self {
            velocity: parameters.iter().map(|p| vec![0.0; p.len()]).collect(),
            momentum: recipe.momentum as f32,
            weight_decay: recipe.weight_decay as f32,
            nesterov: recipe.nesterov,
        }
    }

    /// One step.
    pub fn step(&mut self, lr: f64, parameters: &mut [Vec<f32>], gradients: &[Vec<f32>]) {
        let (lr, momentum, decay, nesterov) = (lr as f32, self.momentum, self.weight_decay, self.nesterov);
        parameters.par_iter_mut().zip(&mut self.velocity).zip(gradients).for_each(
            |((parameter, velocity), gradient)| {
                for ((theta, v), g) in parameter.iter_mut().zip(velocity).zip(gradient) {
                    let g = g + decay * *theta;
                    *v = momentum * *v + g;
                    *theta -= lr * if nesterov { g + momentum * *v } else { *v };
                }
            },
        );
    }

    /// Velocity of every parameter, for checkpoints.
    pub fn velocity(&self) -> &[Vec<f32>] {
        &self.velocity
    }

    /// Velocity of every parameter, to be restored from a checkpoint.
    pub fn velocity_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.velocity
    }
}
