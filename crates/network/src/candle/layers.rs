//! Layers that Candle lacks or computes otherwise than PyTorch, on activations `[batch, channels, height, width]`.

use candle_core::{D, Result, Tensor};

use crate::{BufferId, State};

const EPSILON: f64 = 1e-5;
const MOMENTUM: f32 = 0.1;

/// Mean and biased variance of one batch, per channel, and where the running ones are kept.
pub(super) struct BatchStatistics {
    pub(super) mean: Tensor,
    pub(super) var: Tensor,
    running: (BufferId, BufferId),
    values_per_channel: usize,
}

impl BatchStatistics {
    /// Moves the running statistics towards this batch as PyTorch does: momentum 0.1, unbiased variance.
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
    let scale = (weight / (var + EPSILON)?.sqrt()?)?;
    x.broadcast_sub(&per_channel(mean)?)?.broadcast_mul(&per_channel(&scale)?)?.broadcast_add(&per_channel(bias)?)
}

/// ReLU whose gradient at 0 is 0, as PyTorch's; Candle's is 1.
pub(super) fn relu(x: &Tensor) -> Result<Tensor> {
    let positive = x.gt(0f32)?.to_dtype(x.dtype())?.detach();
    x * positive
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
