//! `--device`: where a network runs, and which executor that means.

use std::{fmt, str::FromStr};

use crate::{CandleExecutor, CpuExecutor, Error, Executor, Graph, Result};

/// Where to run. `cpu` is the crate's own CPU executor, `cpu-direct` the same without Winograd's transforms; `candle-cpu` is Candle on the CPU, slow and kept as the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU this build knows and finds, else the CPU.
    #[default]
    Auto,
    /// The CPU executor (Candle for a model with a layer it lacks).
    Cpu,
    /// The CPU executor with convolutions as the definition says.
    CpuDirect,
    /// The Candle executor on the CPU.
    CandleCpu,
    /// The Candle executor on the N-th CUDA device.
    Cuda(usize),
    /// The Candle executor on Apple's GPU.
    Metal,
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cpu-direct" => Ok(Self::CpuDirect),
            "candle-cpu" => Ok(Self::CandleCpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| Error::UnknownDevice(text.into())),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::CpuDirect => f.write_str("cpu-direct"),
            Self::CandleCpu => f.write_str("candle-cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl DeviceChoice {
    /// The executor that runs `graph` here.
    ///
    /// # Errors
    /// A device that this build lacks or that does not open.
    pub fn executor(self, graph: &Graph) -> Result<Box<dyn Executor>> {
        let device = match self {
            Self::Auto if candle_core::utils::cuda_is_available() => candle_core::Device::new_cuda(0)?,
            Self::Auto if candle_core::utils::metal_is_available() => candle_core::Device::new_metal(0)?,
            Self::Auto | Self::Cpu => return Ok(cpu_executor(graph, CpuExecutor::new())),
            Self::CpuDirect => return Ok(cpu_executor(graph, CpuExecutor::direct())),
            Self::CandleCpu => candle_core::Device::Cpu,
            Self::Cuda(n) => {
                self.require("cuda", candle_core::utils::cuda_is_available())?;
                candle_core::Device::new_cuda(n)?
            }
            Self::Metal => {
                self.require("metal", candle_core::utils::metal_is_available())?;
                candle_core::Device::new_metal(0)?
            }
        };
        Ok(Box::new(CandleExecutor::new(device)))
    }

    fn require(self, feature: &'static str, built: bool) -> Result<()> {
        if built { Ok(()) } else { Err(Error::NotBuilt { device: self.to_string(), feature }) }
    }
}

fn cpu_executor(graph: &Graph, executor: CpuExecutor) -> Box<dyn Executor> {
    match CpuExecutor::supports(graph) {
        Ok(()) => Box::new(executor),
        Err(error) => {
            tracing::warn!("{} runs on the candle executor: {error}", graph.arch);
            Box::new(CandleExecutor::new(candle_core::Device::Cpu))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_nonsense_lists_the_valid_ones() {
        for name in ["auto", "cpu", "cpu-direct", "candle-cpu", "cuda:3", "metal"] {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
        let message = "gpu".parse::<DeviceChoice>().unwrap_err().to_string();
        assert!(message.contains("`gpu`") && message.contains("cuda:N"), "{message}");
    }
}
