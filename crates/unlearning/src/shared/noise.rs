//! Normal noise that is a function of seed and position alone.

use unlearn_network::ParameterId;
use unlearn_random::{fill_normal, stream};

/// As many independent standard normal values as a parameter has, pruned weights counted: a value depends on the seed, the
/// parameter and the place in it.
pub(crate) fn standard_normal(seed: u64, parameter: ParameterId, len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    fill_normal(&mut values, 1.0, &mut stream("unlearning noise", &[seed, parameter as u64]));
    values
}
