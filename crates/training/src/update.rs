//! How a gradient becomes a step: the optimiser, which weights it may move, and where the gradient is taken.

use crate::{Adam, Recipe, Rule, Sgd};

/// Which values of each parameter training may move; `None` where it may move all.
pub type Trainable = Vec<Option<Vec<bool>>>;

/// How a gradient becomes a step, beside the recipe's numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// The rule of the step, the recipe's if not given.
    pub rule: Option<Rule>,
    /// Radius ρ of sharpness-aware minimisation (Foret et al. 2021, arXiv 2010.01412, algorithm 1): the gradient is taken at
    /// θ + ρ·g/‖g‖, the step is made from θ. Running statistics see the first pass only.
    pub sam: Option<f64>,
    /// What the optimiser may move, all if not given. Everything else keeps its bits: it does not decay either.
    pub trainable: Option<Trainable>,
}

/// An optimiser in use.
#[derive(Debug, Clone)]
pub(crate) enum Optimizer {
    Sgd(Sgd),
    Adam(Adam),
}

impl Optimizer {
    pub(crate) fn new(recipe: &Recipe, update: &Update, parameters: &[Vec<f32>]) -> Self {
        let trainable = update.trainable.clone();
        match update.rule.unwrap_or(recipe.optimizer) {
            Rule::Sgd => Self::Sgd(Sgd::new(recipe, parameters).moving(trainable)),
            Rule::Adam => Self::Adam(Adam::new(recipe, parameters, trainable)),
            Rule::AdamW => Self::Adam(Adam::new(recipe, parameters, trainable).decoupled()),
        }
    }

    /// Step number `t` of the run, from 1.
    pub(crate) fn step(&mut self, t: u64, lr: f64, parameters: &mut [Vec<f32>], gradients: &[Vec<f32>]) {
        match self {
            Self::Sgd(sgd) => sgd.step(lr, parameters, gradients),
            Self::Adam(adam) => adam.step(t, lr, parameters, gradients),
        }
    }

    /// What it remembers of the steps so far: name, and values per parameter. All zero at rest.
    pub(crate) fn memory(&self) -> Vec<(&'static str, &[Vec<f32>])> {
        match self {
            Self::Sgd(sgd) => vec![("velocity", &sgd.velocity)],
            Self::Adam(adam) => vec![("mean", &adam.mean), ("square", &adam.square)],
        }
    }

    /// The same, to be changed.
    pub(crate) fn memory_mut(&mut self) -> Vec<(&'static str, &mut [Vec<f32>])> {
        match self {
            Self::Sgd(sgd) => vec![("velocity", &mut sgd.velocity)],
            Self::Adam(adam) => vec![("mean", &mut adam.mean), ("square", &mut adam.square)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_the_recipes_unless_another_is_given() {
        let after = |optimizer, rule| {
            let recipe = Recipe { optimizer, weight_decay: 0.5, ..Recipe::default() };
            let mut theta = vec![vec![1.0]];
            Optimizer::new(&recipe, &Update { rule, ..Update::default() }, &theta).step(
                1,
                0.1,
                &mut theta,
                &[vec![2.0]],
            );
            theta[0][0]
        };
        let cases = [
            (Rule::Sgd, None, 0.75),
            (Rule::Adam, None, 0.9),
            (Rule::AdamW, None, 0.85),
            (Rule::Sgd, Some(Rule::Adam), 0.9),
            (Rule::AdamW, Some(Rule::Sgd), 0.75),
        ];
        for (optimizer, rule, expected) in cases {
            let found: f32 = after(optimizer, rule);
            assert!((found - expected).abs() < 1e-6, "{optimizer:?}, {rule:?}: {found}");
        }
    }
}
