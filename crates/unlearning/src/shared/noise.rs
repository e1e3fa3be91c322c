//! Normal noise that depends on seed and position only.

use unlearn_network::ParameterId;
use unlearn_random::{fill_normal, stream};

/// Independent standard normal values, one for each weight of a parameter, pruned ones included. A value depends on
/// the seed, the parameter and the position in it.
pub(crate) fn standard_normal(seed: u64, parameter: ParameterId, len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    fill_normal(&mut values, 1.0, &mut stream("unlearning noise", &[seed, parameter as u64]));
    values
}
