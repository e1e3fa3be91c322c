//! The update of weights by a gradient: the optimiser, the weights that it may change, and the point where the
//! gradient is taken.

use unlearn_network::{Descent, Trainable};

use crate::{Adam, Recipe, Rule, Sgd};

/// The update of weights by a gradient, in addition to the recipe's numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// The update rule. `None` means the recipe's.
    pub rule: Option<Rule>,
    /// Radius ρ of sharpness-aware minimisation (Foret et al. 2021, arXiv 2010.01412, algorithm 1): the gradient is
    /// taken at θ + ρ·g/‖g‖, and the step starts from θ. Only the first pass updates running statistics.
    pub sam: Option<f64>,
    /// The values that the optimiser may change. `None` means all. All other values keep their bits; weight decay
    /// does not apply to them.
    pub trainable: Option<Trainable>,
}

/// An optimiser with its state.
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

    /// Step number `t` of the run, counted from 1.
    pub(crate) fn step(&mut self, t: u64, lr: f64, parameters: &mut [Vec<f32>], gradients: &[Vec<f32>]) {
        match self {
            Self::Sgd(sgd) => sgd.step(lr, parameters, gradients),
            Self::Adam(adam) => adam.step(t, lr, parameters, gradients),
        }
    }

    /// The rule as data.
    pub(crate) fn descent(&self) -> Descent {
        match self {
            Self::Sgd(sgd) => sgd.descent(),
            Self::Adam(adam) => adam.descent(),
        }
    }

    /// The values that it may change. `None` means all.
    pub(crate) fn trainable(&self) -> Option<&Trainable> {
        match self {
            Self::Sgd(sgd) => sgd.trainable.as_ref(),
            Self::Adam(adam) => adam.trainable.as_ref(),
        }
    }

    /// Replaces the optimiser's state, in the order of [`Optimizer::memory`].
    pub(crate) fn set_memory(&mut self, memory: Vec<Vec<Vec<f32>>>) {
        match self {
            Self::Sgd(sgd) => memory.into_iter().for_each(|lists| sgd.velocity = lists),
            Self::Adam(adam) => {
                for (to, from) in [&mut adam.mean, &mut adam.square].into_iter().zip(memory) {
                    *to = from;
                }
            }
        }
    }

    /// The optimiser's state: a name, and values per parameter. All are zero initially.
    pub(crate) fn memory(&self) -> Vec<(&'static str, &[Vec<f32>])> {
        match self {
            Self::Sgd(sgd) => vec![("velocity", &sgd.velocity)],
            Self::Adam(adam) => vec![("mean", &adam.mean), ("square", &adam.square)],
        }
    }

    /// The same, mutable.
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
