//! Convolution with its own gradients, composed from matrix products, on every device.
//!
//! Candle's backward pass computes the gradient of the input by a transposed convolution, and that of the weight by a
//! convolution whose kernel is as large as the map. Both leave the fast paths, and the former is wrong on maps that
//! are not square. This module uses `columns(x)`, the matrix of all windows with one window per column:
//!
//! ```text
//! y  = W · columns(x)
//! ∂W = ∂y · columns(x)ᵀ
//! ∂x = Wᵀ rotated by 180° · columns(∂y with stride − 1 zeros between its values)
//! ```
//!
//! The columns are computed again for ∂W, because they are kernel² times as large as the map.
//!
//! With the feature `cudnn`, tensors on a CUDA device go to cuDNN instead.

use std::sync::{Mutex, PoisonError};

use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, Error, Layout, MetalStorage, Result, Shape, Storage, Tensor,
    backend::BackendStorage,
};

#[cfg(feature = "cudnn")]
use super::cudnn::Geometry;
use super::windows::Windows;

/// Cross-correlation of `x` `[batch, in, height, width]` with `weight` `[out, in / groups, kernel, kernel]`.
pub(super) fn convolution(x: &Tensor, weight: &Tensor, windows: Windows, groups: usize) -> Result<Tensor> {
    let output = correlate(&x.detach(), &weight.detach(), windows, groups)?;
    x.apply_op2(weight, Convolution { windows, groups, output: Mutex::new(Some(output)) })
}

/// The node of the tape. A custom operation of Candle takes and returns raw storage, but the product consists of
/// tensor operations. So the product is computed first, and this node only hands it over.
struct Convolution {
    windows: Windows,
    groups: usize,
    output: Mutex<Option<Tensor>>,
}

impl Convolution {
    /// Copies the output's storage with `copy`, which knows the backend, and drops the original.
    fn hand_over<S>(&self, copy: impl FnOnce(&Storage, &Layout) -> Option<Result<S>>) -> Result<(S, Shape)> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let output = output.ok_or_else(|| Error::Msg("a convolution ran twice".into()))?;
        let (storage, layout) = output.storage_and_layout();
        let copied = copy(&storage, layout).ok_or_else(|| Error::Msg("a convolution changed device".into()))?;
        Ok((copied?, layout.shape().clone()))
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.hand_over(|storage, layout| match storage {
            Storage::Cpu(storage) => Some(storage.try_clone(layout)),
            _ => None,
        })
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.hand_over(|storage, layout| match storage {
            Storage::Cuda(storage) => Some(storage.try_clone(layout)),
            _ => None,
        })
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.hand_over(|storage, layout| match storage {
            Storage::Metal(storage) => Some(storage.try_clone(layout)),
            _ => None,
        })
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (x, weight, wanted) = (x.detach(), weight.detach(), x.track_op());
        let dweight = weight_gradient(&x, &weight, dy, self.windows, self.groups)?;
        let dx = if wanted { Some(input_gradient(&x, &weight, dy, self.windows, self.groups)?) } else { None };
        Ok((dx, Some(dweight)))
    }
}

/// `[groups, kernel² · in / groups, batch · height · width]`. The last dimension counts windows.
fn columns(x: &Tensor, windows: Windows, groups: usize) -> Result<Tensor> {
    let channels = x.dim(1)?;
    let taps = windows.taps(x, 0.0)?;
    let taps = taps.iter().map(|tap| tap.transpose(0, 1)?.unsqueeze(0)).collect::<Result<Vec<_>>>()?;
    let columns = Tensor::cat(&taps, 0)?;
    let size = windows.kernel * windows.kernel;
    let (per_group, count) = (channels / groups, columns.elem_count() / (size * channels));
    columns.reshape((size, groups, per_group, count))?.transpose(0, 1)?.reshape((groups, size * per_group, count))
}

/// The weight as the left factor of the product: `[groups, out / groups, kernel² · in / groups]`.
fn rows(weight: &Tensor, groups: usize) -> Result<Tensor> {
    let (out, per_group, kernel, _) = weight.dims4()?;
    let size = kernel * kernel;
    let weight = weight.reshape((groups, out / groups, per_group, size))?;
    weight.transpose(2, 3)?.reshape((groups, out / groups, size * per_group))
}

fn correlate(x: &Tensor, weight: &Tensor, windows: Windows, groups: usize) -> Result<Tensor> {
    #[cfg(feature = "cudnn")]
    if let Some(y) = Geometry::new(x.dims(), weight.dims(), windows, groups).forward(x, weight)? {
        return Ok(y);
    }
    let (batch, _, height, width) = x.dims4()?;
    let product = rows(weight, groups)?.matmul(&columns(x, windows, groups)?)?;
    let (height, width) = (windows.count(height), windows.count(width));
    product.reshape((weight.dim(0)?, batch, height, width))?.transpose(0, 1)?.contiguous()
}

fn weight_gradient(x: &Tensor, weight: &Tensor, dy: &Tensor, windows: Windows, groups: usize) -> Result<Tensor> {
    #[cfg(feature = "cudnn")]
    if let Some(dweight) = Geometry::new(x.dims(), weight.dims(), windows, groups).weight_gradient(x, dy)? {
        return Ok(dweight);
    }
    let (out, per_group, kernel, _) = weight.dims4()?;
    let (size, count) = (kernel * kernel, dy.elem_count() / out);
    let dy = dy.transpose(0, 1)?.reshape((groups, out / groups, count))?;
    let product = dy.matmul(&columns(x, windows, groups)?.t()?)?;
    let gradient = product.reshape((out, size, per_group))?.transpose(1, 2)?;
    gradient.reshape((out, per_group, kernel, kernel))
}

fn input_gradient(x: &Tensor, weight: &Tensor, dy: &Tensor, windows: Windows, groups: usize) -> Result<Tensor> {
    #[cfg(feature = "cudnn")]
    if let Some(dx) = Geometry::new(x.dims(), weight.dims(), windows, groups).input_gradient(weight, dy)? {
        return Ok(dx);
    }
    let (_, channels, height, width) = x.dims4()?;
    let (out, per_group, kernel, _) = weight.dims4()?;
    let turned = weight.flip(&[2, 3])?.reshape((groups, out / groups, per_group, kernel * kernel))?;
    let turned = turned.transpose(1, 2)?.reshape((channels, out / groups, kernel, kernel))?;
    // The window of an input value begins kernel − 1 positions before it; padding shortens that.
    let before = kernel - 1 - windows.padding;
    let spread = spread(dy, windows.stride)?;
    let spread = fit(&spread, 2, before, height + kernel - 1)?;
    let spread = fit(&spread, 3, before, width + kernel - 1)?;
    correlate(&spread, &turned, Windows { kernel, stride: 1, padding: 0 }, groups)
}

/// Inserts `stride − 1` zeros after every row and every column.
fn spread(dy: &Tensor, stride: usize) -> Result<Tensor> {
    if stride == 1 {
        return Ok(dy.clone());
    }
    let (batch, channels, height, width) = dy.dims4()?;
    let dy = dy.reshape((batch, channels, height, 1, width, 1))?;
    let dy = dy.pad_with_zeros(5, 0, stride - 1)?.pad_with_zeros(3, 0, stride - 1)?;
    dy.reshape((batch, channels, height * stride, width * stride))
}

/// Adds `before` zeros in front, then cuts or pads the end so that `length` entries remain.
fn fit(x: &Tensor, dim: usize, before: usize, length: usize) -> Result<Tensor> {
    let kept = x.dim(dim)?.min(length - before);
    x.narrow(dim, 0, kept)?.pad_with_zeros(dim, before, length - before - kept)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn wave(shape: &[usize], step: f32) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (step * i as f32 + 1.0).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn assert_close(what: &str, found: &Tensor, expected: &[f64]) {
        let largest = expected.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
        assert_eq!(found.elem_count(), expected.len(), "{what}");
        for (i, (found, expected)) in values(found).into_iter().zip(expected).enumerate() {
            let error = (f64::from(found) - expected).abs();
            assert!(error <= 1e-5 * largest, "{what}[{i}]: found {found}, expected {expected}");
        }
    }

    /// Output, input gradient and weight gradient by the definition, value by value in f64.
    fn definition(x: &Tensor, weight: &Tensor, dy: &Tensor, windows: Windows, groups: usize) -> [Vec<f64>; 3] {
        let (_, channels, height, width) = x.dims4().unwrap();
        let (out, per_group, kernel, _) = weight.dims4().unwrap();
        let (rows, columns) = (windows.count(height), windows.count(width));
        let (x, weight, dy) = (values(x), values(weight), values(dy));
        let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; weight.len()]);
        for (i, dy) in dy.into_iter().enumerate() {
            let (column, row) = (i % columns, i / columns % rows);
            let (o, n) = (i / (columns * rows) % out, i / (columns * rows * out));
            for j in 0..per_group * kernel * kernel {
                let (b, a, c) = (j % kernel, j / kernel % kernel, j / (kernel * kernel));
                let c = o / (out / groups) * per_group + c;
                let (row, column) = (row * windows.stride + a, column * windows.stride + b);
                let inside = |position: usize, side: usize| position.checked_sub(windows.padding).filter(|p| *p < side);
                if let (Some(row), Some(column)) = (inside(row, height), inside(column, width)) {
                    let from = ((n * channels + c) * height + row) * width + column;
                    let by = o * per_group * kernel * kernel + j;
                    let (x, weight, dy) = (f64::from(x[from]), f64::from(weight[by]), f64::from(dy));
                    y[i] += x * weight;
                    dx[from] += dy * weight;
                    dw[by] += dy * x;
                }
            }
        }
        [y, dx, dw]
    }

    #[test]
    fn output_and_gradients_are_the_definitions() {
        for (kernel, stride, padding, groups, height, width) in [
            (3, 1, 1, 1, 5, 7),
            (3, 2, 1, 1, 8, 5),
            (3, 2, 1, 2, 7, 8),
            (1, 1, 0, 1, 4, 4),
            (1, 2, 0, 2, 5, 6),
            (7, 2, 3, 1, 9, 11),
            (2, 3, 0, 4, 9, 7),
            (3, 1, 2, 4, 3, 4),
        ] {
            let case = format!("kernel {kernel}, stride {stride}, padding {padding}, groups {groups}");
            let windows = Windows { kernel, stride, padding };
            let x = Var::from_tensor(&wave(&[3, 4, height, width], 0.7)).unwrap();
            let weight = Var::from_tensor(&wave(&[8, 4 / groups, kernel, kernel], 1.3)).unwrap();
            let y = convolution(x.as_tensor(), weight.as_tensor(), windows, groups).unwrap();
            let dy = wave(y.dims(), 0.9);
            let gradients = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
            let [expected_y, expected_dx, expected_dw] = definition(&x, &weight, &dy, windows, groups);
            assert_close(&format!("{case}: y"), &y, &expected_y);
            assert_close(&format!("{case}: ∂x"), gradients.get(x.as_tensor()).unwrap(), &expected_dx);
            assert_close(&format!("{case}: ∂W"), gradients.get(weight.as_tensor()).unwrap(), &expected_dw);
        }
    }

    #[test]
    fn no_gradient_is_made_for_an_input_off_the_tape() {
        let x = wave(&[2, 4, 5, 5], 0.7);
        let weight = Var::from_tensor(&wave(&[8, 4, 3, 3], 1.3)).unwrap();
        let windows = Windows { kernel: 3, stride: 1, padding: 1 };
        let y = convolution(&x, weight.as_tensor(), windows, 1).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(&x).is_none() && gradients.get(weight.as_tensor()).is_some());
    }
}
