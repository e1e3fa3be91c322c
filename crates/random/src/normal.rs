//! Normally distributed values.

use rand::RngExt;
use rand_pcg::Pcg64;

/// Independent normal values with mean 0 and standard deviation `std`, by the Box–Muller transform in f64.
pub fn fill_normal(values: &mut [f32], std: f64, rng: &mut Pcg64) {
    for pair in values.chunks_mut(2) {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt() * std;
        let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        for (value, direction) in pair.iter_mut().zip([cos, sin]) {
            *value = (radius * direction) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn mean_and_deviation_are_those_asked_for() {
        let mut values = vec![0.0; 100_001];
        fill_normal(&mut values, 0.5, &mut Pcg64::seed_from_u64(3));
        let count = values.len() as f64;
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let square = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / count;
        assert!(mean.abs() < 0.01 && (square.sqrt() - 0.5).abs() < 0.01, "mean {mean}, square {square}");
    }
}
