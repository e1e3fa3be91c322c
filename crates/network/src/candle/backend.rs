//! Candle's backends, and the name of the arithmetic of each.

use candle_core::{Device, utils};

use crate::Result;

/// One of Candle's backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Cpu,
    /// The N-th CUDA device.
    Cuda(usize),
    Metal,
}

impl Backend {
    /// The first GPU that this build supports.
    pub(crate) fn first_gpu() -> Option<Self> {
        if utils::cuda_is_available() {
            Some(Self::Cuda(0))
        } else if utils::metal_is_available() {
            Some(Self::Metal)
        } else {
            None
        }
    }

    /// Opens the device.
    ///
    /// # Errors
    /// If the device is missing or fails.
    pub(crate) fn open(self) -> Result<Device> {
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
