//! Kullback–Leibler divergence between a teacher's and a student's outputs at a temperature (Hinton et al. 2015,
//! arXiv 1503.02531, section 2).

use crate::log_sum_exp;

/// Returns weight · T² · mean over samples of KL(teacher‖student) at temperature T, and adds its gradient with
/// respect to the student's logits to `dlogits`. Logits are `[count, classes]`. With the factor T², gradients have
/// the same size at every temperature.
pub(crate) fn add_divergence(
    teacher: &[f32],
    student: &[f32],
    classes: usize,
    temperature: f64,
    weight: f64,
    dlogits: &mut [f32],
) -> f64 {
    let count = student.len() / classes;
    let scale = weight * temperature / count as f64;
    let mut total = 0.0;
    for ((teacher, student), dlogits) in
        teacher.chunks(classes).zip(student.chunks(classes)).zip(dlogits.chunks_mut(classes))
    {
        let (teacher, student) = (log_softmax(teacher, temperature), log_softmax(student, temperature));
        for ((log_p, log_q), d) in teacher.zip(student).zip(dlogits) {
            total += log_p.exp() * (log_p - log_q);
            *d += (scale * (log_q.exp() - log_p.exp())) as f32;
        }
    }
    total * scale * temperature
}

fn log_softmax(logits: &[f32], temperature: f64) -> impl Iterator<Item = f64> {
    let softened: Vec<f32> = logits.iter().map(|z| (f64::from(*z) / temperature) as f32).collect();
    let log_sum = log_sum_exp(&softened);
    softened.into_iter().map(move |z| f64::from(z) - log_sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEACHER: [f32; 6] = [0.3, -1.2, 2.0, 1.1, 0.0, -0.7];
    const STUDENT: [f32; 6] = [-0.4, 0.5, 1.5, 0.2, 2.0, 0.1];

    #[test]
    fn the_gradient_is_the_difference_of_the_divergence() {
        for (temperature, weight) in [(1.0, 1.0), (4.0, -0.5)] {
            let divergence = |student: &[f32]| add_divergence(&TEACHER, student, 3, temperature, weight, &mut [0.0; 6]);
            let mut gradient = [0.25; 6];
            add_divergence(&TEACHER, &STUDENT, 3, temperature, weight, &mut gradient);
            for i in 0..6 {
                let at = |step: f32| {
                    let mut moved = STUDENT;
                    moved[i] += step;
                    divergence(&moved)
                };
                let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
                let found = f64::from(gradient[i]) - 0.25;
                assert!((difference - found).abs() < 1e-4, "{difference} {found}");
            }
        }
    }

    #[test]
    fn it_is_zero_where_both_agree_and_positive_elsewhere() {
        // Logits are only defined up to a constant.
        let shifted = TEACHER.map(|z| z + 3.0);
        assert!(add_divergence(&TEACHER, &shifted, 3, 4.0, 1.0, &mut [0.0; 6]).abs() < 1e-6);
        // By hand: KL of (1/2, 1/2) from (3/4, 1/4).
        let expected = 0.5 * (0.5f64 / 0.75).ln() + 0.5 * (0.5f64 / 0.25).ln();
        let found = add_divergence(&[0.0, 0.0], &[3f32.ln(), 0.0], 2, 1.0, 1.0, &mut [0.0; 2]);
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}
