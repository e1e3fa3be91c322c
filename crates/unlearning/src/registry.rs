//! Every unlearning method by name.

use crate::{
    Error, Result,
    ft::Ft,
    ga::Ga,
    l1_sparse::L1Sparse,
    method::{Entry, entry},
    raw::Raw,
    retrain::Retrain,
};

/// All methods, in the order of the report's rows.
pub static METHODS: &[Entry] = &[entry::<Raw>(), entry::<Retrain>(), entry::<Ft>(), entry::<Ga>(), entry::<L1Sparse>()];

/// Looks a method up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn find(name: &str) -> Result<&'static Entry> {
    METHODS.iter().find(|m| m.name == name).ok_or_else(|| {
        let similarity = |m: &&Entry| strsim::jaro_winkler(m.name, name);
        let nearest = METHODS.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        let suggestion = nearest.map(|m| format!(" (did you mean `{}`?)", m.name)).unwrap_or_default();
        let valid = METHODS.iter().map(|m| m.name).collect::<Vec<_>>().join(", ");
        Error::UnknownMethod { name: name.into(), suggestion, valid }
    })
}
