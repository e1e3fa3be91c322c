//! Schedules: when to prune how much, and what is trained before and after. One file each; the registry is [`METHODS`].

mod at_init;
mod gradual;
mod imp;
mod omp;
mod reg;

use self::{at_init::AtInit, gradual::Gradual, imp::Imp, omp::Omp, reg::Reg};
use crate::{
    Result,
    error::unknown,
    method::{PruningMethod, entry},
};

/// All pruning methods. `none`, the dense model itself, is no method: there is nothing to run.
pub static METHODS: &[PruningMethod] =
    &[entry::<Omp>(), entry::<Imp>(), entry::<Gradual>(), entry::<AtInit>(), entry::<Reg>()];

/// Looks a method up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn find(name: &str) -> Result<&'static PruningMethod> {
    let names: Vec<_> = std::iter::once("none").chain(METHODS.iter().map(|m| m.name)).collect();
    METHODS.iter().find(|m| m.name == name).ok_or_else(|| unknown("method", name, &names))
}

#[cfg(test)]
mod tests;
