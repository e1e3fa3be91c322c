//! Stochastic gradient descent with momentum and weight decay, in PyTorch's form:
//! g ← g + λθ; v ← μv + g; θ ← θ − lr·v, or θ ← θ − lr·(g + μv) with Nesterov.
//!
//! The update of (θ, g, v) = (0, 0, 0) is 0. So a pruned weight, whose gradient is always 0, stays exactly 0.

use rayon::prelude::*;
use unlearn_network::Descent;

use crate::{Recipe, Trainable};

/// Velocity of every parameter.
#[derive(Debug, Clone)]
pub struct Sgd {
    pub(crate) velocity: Vec<Vec<f32>>,
    momentum: f32,
    weight_decay: f32,
    nesterov: bool,
    pub(crate) trainable: Option<Trainable>,
}

impl Sgd {
    /// A new optimiser for parameters of these sizes. It changes all of them.
    pub fn new(recipe: &Recipe, parameters: &[Vec<f32>]) -> Self {
        Self {
            velocity: parameters.iter().map(|p| vec![0.0; p.len()]).collect(),
            momentum: recipe.momentum as f32,
            weight_decay: recipe.weight_decay as f32,
            nesterov: recipe.nesterov,
            trainable: None,
        }
    }

    /// The same, restricted to trainable values.
    #[must_use]
    pub fn moving(self, trainable: Option<Trainable>) -> Self {
        Self { trainable, ..self }
    }

    /// The rule as data, which a device executes in the same order.
    pub(crate) fn descent(&self) -> Descent {
        let &Self { momentum, weight_decay, nesterov, .. } = self;
        Descent::Sgd { momentum, weight_decay, nesterov }
    }

    /// One step.
    pub fn step(&mut self, lr: f64, parameters: &mut [Vec<f32>], gradients: &[Vec<f32>]) {
        let (lr, momentum, decay, nesterov) = (lr as f32, self.momentum, self.weight_decay, self.nesterov);
        let trainable = self.trainable.as_ref();
        let update = |theta: &mut f32, v: &mut f32, g: &f32| {
            let g = g + decay * *theta;
            *v = momentum * *v + g;
            *theta -= lr * if nesterov { g + momentum * *v } else { *v };
        };
        let tensors = parameters.par_iter_mut().zip(&mut self.velocity).zip(gradients);
        tensors.enumerate().for_each(|(id, ((parameter, velocity), gradient))| {
            let values = parameter.iter_mut().zip(velocity).zip(gradient);
            match trainable.and_then(|trainable| trainable[id].as_ref()) {
                None => values.for_each(|((theta, v), g)| update(theta, v, g)),
                Some(moves) => {
                    let moving = values.zip(moves).filter(|(_, moves)| **moves);
                    moving.for_each(|(((theta, v), g), _)| update(theta, v, g));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_trainable_does_not_even_decay() {
        let recipe = Recipe { weight_decay: 0.1, ..Recipe::default() };
        let mut theta = vec![vec![1.0, 1.0], vec![3.0]];
        let mut sgd = Sgd::new(&recipe, &theta).moving(Some(vec![Some(vec![true, false]), None]));
        sgd.step(0.1, &mut theta, &[vec![1.0, 1.0], vec![0.0]]);
        assert!(theta[0][0] < 1.0 && theta[1][0] < 3.0);
        assert_eq!((theta[0][1], sgd.velocity[0][1]), (1.0, 0.0));
    }
}
