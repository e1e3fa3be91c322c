//! All attacks with a pool of models, by name. Each has one file, and one line here.

pub mod forget_quality;
pub mod klom;
pub mod lira;
pub mod lira_offline;
pub mod rmia;
pub mod rmia_offline;
pub mod ruli;
pub mod u_lira;

use crate::pool::PoolAttack;
use crate::{Error, Result};

/// All attacks with a pool of models.
pub static POOL_ATTACKS: &[PoolAttack] = &[
    lira::ATTACK,
    lira_offline::ATTACK,
    rmia::ATTACK,
    rmia_offline::ATTACK,
    u_lira::ATTACK,
    ruli::ATTACK,
    klom::ATTACK,
    forget_quality::ATTACK,
];

/// Looks an attack with a pool up by name.
///
/// # Errors
/// If the name is unknown. The error lists the valid ones.
pub fn find(name: &str) -> Result<&'static PoolAttack> {
    POOL_ATTACKS.iter().find(|attack| attack.name == name).ok_or_else(|| {
        let valid: Vec<_> = POOL_ATTACKS.iter().map(|attack| attack.name).collect();
        Error::unknown_name("attack with a pool", name, &valid)
    })
}

#[cfg(test)]
mod tests;
