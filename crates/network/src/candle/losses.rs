//! Losses of the logits and their derivatives, on the device, in f32. The host's, in f64, are the reference.

use candle_core::{DType, Result, Tensor};
use candle_nn::ops::log_softmax;

use super::bus::Bus;
use crate::LossTerm;

/// A loss `[]`, and its derivative `[count, classes]`.
pub(super) struct Loss {
    pub(super) value: Tensor,
    pub(super) slope: Tensor,
}

/// The sum of the terms. `truth` holds the true classes `[count]`, which most terms use as well: `labels` on the host.
pub(super) fn sum(
    bus: &Bus,
    terms: &[LossTerm<'_>],
    (labels, truth): (&[u32], &Tensor),
    logits: &Tensor,
) -> Result<Loss> {
    let mut total: Option<Loss> = None;
    for term in terms {
        let Loss { value, slope } = match *term {
            LossTerm::CrossEntropy { labels: own, mixed, smoothing, weight } => {
                let (count, classes) = logits.dims2()?;
                let one_of = |given: &[u32]| {
                    let given = if given == labels { truth.clone() } else { bus.up(given, count)? };
                    let class = bus.numbers((1, classes))?;
                    given.to_dtype(DType::F32)?.unsqueeze(1)?.broadcast_eq(&class)?.to_dtype(DType::F32)
                };
                let share = mixed.map_or(1.0, |(_, share)| share);
                let mut targets = one_of(own)?.affine(share * (1.0 - smoothing), smoothing / classes as f64)?;
                if let Some((others, share)) = mixed {
                    targets = (targets + one_of(others)?.affine((1.0 - share) * (1.0 - smoothing), 0.0)?)?;
                }
                cross_entropy(logits, &targets, weight / count as f64)?
            }
            LossTerm::Divergence { teacher, temperature, weight } => {
                let teacher = bus.up(teacher, logits.shape())?;
                divergence(logits, &teacher, temperature, weight)?
            }
        };
        total = Some(match total {
            None => Loss { value, slope },
            Some(sum) => Loss { value: (sum.value + value)?, slope: (sum.slope + slope)? },
        });
    }
    match total {
        Some(loss) => Ok(loss),
        None => Ok(Loss { value: logits.sum_all()?.zeros_like()?, slope: logits.zeros_like()? }),
    }
}

fn cross_entropy(logits: &Tensor, targets: &Tensor, scale: f64) -> Result<Loss> {
    let logs = log_softmax(logits, 1)?;
    let value = (targets * &logs)?.sum_all()?.affine(-scale, 0.0)?;
    let slope = (logs.exp()? - targets)?.affine(scale, 0.0)?;
    Ok(Loss { value, slope })
}

fn divergence(student: &Tensor, teacher: &Tensor, temperature: f64, weight: f64) -> Result<Loss> {
    let scale = weight * temperature / student.dim(0)? as f64;
    let logs = |logits: &Tensor| log_softmax(&logits.affine(1.0 / temperature, 0.0)?, 1);
    let (student, teacher) = (logs(student)?, logs(teacher)?);
    let shares = teacher.exp()?;
    let value = (&shares * (&teacher - &student)?)?.sum_all()?.affine(scale * temperature, 0.0)?;
    let slope = (student.exp()? - shares)?.affine(scale, 0.0)?;
    Ok(Loss { value, slope })
}

/// Number of samples whose largest logit is that of their class, as f32 `[]`.
pub(super) fn correct(logits: &Tensor, truth: &Tensor) -> Result<Tensor> {
    logits.argmax(1)?.eq(truth)?.to_dtype(DType::F32)?.sum_all()
}
