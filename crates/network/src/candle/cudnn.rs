//! Convolution on a CUDA device by cuDNN (feature `cudnn`), with the same results as the composition in
//! [`super::convolution`].

use candle_core::{
    CudaStorage, Error, Result, Shape, Storage, Tensor,
    backend::BackendStorage,
    cuda_backend::cudarc::driver::{CudaSlice, CudaView},
    op::BackpropOp,
};
use unlearn_kernels::{ConvShape, Maps, cudnn::Convolution};

use super::windows::Windows;

/// Geometry of a convolution, for tensors on any device.
pub(super) struct Geometry {
    shape: ConvShape,
    input: Maps,
}

impl Geometry {
    /// Geometry for an input `[batch, in, height, width]` and a weight `[out, in / groups, kernel, kernel]`.
    pub(super) fn new(input: &[usize], weight: &[usize], windows: Windows, groups: usize) -> Self {
        let Windows { kernel, stride, padding } = windows;
        let shape = ConvShape { in_channels: input[1], out_channels: weight[0], kernel, stride, padding, groups };
        Self { shape, input: Maps::new(input[1], input[2], input[3], input[0]) }
    }

    /// The output `[batch, out, height, width]`, or `None` if the tensors are not f32 on a CUDA device.
    pub(super) fn forward(&self, x: &Tensor, weight: &Tensor) -> Result<Option<Tensor>> {
        let output = self.shape.output(&self.input);
        let dims = [output.batch, output.channels, output.height, output.width];
        self.launch([x, weight], dims, |convolution, [x, weight]| convolution.forward(x, weight))
    }

    /// The input gradient `[batch, in, height, width]`, or `None` as for [`Geometry::forward`].
    pub(super) fn input_gradient(&self, weight: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let Maps { batch, channels, height, width, .. } = self.input;
        let dims = [batch, channels, height, width];
        self.launch([weight, dy], dims, |convolution, [weight, dy]| convolution.input_gradient(weight, dy))
    }

    /// The weight gradient `[out, in / groups, kernel, kernel]`, or `None` as for [`Geometry::forward`].
    pub(super) fn weight_gradient(&self, x: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let ConvShape { in_channels, out_channels, kernel, groups, .. } = self.shape;
        let dims = [out_channels, in_channels / groups, kernel, kernel];
        self.launch([x, dy], dims, |convolution, [x, dy]| convolution.weight_gradient(x, dy))
    }

    fn launch(
        &self,
        operands: [&Tensor; 2],
        dims: [usize; 4],
        pass: impl FnOnce(
            &Convolution,
            [&CudaView<'_, f32>; 2],
        ) -> std::result::Result<CudaSlice<f32>, unlearn_kernels::cudnn::Error>,
    ) -> Result<Option<Tensor>> {
        let [a, b] = [operands[0].contiguous()?, operands[1].contiguous()?];
        let ((a, a_layout), (b, b_layout)) = (a.storage_and_layout(), b.storage_and_layout());
        let (Storage::Cuda(a), Storage::Cuda(b)) = (&*a, &*b) else { return Ok(None) };
        let device = a.device().clone();
        let [a, b] = [(a, a_layout), (b, b_layout)].map(|(storage, layout)| {
            let from = layout.start_offset();
            Ok::<_, Error>(storage.as_cuda_slice::<f32>()?.slice(from..from + layout.shape().elem_count()))
        });
        let convolution = Convolution::new(&device.cuda_stream(), &self.shape, &self.input).map_err(Error::wrap)?;
        let values = pass(&convolution, [&a?, &b?]).map_err(Error::wrap)?;
        let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(values, device));
        Ok(Some(Tensor::from_storage(storage, Shape::from(&dims[..]), BackpropOp::none(), false)))
    }
}
