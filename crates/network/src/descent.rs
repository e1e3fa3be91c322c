//! A training step's arithmetic as data: losses of the logits, penalties on the weights, and the rule by which
//! gradients move weights. The crate `unlearn-training` executes it on the host, which is the reference; an executor
//! with a [`crate::Resident`] executes it on its device.

use crate::{Result, state::check_len};

/// One term of a loss: a function of the logits `[count, classes]`. A loss is the sum of its terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LossTerm<'a> {
    /// `weight` times the mean cross-entropy over the samples.
    CrossEntropy {
        /// One class for each sample.
        labels: &'a [u32],
        /// Second classes, and the share of the first ones, if samples were overlaid.
        mixed: Option<(&'a [u32], f64)>,
        /// Share of the target that is spread evenly over all classes, in 0..1.
        smoothing: f64,
        /// Factor of the term. Negative turns descent into ascent.
        weight: f64,
    },
    /// `weight` · T² times the mean KL divergence of the softened outputs from a teacher's.
    Divergence {
        /// The teacher's logits, `[count, classes]`.
        teacher: &'a [f32],
        /// Divisor T of both logits.
        temperature: f64,
        /// Factor of the term.
        weight: f64,
    },
}

impl LossTerm<'_> {
    /// Checks a term against logits `[count, classes]`.
    pub(crate) fn check(&self, [count, classes]: [usize; 2]) -> Result<()> {
        match *self {
            Self::CrossEntropy { labels, mixed, .. } => {
                check_len(|| "labels".into(), &[count], labels.len())?;
                check_len(|| "second labels".into(), &[count], mixed.map_or(count, |(others, _)| others.len()))
            }
            Self::Divergence { teacher, .. } => {
                check_len(|| "a teacher's logits".into(), &[count, classes], teacher.len())
            }
        }
    }
}

/// A penalty that only the host has. A training with it runs by passes.
pub trait OwnPenalty: std::fmt::Debug {
    /// Adds ∂penalty/∂θ to the gradients and returns the penalty.
    fn add(&self, parameters: &[Vec<f32>], gradients: &mut [Vec<f32>]) -> f64;

    /// The proximal step of a penalty R without a gradient, after a step at learning rate `lr`: θ ← argmin over x of
    /// ‖x − θ‖²/2 + lr·R(x). It must map 0 to 0, so that pruned weights stay 0.
    fn soften(&self, _lr: f64, _parameters: &mut [Vec<f32>]) {}
}

/// What an objective adds on the weights.
#[derive(Debug, Clone, Copy, Default)]
pub enum Penalty<'a> {
    /// Nothing.
    #[default]
    None,
    /// γ‖θ‖₁, by its subgradient, which is 0 at 0.
    L1 {
        /// Factor γ.
        gamma: f64,
    },
    /// γ‖θ‖₁ over some parameters, by a soft threshold of lr · γ after each step.
    SoftThreshold {
        /// Factor γ.
        gamma: f64,
        /// For each parameter of the graph, whether it is penalised.
        over: &'a [bool],
    },
    /// Functions that only the host has.
    Own(&'a dyn OwnPenalty),
}

/// The rule by which gradients move weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Descent {
    /// Stochastic gradient descent in `PyTorch`'s form: g ← g + λθ; v ← μv + g; θ ← θ − lr·v, or θ ← θ − lr·(g + μv)
    /// with Nesterov.
    Sgd {
        /// Momentum μ.
        momentum: f32,
        /// L2 penalty λ.
        weight_decay: f32,
        /// Whether momentum has Nesterov's form.
        nesterov: bool,
    },
    /// Adam in `PyTorch`'s form, with λθ added to the gradient, or with weights that shrink by lr·λ before each step.
    Adam {
        /// Weight decay λ.
        weight_decay: f64,
        /// Whether weights shrink by themselves (`AdamW`).
        decoupled: bool,
    },
}

/// Adam's β₁, the share of the running mean of gradients that each step keeps.
pub const ADAM_BETA_1: f64 = 0.9;
/// Adam's β₂, the share of the running mean of squared gradients that each step keeps.
pub const ADAM_BETA_2: f64 = 0.999;
/// Adam's ε, which keeps the divisor from 0.
pub const ADAM_EPSILON: f32 = 1e-8;

/// The numbers of one step of Adam, which no weight and no gradient changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// L2 penalty that is added to the gradient.
    pub decay: f32,
    /// Factor of weights before the step.
    pub keep: f32,
    /// lr / (1 − β₁ᵗ).
    pub rate: f32,
    /// √(1 − β₂ᵗ).
    pub root: f32,
}

impl AdamStep {
    /// The numbers of step `t`, counted from 1.
    pub fn new(weight_decay: f64, decoupled: bool, t: u64, lr: f64) -> Self {
        let bias = |beta: f64| 1.0 - beta.powf(t as f64);
        let (decay, shrink) = if decoupled { (0.0, lr * weight_decay) } else { (weight_decay, 0.0) };
        Self {
            decay: decay as f32,
            keep: (1.0 - shrink) as f32,
            rate: (lr / bias(ADAM_BETA_1)) as f32,
            root: bias(ADAM_BETA_2).sqrt() as f32,
        }
    }
}

impl Descent {
    /// Names of what the rule remembers of each weight. All of it is 0 at first.
    pub fn memory(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd { .. } => &["velocity"],
            Self::Adam { .. } => &["mean", "square"],
        }
    }
}
