//! Operations on all weights of a model, one after the other in one vector. The host's optimisers are the reference.

use candle_core::{Result, Tensor};

use crate::{ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON, AdamStep, Descent};

/// The weights and the memory after step `t` at learning rate `lr`.
pub(super) fn step(
    descent: Descent,
    (t, lr): (u64, f64),
    theta: &Tensor,
    memory: &[Tensor],
    gradient: &Tensor,
) -> Result<(Tensor, Vec<Tensor>)> {
    match descent {
        Descent::Sgd { momentum, weight_decay, nesterov } => {
            let gradient = (gradient + theta.affine(weight_decay.into(), 0.0)?)?;
            let velocity = (memory[0].affine(momentum.into(), 0.0)? + &gradient)?;
            let direction =
                if nesterov { (gradient + velocity.affine(momentum.into(), 0.0)?)? } else { velocity.clone() };
            let theta = (theta - direction.affine(f64::from(lr as f32), 0.0)?)?;
            Ok((theta, vec![velocity]))
        }
        Descent::Adam { weight_decay, decoupled } => {
            let AdamStep { decay, keep, rate, root } = AdamStep::new(weight_decay, decoupled, t, lr);
            let gradient = (gradient + theta.affine(decay.into(), 0.0)?)?;
            let theta = theta.affine(keep.into(), 0.0)?;
            let mean = (memory[0].affine(ADAM_BETA_1, 0.0)? + gradient.affine(1.0 - ADAM_BETA_1, 0.0)?)?;
            let square = (gradient.affine(1.0 - ADAM_BETA_2, 0.0)? * &gradient)?;
            let square = (memory[1].affine(ADAM_BETA_2, 0.0)? + square)?;
            let divisor = square.sqrt()?.affine(f64::from(root).recip(), ADAM_EPSILON.into())?;
            let theta = (theta - (mean.affine(rate.into(), 0.0)? / divisor)?)?;
            Ok((theta, vec![mean, square]))
        }
    }
}

/// `new` where `moves` is 1, and `old` where it is 0.
pub(super) fn where_moving(moves: Option<&Tensor>, new: Tensor, old: &Tensor) -> Result<Tensor> {
    match moves {
        Some(moves) => moves.where_cond(&new, old),
        None => Ok(new),
    }
}

/// `values` where `kept` is 1, and 0 where it is 0, even if the value there is not finite.
pub(super) fn masked(kept: Option<&Tensor>, values: Tensor) -> Result<Tensor> {
    match kept {
        Some(kept) => kept.where_cond(&values, &values.zeros_like()?),
        None => Ok(values),
    }
}

/// The soft threshold: zero up to `threshold`, and nearer to zero by it elsewhere.
pub(super) fn soft_threshold(theta: &Tensor, threshold: f64) -> Result<Tensor> {
    // As on the host, the threshold is rounded before it is compared.
    let threshold = f64::from(threshold as f32);
    let shorter = (theta - theta.sign()?.affine(threshold, 0.0)?)?;
    let left = theta.abs()?.gt(&Tensor::full(threshold as f32, theta.shape(), theta.device())?)?;
    left.where_cond(&shorter, &theta.zeros_like()?)
}

/// The norm ‖g‖₂, `[1]`.
pub(super) fn norm(gradient: &Tensor) -> Result<Tensor> {
    sum(&gradient.sqr()?)?.sqrt()
}

/// The sum of all values, `[1]`. Candle adds the values of one sum on a GPU in a single block of threads, so most of
/// the sum is made in many rows first.
pub(super) fn sum(values: &Tensor) -> Result<Tensor> {
    const ROW: usize = 1024;
    let rows = values.elem_count() / ROW;
    let mut parts = Vec::with_capacity(2);
    if rows > 0 {
        parts.push(values.narrow(0, 0, rows * ROW)?.reshape((rows, ROW))?.sum(1)?.sum_keepdim(0)?);
    }
    let rest = values.elem_count() - rows * ROW;
    if rest > 0 {
        parts.push(values.narrow(0, rows * ROW, rest)?.sum_keepdim(0)?);
    }
    Tensor::cat(&parts, 0)?.sum_keepdim(0)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn sums_count_every_value_once() {
        for len in [1, 5, 1023, 1024, 1025, 5000] {
            let values: Vec<f32> = (0..len).map(|i| (i % 7) as f32).collect();
            let found = sum(&Tensor::from_slice(&values, len, &Device::Cpu).unwrap()).unwrap();
            assert_eq!(found.to_vec1::<f32>().unwrap(), [values.iter().sum::<f32>()], "{len}");
        }
    }

    #[test]
    fn what_is_masked_is_zero_even_if_it_is_not_finite() {
        let values = Tensor::new(&[f32::NAN, 2.0, f32::INFINITY], &Device::Cpu).unwrap();
        let kept = Tensor::new(&[0u8, 1, 0], &Device::Cpu).unwrap();
        assert_eq!(masked(Some(&kept), values).unwrap().to_vec1::<f32>().unwrap(), [0.0, 2.0, 0.0]);
    }
}
