//! Unlearning methods. Each has one file; the registry is [`METHODS`].

mod bad_teacher;
mod boundary_expand;
mod boundary_shrink;
mod cf_k;
mod eu_k;
mod ff;
mod fisher_sample;
mod ft;
mod ft_prune;
mod ga;
mod ga_l1;
mod iu;
mod l1_prox;
mod l1_sparse;
mod neggrad_plus;
mod raw;
mod retrain;
mod retrain_ls;
mod retrain_relearn;
mod retrain_sam;
mod rl;
mod salun;
mod scrub;
mod ssd;
mod unsir;

use self::{
    bad_teacher::BadTeacher, boundary_expand::BoundaryExpand, boundary_shrink::BoundaryShrink, cf_k::CfK, eu_k::EuK,
    ff::Ff, fisher_sample::FisherSample, ft::Ft, ft_prune::FtPrune, ga::Ga, ga_l1::GaL1, iu::Iu, l1_prox::L1Prox,
    l1_sparse::L1Sparse, neggrad_plus::NegGradPlus, raw::Raw, retrain::Retrain, retrain_ls::RetrainLs,
    retrain_relearn::RetrainRelearn, retrain_sam::RetrainSam, rl::Rl, salun::SalUn, scrub::Scrub, ssd::Ssd,
    unsir::Unsir,
};
use crate::{
    Result,
    method::{Entry, entry},
};

/// All methods, in the order of rows in the report.
pub static METHODS: &[Entry] = &[
    entry::<Raw>(),
    entry::<Retrain>(),
    entry::<RetrainRelearn>(),
    entry::<RetrainLs>(),
    entry::<RetrainSam>(),
    entry::<Ft>(),
    entry::<Ga>(),
    entry::<GaL1>(),
    entry::<Ff>(),
    entry::<FisherSample>(),
    entry::<Iu>(),
    entry::<Ssd>(),
    entry::<L1Sparse>(),
    entry::<L1Prox>(),
    entry::<FtPrune>(),
    entry::<Rl>(),
    entry::<NegGradPlus>(),
    entry::<SalUn>(),
    entry::<Scrub>(),
    entry::<BadTeacher>(),
    entry::<BoundaryShrink>(),
    entry::<BoundaryExpand>(),
    entry::<CfK>(),
    entry::<EuK>(),
    entry::<Unsir>(),
];

/// Methods by name: the standard ones and any added ones.
#[derive(Clone)]
pub struct Methods(Vec<&'static Entry>);

impl Default for Methods {
    fn default() -> Self {
        Self::standard()
    }
}

impl std::fmt::Debug for Methods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|method| method.name)).finish()
    }
}

impl Methods {
    /// The methods of [`METHODS`].
    pub fn standard() -> Self {
        Self(METHODS.iter().collect())
    }

    /// Adds a method, or replaces the method of the same name.
    #[must_use]
    pub fn with(mut self, method: &'static Entry) -> Self {
        match self.0.iter_mut().find(|known| known.name == method.name) {
            Some(known) => *known = method,
            None => self.0.push(method),
        }
        self
    }

    /// All methods, in the order of rows in the report.
    pub fn iter(&self) -> impl Iterator<Item = &'static Entry> {
        self.0.iter().copied()
    }

    /// Looks a method up by name.
    ///
    /// # Errors
    /// If the name is unknown. The error lists the valid ones.
    pub fn find(&self, name: &str) -> Result<&'static Entry> {
        Ok(*unlearn_names::find("unlearning method", name, &self.0, |method| method.name)?)
    }
}

/// Looks up one of the standard methods.
///
/// # Errors
/// As [`Methods::find`].
pub fn find(name: &str) -> Result<&'static Entry> {
    Methods::standard().find(name)
}

#[cfg(test)]
mod tests;
