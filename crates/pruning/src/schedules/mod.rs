//! Pruning schedules: when to prune how much, and what to train before and after. Each has one file; the registry is
//! [`METHODS`].

mod at_init;
mod gradual;
mod imp;
mod omp;
mod reg;

use unlearn_names::Unknown;

use self::{at_init::AtInit, gradual::Gradual, imp::Imp, omp::Omp, reg::Reg};
use crate::{
    Error, Result,
    method::{PruningMethod, entry},
};

/// All pruning methods. `none`, the dense model itself, is not among them, because nothing has to run.
pub static METHODS: &[PruningMethod] =
    &[entry::<Omp>(), entry::<Imp>(), entry::<Gradual>(), entry::<AtInit>(), entry::<Reg>()];

/// Looks a method up by name.
///
/// # Errors
/// If the name is unknown. The error lists the valid ones, `none` among them, which a suite may name. `none` itself is
/// refused.
pub fn find(name: &str) -> Result<&'static PruningMethod> {
    if name == "none" {
        return Err(Error::NoMethod);
    }
    let valid = std::iter::once("none").chain(METHODS.iter().map(|method| method.name));
    let found = METHODS.iter().find(|method| method.name == name);
    Ok(found.ok_or_else(|| Unknown::new("pruning method", name, valid))?)
}

#[cfg(test)]
mod tests;
