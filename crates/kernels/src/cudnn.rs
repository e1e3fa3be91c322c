//! A convolution and its gradients by cuDNN, for tensors in the memory of a CUDA device (feature `cudnn`).
//!
//! The other kernels of this crate run on the CPU only. This module is here because cuDNN is launched by `unsafe`
//! calls, which read and write as much memory as their descriptors say. The module checks all lengths against the
//! geometry first, so that its public functions are safe. Tensors are `[batch, channels, height, width]`, dense, f32.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use cudarc::{
    cudnn::{
        ConvBackwardData, ConvBackwardFilter, ConvDescriptor, ConvForward, Cudnn, CudnnError, FilterDescriptor,
        TensorDescriptor,
        sys::{cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION, cudnnTensorFormat_t::CUDNN_TENSOR_NCHW},
    },
    driver::{CudaSlice, CudaStream, CudaView, DriverError},
};

use crate::{ConvShape, Maps};

/// A failure on the device.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// cuDNN refused the call.
    #[error("cuDNN failed: {0}")]
    Cudnn(#[from] CudnnError),
    /// The driver failed, for example for lack of memory.
    #[error("the CUDA driver failed: {0}")]
    Driver(#[from] DriverError),
    /// The length of a tensor does not match the geometry.
    #[error("the {what} of the convolution has {found} values, but its shape says {expected}")]
    Length {
        /// Name of the tensor.
        what: &'static str,
        /// Its length in values.
        found: usize,
        /// The expected length in values.
        expected: usize,
    },
    /// A size exceeds the 32-bit integers that cuDNN takes.
    #[error("cuDNN counts in 32 bits, and {0} is too much for that")]
    TooLarge(usize),
}

/// A convolution for inputs of one size, on one stream.
pub struct Convolution {
    stream: Arc<CudaStream>,
    convolution: ConvDescriptor<f32>,
    input: TensorDescriptor<f32>,
    weight: FilterDescriptor<f32>,
    output: TensorDescriptor<f32>,
    lengths: Lengths,
}

/// Number of values in each tensor.
struct Lengths {
    input: usize,
    weight: usize,
    output: usize,
}

thread_local! {
    /// A handle takes milliseconds to create and must stay on its thread, so every thread keeps one per device.
    static HANDLES: RefCell<HashMap<usize, (Arc<CudaStream>, Arc<Cudnn>)>> = RefCell::default();
}

/// This thread's handle for a stream.
fn handle(stream: &Arc<CudaStream>) -> Result<Arc<Cudnn>, CudnnError> {
    HANDLES.with_borrow_mut(|handles| {
        let device = stream.context().ordinal();
        if let Some((known, handle)) = handles.get(&device)
            && Arc::ptr_eq(known, stream)
        {
            return Ok(handle.clone());
        }
        let handle = Cudnn::new(stream.clone())?;
        handles.insert(device, (stream.clone(), handle.clone()));
        Ok(handle)
    })
}

impl Convolution {
    /// Describes the convolution `shape` for inputs with layout `input`.
    ///
    /// # Errors
    /// If cuDNN cannot compute this geometry, or there is no cuDNN for this device.
    pub fn new(stream: &Arc<CudaStream>, shape: &ConvShape, input: &Maps) -> Result<Self, Error> {
        let cudnn = handle(stream)?;
        let int = |value: usize| i32::try_from(value).map_err(|_| Error::TooLarge(value));
        let map = |maps: &Maps| -> Result<[i32; 4], Error> {
            Ok([int(maps.batch)?, int(maps.channels)?, int(maps.height)?, int(maps.width)?])
        };
        let count = |maps: &Maps| maps.batch * maps.channels * maps.height * maps.width;
        let output = shape.output(input);
        let (padding, stride, kernel) = (int(shape.padding)?, int(shape.stride)?, int(shape.kernel)?);
        let mut convolution = cudnn.create_conv2d::<f32>([padding; 2], [stride; 2], [1; 2], CUDNN_CROSS_CORRELATION)?;
        convolution.set_group_count(int(shape.groups)?)?;
        let filter = [int(shape.out_channels)?, int(shape.in_channels / shape.groups)?, kernel, kernel];
        Ok(Self {
            stream: stream.clone(),
            convolution,
            input: cudnn.create_4d_tensor(CUDNN_TENSOR_NCHW, map(input)?)?,
            weight: cudnn.create_4d_filter(CUDNN_TENSOR_NCHW, filter)?,
            output: cudnn.create_4d_tensor(CUDNN_TENSOR_NCHW, map(&output)?)?,
            lengths: Lengths { input: count(input), weight: shape.weights(), output: count(&output) },
        })
    }

    /// Computes y from x and the weight.
    ///
    /// # Errors
    /// If a tensor has the wrong length, or cuDNN or the driver fails.
    pub fn forward(&self, x: &CudaView<'_, f32>, weight: &CudaView<'_, f32>) -> Result<CudaSlice<f32>, Error> {
        expect("input", x, self.lengths.input)?;
        expect("weight", weight, self.lengths.weight)?;
        let pass = ConvForward { conv: &self.convolution, x: &self.input, w: &self.weight, y: &self.output };
        let algorithm = pass.pick_algorithm()?;
        let mut workspace = self.stream.alloc_zeros::<u8>(pass.get_workspace_size(algorithm)?)?;
        let mut y = self.stream.alloc_zeros(self.lengths.output)?;
        // SAFETY: the descriptors are dense f32 on this stream. Their lengths were checked above, or are those of the
        // allocation.
        unsafe { pass.launch(algorithm, Some(&mut workspace), (1.0, 0.0), x, weight, &mut y)? };
        Ok(y)
    }

    /// Computes ∂x from the weight and ∂y.
    ///
    /// # Errors
    /// If a tensor has the wrong length, or cuDNN or the driver fails.
    pub fn input_gradient(&self, weight: &CudaView<'_, f32>, dy: &CudaView<'_, f32>) -> Result<CudaSlice<f32>, Error> {
        expect("weight", weight, self.lengths.weight)?;
        expect("output's gradient", dy, self.lengths.output)?;
        let pass = ConvBackwardData { conv: &self.convolution, dx: &self.input, w: &self.weight, dy: &self.output };
        let algorithm = pass.pick_algorithm()?;
        let mut workspace = self.stream.alloc_zeros::<u8>(pass.get_workspace_size(algorithm)?)?;
        let mut dx = self.stream.alloc_zeros(self.lengths.input)?;
        // SAFETY: the descriptors are dense f32 on this stream. Their lengths were checked above, or are those of the
        // allocation.
        unsafe { pass.launch(algorithm, Some(&mut workspace), (1.0, 0.0), &mut dx, weight, dy)? };
        Ok(dx)
    }

    /// Computes ∂weight from x and ∂y.
    ///
    /// # Errors
    /// If a tensor has the wrong length, or cuDNN or the driver fails.
    pub fn weight_gradient(&self, x: &CudaView<'_, f32>, dy: &CudaView<'_, f32>) -> Result<CudaSlice<f32>, Error> {
        expect("input", x, self.lengths.input)?;
        expect("output's gradient", dy, self.lengths.output)?;
        let pass = ConvBackwardFilter { conv: &self.convolution, x: &self.input, dw: &self.weight, dy: &self.output };
        let algorithm = pass.pick_algorithm()?;
        let mut workspace = self.stream.alloc_zeros::<u8>(pass.get_workspace_size(algorithm)?)?;
        let mut dweight = self.stream.alloc_zeros(self.lengths.weight)?;
        // SAFETY: the descriptors are dense f32 on this stream. Their lengths were checked above, or are those of the
        // allocation.
        unsafe { pass.launch(algorithm, Some(&mut workspace), (1.0, 0.0), x, &mut dweight, dy)? };
        Ok(dweight)
    }
}

fn expect(what: &'static str, tensor: &CudaView<'_, f32>, expected: usize) -> Result<(), Error> {
    let found = tensor.len();
    if found == expected { Ok(()) } else { Err(Error::Length { what, found, expected }) }
}
