//! Unlearning methods, one file each; the registry is [`METHODS`].

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

/// All methods, in the order of the report's rows.
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

/// Looks a method up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn find(name: &str) -> Result<&'static Entry> {
    Ok(unlearn_names::find("unlearning method", name, METHODS, |method| method.name)?)
}

#[cfg(test)]
mod tests;
