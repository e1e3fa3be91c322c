//! Layers that Candle lacks or computes differently from PyTorch, on activations `[batch, channels, height, width]`.

use candle_core::{D, Result, Tensor};

use super::{bus::Bus, windows::Windows};
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
    /// Moves the running statistics on the host towards this batch, as PyTorch does: momentum 0.1, unbiased variance.
    pub(super) fn update_running(&self, bus: &Bus, state: &mut State) -> Result<()> {
        let unbiased = self.unbiased();
        let mean: Vec<f32> = bus.down(&self.mean)?;
        let var: Vec<f32> = bus.down(&self.var)?;
        let buffers = state.buffers_mut();
        for (running, batch) in buffers[self.running.0].iter_mut().zip(mean) {
            *running = (1.0 - MOMENTUM) * *running + MOMENTUM * batch;
        }
        for (running, batch) in buffers[self.running.1].iter_mut().zip(var) {
            *running = (1.0 - MOMENTUM) * *running + MOMENTUM * batch * unbiased;
        }
        Ok(())
    }

    /// The same of statistics on the device, with the same bits.
    pub(super) fn update(&self, buffers: &mut [Tensor]) -> Result<()> {
        let mut towards = |buffer: BufferId, batch: Tensor| {
            let running = buffers[buffer].affine((1.0 - MOMENTUM).into(), 0.0)?;
            buffers[buffer] = (running + batch)?;
            Ok(())
        };
        towards(self.running.0, self.mean.detach().affine(MOMENTUM.into(), 0.0)?)?;
        let var = self.var.detach().affine(MOMENTUM.into(), 0.0)?;
        towards(self.running.1, var.affine(self.unbiased().into(), 0.0)?)
    }

    /// n / (n − 1), for n values per channel.
    fn unbiased(&self) -> f32 {
        let n = self.values_per_channel as f32;
        n / (n - 1.0).max(1.0)
    }
}

fn per_channel(x: &Tensor) -> Result<Tensor> {
    x.reshape((1, x.elem_count(), 1, 1))
}

pub(super) fn normalize(bus: &Bus, x: &Tensor, mean: &[f32], std: &[f32]) -> Result<Tensor> {
    let of_channels = |values: &[f32]| bus.floats(values, (1, values.len(), 1, 1));
    x.broadcast_sub(&of_channels(mean)?)?.broadcast_div(&of_channels(std)?)
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
    let positive = x.detach().relu()?.sign()?;
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
    let position_shape = largest.dims().to_vec();
    let mut position = largest.zeros_like()?;
    // Made on the device; a comparison with a number would copy the number there.
    let full = |number: usize| Tensor::full(number as f32, &position_shape[..], x.device());
    for (number, tap) in taps.iter().enumerate().skip(1) {
        let tap = tap.detach();
        let larger = tap.gt(&largest)?;
        largest = larger.where_cond(&tap, &largest)?;
        position = larger.where_cond(&full(number)?, &position)?;
    }
    // For the tape, this is a choice of one value per window.
    let nothing = largest.zeros_like()?;
    let mut output = nothing.clone();
    for (number, tap) in taps.iter().enumerate() {
        output = (output + position.eq(&full(number)?)?.where_cond(tap, &nothing)?)?;
    }
    Ok(output)
}

pub(super) fn shortcut_a(bus: &Bus, x: &Tensor, stride: usize, out_channels: usize) -> Result<Tensor> {
    let (_, channels, height, width) = x.dims4()?;
    let every = |length: usize| -> Result<Tensor> {
        let positions: Vec<u32> = (0..length).step_by(stride).map(|i| i as u32).collect();
        bus.positions(&positions, positions.len())
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
