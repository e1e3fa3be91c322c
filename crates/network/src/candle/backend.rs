//! Candle's backends, and the name of the arithmetic of each.

use candle_core::{Device, utils};

use super::CandleExecutor;
use crate::{DeviceChoice, Executor, Result};

/// One of Candle's backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Cpu,
    /// The N-th CUDA device.
    Cuda(usize),
    Metal,
}

impl Backend {
    /// Candle on the CPU.
    #[expect(clippy::unnecessary_wraps, reason = "a build without Candle has none")]
    pub(crate) fn cpu() -> Option<Self> {
        Some(Self::Cpu)
    }

    /// The N-th CUDA device, if this build supports CUDA.
    pub(crate) fn cuda(n: usize) -> Option<Self> {
        utils::cuda_is_available().then_some(Self::Cuda(n))
    }

    /// Apple's GPU, if this build supports Metal.
    pub(crate) fn metal() -> Option<Self> {
        utils::metal_is_available().then_some(Self::Metal)
    }

    /// The first GPU that this build supports.
    pub(crate) fn first_gpu() -> Option<Self> {
        Self::cuda(0).or_else(Self::metal)
    }

    /// The choice that names this backend.
    pub(crate) fn choice(self) -> DeviceChoice {
        match self {
            Self::Cpu => DeviceChoice::CandleCpu,
            Self::Cuda(n) => DeviceChoice::Cuda(n),
            Self::Metal => DeviceChoice::Metal,
        }
    }

    /// Opens the device, and makes an executor on it.
    ///
    /// # Errors
    /// If the device is missing or fails.
    pub(crate) fn executor(self) -> Result<Box<dyn Executor>> {
        Ok(Box::new(CandleExecutor::new(self.open()?)))
    }

    /// The revision of the executor's arithmetic.
    #[expect(clippy::unused_self, reason = "a build without Candle has no backend, and so no revision")]
    pub(crate) fn revision(self) -> u32 {
        CandleExecutor::REVISION
    }

    /// Opens the device.
    ///
    /// # Errors
    /// If the device is missing or fails.
    fn open(self) -> Result<Device> {
        Ok(match self {
            Self::Cpu => Device::Cpu,
            Self::Cuda(n) => Device::new_cuda(n)?,
            Self::Metal => Device::new_metal(0)?,
        })
    }

    /// The backend of an open device.
    pub(super) fn of(device: &Device) -> Self {
        match device.location() {
            candle_core::DeviceLocation::Cpu => Self::Cpu,
            candle_core::DeviceLocation::Cuda { gpu_id } => Self::Cuda(gpu_id),
            candle_core::DeviceLocation::Metal { .. } => Self::Metal,
        }
    }

    /// A name for each arithmetic that gives its own bits. It is known without opening a device.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => cpu_name(),
            Self::Cuda(_) if cfg!(feature = "cudnn") => "candle-cudnn",
            Self::Cuda(_) => "candle-cuda",
            Self::Metal => "candle-metal",
        }
    }
}

/// Candle's matrix products on the CPU are those of a library that this build links, or else of the crate `gemm`.
/// `gemm` chooses its instructions at run time, with fused products if the processor has them. It uses AVX-512 only
/// with a Cargo feature that this workspace does not enable.
fn cpu_name() -> &'static str {
    if utils::has_mkl() {
        return "candle-cpu-mkl";
    }
    if utils::has_accelerate() {
        return "candle-cpu-accelerate";
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        return "candle-cpu-avx2";
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        return "candle-cpu-neon";
    }
    "candle-cpu-scalar"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_has_an_arithmetic_of_its_own() {
        let gpu = if cfg!(feature = "cudnn") { "candle-cudnn" } else { "candle-cuda" };
        assert_eq!([Backend::Cuda(1), Backend::Metal].map(Backend::name), [gpu, "candle-metal"]);
    }
}
