//! Layers that Candle lacks or computes differently from PyTorch, on activations `[batch, channels, height, width]`.

use candle_core::{D, Result, Tensor};

use super::windows::Windows;
use crate::{BATCH_NORM_EPSILON, BufferId, State};

const MOMENTUM: f32 = 0.1;

/// Mean and biased variance of one batch, per channel, and the buffers of the running statistics.
pub(super) struct BatchStatistics {
    pub(super) mean: Tensor,
    pub(super) var: Tensor,
    running: (BufferId, BufferId),
    values_per_channel: usize,
}

impl BatchStatistics {
    /// Moves the running statistics towards this batch, as PyTorch does: momentum 0.1, unbiased variance.
    pub(super) fn update_running(&self, state: &mut State) -> Result<()> {
        let n = self.values_per_channel as f32;
        let unbiased = n / (n - 1.0).max(1.0);
        let mean: Vec<f32> = self.mean.to_vec1()?;
        let var: Vec<f32> = self.var.to_vec1()?;
        let buffers = state.buffers_mut();
        for (running, batch) in buffers[self.running.0].iter_mut().zip(mean) {
            *running = (1.0 - MOMENTUM) * *running + MOMENTUM * batch;
        }
        for (running, batch) in buffers[self.running.1].iter_mut().zip(var) {
            *running = (1.0 - MOMENTUM) * *running + MOMENTUM * batch * unbiased;
        }
        Ok(())
    }
}

fn per_channel(x: &Tensor) -> Result<Tensor> {
    x.reshape((1, x.elem_count(), 1, 1))
}

pub(super) fn normalize(x: &Tensor, mean: &[f32], std: &[f32]) -> Result<Tensor> {
    let mean = per_channel(&Tensor::new(mean, x.device())?)?;
    let std = per_channel(&Tensor::new(std, x.device())?)?;
    x.broadcast_sub(&mean)?.broadcast_div(&std)
}

pub(super) fn batch_statistics(x: &Tensor, running: (BufferId, BufferId)) -> Result<BatchStatistics> {
    let (batch, channels, height, width) = x.dims4()?;
    let by_channel = x.transpose(0, 1)?.contiguous()?.reshape((channels, batch * height * width))?;
    let mean = by_channel.mean_keepdim(D::Minus1)?;
    let var = by_channel.broadcast_sub(&mean)?.sqr()?.mean(D::Minus1)?;
    Ok(BatchStatistics { mean: mean.squeeze(1)?, var, running, values_per_channel: batch * height * width })
}

pub(super) fn batch_norm(x: &Tensor, mean: &Tensor, var: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let scale = (weight / (var + BATCH_NORM_EPSILON)?.sqrt()?)?;
    x.broadcast_sub(&per_channel(mean)?)?.broadcast_mul(&per_channel(&scale)?)?.broadcast_add(&per_channel(bias)?)
}

/// ReLU with gradient 0 at 0, as in PyTorch. Candle's gradient there is 1.
pub(super) fn relu(x: &Tensor) -> Result<Tensor> {
    let positive = x.gt(0f32)?.to_dtype(x.dtype())?.detach();
    x * positive
}

/// Adds a value per channel.
pub(super) fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.broadcast_add(&per_channel(bias)?)
}

/// Largest value of each window, with −∞ as padding. The first of several largest values gets the gradient, as in
/// PyTorch. Candle's own pooling supports neither padding nor gradients of overlapping windows.
pub(super) fn max_pool(x: &Tensor, windows: Windows) -> Result<Tensor> {
    let taps = windows.taps(x, f32::NEG_INFINITY)?;
    let mut largest = taps[0].detach();
    let mut position = largest.zeros_like()?;
    for (number, tap) in taps.iter().enumerate().skip(1) {
        let (tap, number) = (tap.detach(), number as f64);
        let larger = tap.gt(&largest)?;
        largest = larger.where_cond(&tap, &largest)?;
        position = larger.where_cond(&(position.zeros_like()? + number)?, &position)?;
    }
    // For the tape, this is a choice of one value per window.
    let nothing = largest.zeros_like()?;
    let mut output = nothing.clone();
    for (number, tap) in taps.iter().enumerate() {
        output = (output + position.eq(number as f32)?.where_cond(tap, &nothing)?)?;
    }
    Ok(output)
}

pub(super) fn shortcut_a(x: &Tensor, stride: usize, out_channels: usize) -> Result<Tensor> {
    let (_, channels, height, width) = x.dims4()?;
    let every = |length: usize| -> Result<Tensor> {
        let positions: Vec<u32> = (0..length).step_by(stride).map(|i| i as u32).collect();
        Tensor::new(positions, x.device())
    };
    let kept = x.index_select(&every(height)?, 2)?.index_select(&every(width)?, 3)?;
    let added = out_channels - channels;
    kept.pad_with_zeros(1, added / 2, added - added / 2)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn padding_is_never_the_maximum_and_the_first_of_equals_takes_the_gradient() {
        let map: [f32; 9] = [-1.0, -2.0, -2.0, -3.0, -1.0, -2.0, -1.0, -4.0, -5.0];
        let x = Var::from_slice(&map, (1, 1, 3, 3), &Device::Cpu).unwrap();
        let y = max_pool(x.as_tensor(), Windows { kernel: 3, stride: 2, padding: 1 }).unwrap();
        assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [-1.0; 4]);
        let weights = Tensor::from_slice(&[1f32, 2.0, 4.0, 8.0], (1, 1, 2, 2), &Device::Cpu).unwrap();
        let gradients = (y * weights).unwrap().sum_all().unwrap().backward().unwrap();
        let dx: Vec<f32> = gradients.get(x.as_tensor()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        // The upper left window finds the −1 in its corner before the one in the centre. The lower left window finds
        // the centre's before its corner's.
        assert_eq!(dx, [1.0, 0.0, 0.0, 0.0, 2.0 + 4.0 + 8.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
