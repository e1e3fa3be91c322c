//! `--device`: the device that runs a network, and the executor that this implies.

use std::{fmt, str::FromStr};

use half::bf16;

#[cfg(feature = "candle")]
use crate::candle::Backend;
#[cfg(not(feature = "candle"))]
use crate::no_candle::Backend;
use crate::{CpuExecutor, Error, Executor, Graph, Result, cpu::Kernels, executor::arithmetic};

/// The device to run on. `cpu` is this crate's CPU executor. `cpu-direct` is the same without Winograd's transforms.
/// `candle-cpu` is Candle on the CPU, which is slow and kept as a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU that this build supports, or else as [`DeviceChoice::Cpu`].
    #[default]
    Auto,
    /// The CPU executor, or Candle on the CPU if the model has a layer that it lacks.
    Cpu,
    /// The CPU executor without Winograd's transforms.
    CpuDirect,
    /// The CPU executor with the algorithms that measured fastest on this instruction set. Its results have the same
    /// bits only on processors with the same instruction set.
    CpuNative,
    /// The CPU executor with activations and their gradients in bf16.
    CpuBf16,
    /// Both of these choices.
    CpuNativeBf16,
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
            "cpu-native" => Ok(Self::CpuNative),
            "cpu-bf16" => Ok(Self::CpuBf16),
            "cpu-native-bf16" => Ok(Self::CpuNativeBf16),
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
            Self::CpuNative => f.write_str("cpu-native"),
            Self::CpuBf16 => f.write_str("cpu-bf16"),
            Self::CpuNativeBf16 => f.write_str("cpu-native-bf16"),
            Self::CandleCpu => f.write_str("candle-cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

/// The format in which activations and their gradients lie in memory. All arithmetic is f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// The upper 16 bits of an f32: the same range, and 8 bits of a number in place of 24.
    Bf16,
}

impl Precision {
    /// The error of a layer without a kernel.
    pub(crate) fn lacks(self, layer: &str) -> Error {
        match self {
            Self::F32 => Error::Unsupported { executor: "cpu", layer: layer.to_owned() },
            Self::Bf16 => Error::NoBf16 { layer: layer.to_owned() },
        }
    }
}

/// The executor for a graph on a device.
enum Choice {
    Kernels(Kernels, Precision),
    Candle(Backend),
    /// Candle on the CPU, because the CPU executor lacks a layer; holds the reason.
    Fallback(Backend, Error),
}

impl DeviceChoice {
    /// The executor that runs `graph` on this device. If the CPU executor lacks a layer, Candle runs the whole graph
    /// on the CPU, and a warning says so.
    ///
    /// # Errors
    /// If this build lacks the device or the device does not open. For the CPU executor, if the environment names an
    /// instruction set that this processor lacks.
    pub fn executor(self, graph: &Graph) -> Result<Box<dyn Executor>> {
        Ok(match self.choose(graph)? {
            Choice::Kernels(kernels, Precision::F32) => Box::new(CpuExecutor::<f32>::with(kernels)),
            Choice::Kernels(kernels, Precision::Bf16) => Box::new(CpuExecutor::<bf16>::with(kernels)),
            Choice::Candle(backend) => backend.executor()?,
            Choice::Fallback(backend, error) => {
                tracing::warn!("{} runs on the candle executor: {error}", graph.arch);
                backend.executor()?
            }
        })
    }

    /// The result of [`Executor::arithmetic`] for the executor of `graph`. No device is opened.
    ///
    /// # Errors
    /// As [`DeviceChoice::executor`], except that a device that does not open is no error.
    pub fn arithmetic(self, graph: &Graph) -> Result<String> {
        Ok(match self.choose(graph)? {
            Choice::Kernels(kernels, precision) => arithmetic(kernels.arithmetic_name(precision), kernels.revision()),
            Choice::Candle(backend) | Choice::Fallback(backend, _) => arithmetic(backend.name(), backend.revision()),
        })
    }

    fn choose(self, graph: &Graph) -> Result<Choice> {
        let kernels = |kernels| {
            if let Err(error) = CpuExecutor::supports(graph) {
                return match Backend::cpu() {
                    Some(candle) => Ok(Choice::Fallback(candle, error)),
                    None => Err(error),
                };
            }
            unlearn_kernels::instruction_set_asked_for()?;
            Ok(Choice::Kernels(kernels, Precision::F32))
        };
        // Candle is no way out: its results would be those of another precision than was asked for.
        let half = |kernels| {
            CpuExecutor::<bf16>::runs(graph)?;
            unlearn_kernels::instruction_set_asked_for()?;
            Ok(Choice::Kernels(kernels, Precision::Bf16))
        };
        match self {
            Self::Auto => {
                Backend::first_gpu().map_or_else(|| kernels(Kernels::Portable), |gpu| Ok(Choice::Candle(gpu)))
            }
            Self::Cpu => kernels(Kernels::Portable),
            Self::CpuDirect => kernels(Kernels::Direct),
            Self::CpuNative => kernels(Kernels::Native),
            Self::CpuBf16 => half(Kernels::Portable),
            Self::CpuNativeBf16 => half(Kernels::Native),
            Self::CandleCpu => self.built("candle", Backend::cpu()),
            Self::Cuda(n) => self.built("cuda", Backend::cuda(n)),
            Self::Metal => self.built("metal", Backend::metal()),
        }
    }

    /// The first GPU that this build supports and this machine has.
    pub fn first_gpu() -> Option<Self> {
        Backend::first_gpu().map(Backend::choice)
    }

    /// This choice with the fastest arithmetic of the CPU kernels. `None` if it names something else than the kernels.
    pub fn native(self) -> Option<Self> {
        match self {
            Self::Auto if Backend::first_gpu().is_some() => Some(Self::Auto),
            Self::Auto | Self::Cpu | Self::CpuNative => Some(Self::CpuNative),
            Self::CpuBf16 | Self::CpuNativeBf16 => Some(Self::CpuNativeBf16),
            Self::CpuDirect | Self::CandleCpu | Self::Cuda(_) | Self::Metal => None,
        }
    }

    /// This choice with activations in this precision. `None` if it has no other than f32.
    pub fn with_precision(self, precision: Precision) -> Option<Self> {
        match (precision, self) {
            (Precision::F32, _) => Some(self),
            (Precision::Bf16, Self::Auto) if Backend::first_gpu().is_none() => Some(Self::CpuBf16),
            (Precision::Bf16, Self::Cpu | Self::CpuBf16) => Some(Self::CpuBf16),
            (Precision::Bf16, Self::CpuNative | Self::CpuNativeBf16) => Some(Self::CpuNativeBf16),
            (Precision::Bf16, _) => None,
        }
    }

    /// The executor on Candle's backend, which is there if this build has the Cargo feature.
    fn built(self, feature: &'static str, backend: Option<Backend>) -> Result<Choice> {
        backend.map(Choice::Candle).ok_or_else(|| Error::NotBuilt { device: self.to_string(), feature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;

    const EVERY_CHOICE: [DeviceChoice; 9] = [
        DeviceChoice::Auto,
        DeviceChoice::Cpu,
        DeviceChoice::CpuDirect,
        DeviceChoice::CpuNative,
        DeviceChoice::CpuBf16,
        DeviceChoice::CpuNativeBf16,
        DeviceChoice::CandleCpu,
        DeviceChoice::Cuda(0),
        DeviceChoice::Metal,
    ];

    /// A graph that every executor runs, or one with a layer that the CPU executor lacks.
    fn graph(is_odd: bool) -> Graph {
        let (mut graph, input) = GraphBuilder::new("tiny", [2, 4, 4]);
        let tokens = graph.tokens("tokens", input);
        let mut features = graph.mean_token("mean", tokens);
        if is_odd {
            // The CPU executor normalises nothing but the images themselves.
            features = graph.normalize(features, &[0.5, 0.5], &[0.25, 0.25]);
        }
        graph.linear("fc", features, 3);
        graph.finish()
    }

    #[test]
    fn the_arithmetic_is_that_of_the_executor() {
        for graph in [graph(false), graph(true)] {
            for device in EVERY_CHOICE {
                match (device.arithmetic(&graph), device.executor(&graph)) {
                    (Ok(arithmetic), Ok(executor)) => assert_eq!(arithmetic, executor.arithmetic(), "{device}"),
                    (Err(found), Err(expected)) => assert_eq!(found.to_string(), expected.to_string()),
                    // This build supports the device, but this machine lacks it.
                    (found, executor) => assert!(found.is_ok() && executor.is_err(), "{device}"),
                }
            }
        }
    }

    #[test]
    fn every_arithmetic_has_a_name_of_its_own() {
        let name = |device: DeviceChoice, graph| device.arithmetic(graph).unwrap();
        let (known, odd) = (graph(false), graph(true));
        assert_eq!(name(DeviceChoice::Cpu, &known), "cpu 5");
        assert_eq!(name(DeviceChoice::CpuDirect, &known), "cpu-direct 5");
        let native = name(DeviceChoice::CpuNative, &known);
        let set = unlearn_kernels::InstructionSet::in_use();
        assert!(native.starts_with(&format!("cpu-native-{set} 5")), "{native}");
        if Backend::first_gpu().is_none() {
            assert_eq!(name(DeviceChoice::Auto, &known), "cpu 5");
            let error = DeviceChoice::Cuda(0).arithmetic(&known).unwrap_err();
            assert!(matches!(error, Error::NotBuilt { feature: "cuda", .. }), "{error}");
        }
        if cfg!(feature = "candle") {
            let candle = name(DeviceChoice::CandleCpu, &known);
            assert!(candle.starts_with("candle-cpu-"), "{candle}");
            // Candle runs the layers that the CPU executor lacks.
            assert_eq!(name(DeviceChoice::Cpu, &odd), candle);
        } else {
            let error = DeviceChoice::CandleCpu.arithmetic(&known).unwrap_err();
            assert!(matches!(error, Error::NotBuilt { feature: "candle", .. }), "{error}");
            let error = DeviceChoice::Cpu.arithmetic(&odd).unwrap_err().to_string();
            assert!(error.ends_with("the candle executor can (feature `candle`)"), "{error}");
        }
    }

    #[test]
    fn names_round_trip_and_nonsense_lists_the_valid_ones() {
        for name in
            ["auto", "cpu", "cpu-direct", "cpu-native", "cpu-bf16", "cpu-native-bf16", "candle-cpu", "cuda:3", "metal"]
        {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
        let message = "gpu".parse::<DeviceChoice>().unwrap_err().to_string();
        assert!(message.contains("`gpu`") && message.contains("cuda:N"), "{message}");
    }
}
