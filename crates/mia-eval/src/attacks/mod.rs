//! All attacks by name. Each has one file, and one line here.

pub mod loss_threshold;
pub mod mia_efficacy;
pub mod mia_privacy;
pub mod threshold;

use crate::attack::Attack;

/// All attacks.
pub static ATTACKS: &[Attack] = &[mia_efficacy::ATTACK, mia_privacy::ATTACK, loss_threshold::ATTACK, threshold::ATTACK];
