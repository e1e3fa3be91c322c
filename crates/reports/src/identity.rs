//! What a row of results is of.

use serde::Serialize;

use crate::results::ResultRow;
use crate::summary::Variant;

/// What a row of results is of, but for its seed: a method, a request, and the model that the request is served on. Rows of two reports are
/// of the same if their identities are equal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Identity {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Kind of forget set.
    pub scenario: String,
    /// Label of the forget set.
    pub forget: String,
    /// Share of zeros, 0..1.
    pub sparsity: f64,
    /// Name of the pruning method.
    pub pruning: String,
    /// Name of the unlearning method.
    pub method: String,
    /// Name of the sequence of requests, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// Number of the request in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
}

impl Identity {
    pub(crate) fn of(row: &ResultRow) -> Self {
        let ResultRow { dataset, arch, scenario, forget, sparsity, pruning, method, sequence, turn, .. } = row.clone();
        Self { dataset, arch, scenario, forget, sparsity, pruning, method, sequence, turn }
    }

    /// "dense", or "95 % omp".
    pub fn variant(&self) -> String {
        Variant { sparsity: self.sparsity, pruning: self.pruning.clone() }.label()
    }

    /// "class 0 · resnet8s on fashion-mnist-mini".
    pub fn title(&self) -> String {
        format!("{}{} · {} on {}", self.forget, self.request(), self.arch, self.dataset)
    }

    /// "ft · class 0 · dense · resnet8s on fashion-mnist-mini".
    pub(crate) fn words(&self) -> String {
        let Self { method, forget, arch, dataset, .. } = self;
        format!("{method} · {forget} · {} · {arch} on {dataset}{}", self.variant(), self.request())
    }

    fn request(&self) -> String {
        match (&self.sequence, self.turn) {
            (Some(sequence), Some(turn)) => format!(", request {turn} of {sequence}"),
            _ => String::new(),
        }
    }
}
