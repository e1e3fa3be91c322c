//! Comparison of the CPU executor with the Candle executor on whole architectures: logits, gradients, running
//! statistics.

use std::sync::Arc;

use unlearn_models::{ARCHITECTURES, InputSpec, initialize};
use unlearn_network::{CpuExecutor, DeviceChoice, Graph, Mode, Network};

const BATCH: usize = 19;

/// Largest relative distance in the L2 norm between two correct executors. If the input of a ReLU is 0 up to
/// rounding, either branch is right, and the gradient follows it. With normalisation over such a small batch, the
/// eighteen layers of `resnet18` turn this into 0.4 % at the images, and more with Winograd's transforms, which have
/// four times the rounding error. The kernels' own tests compare the products themselves with their definition.
const TOLERANCES: [(DeviceChoice, f64); 2] = [(DeviceChoice::CpuDirect, 1e-2), (DeviceChoice::Cpu, 3e-2)];

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
    difference / norm(&mut b.iter().map(|b| f64::from(*b))).max(1e-9)
}

/// One architecture for each kind of block that both executors support. `golden_models` compares the others with
/// torchvision.
const REPRESENTATIVES: [&str; 3] = ["resnet8s", "resnet20s", "resnet18"];

/// Transformers have no ReLU, and none of Winograd's transforms. So rounding alone sets the executors apart.
const TRANSFORMERS: [&str; 2] = ["vit_tiny", "swin_t"];
/// The largest relative distance in the L2 norm that rounding accounts for in twelve blocks.
const ROUNDING: f64 = 1e-4;

#[test]
fn both_executors_agree_on_every_kind_of_architecture() {
    for architecture in ARCHITECTURES {
        let tolerances = if REPRESENTATIVES.contains(&architecture.name) {
            TOLERANCES
        } else if TRANSFORMERS.contains(&architecture.name) {
            TOLERANCES.map(|(device, _)| (device, ROUNDING))
        } else {
            continue;
        };
        let side = architecture.minimum_side.max(16);
        let input = InputSpec { shape: [3, side, side], classes: 10, mean: vec![0.5; 3], std: vec![0.25; 3] };
        let pixel = |i: usize| ((i * 7919 + i * i / 11) % 1000) as f32 / 1000.0;
        let images: Vec<f32> = (0..BATCH * 3 * side * side).map(pixel).collect();
        let graph = architecture.graph(&input).unwrap();
        CpuExecutor::supports(&graph).unwrap();
        for (device, tolerance) in tolerances {
            agree(&graph, device, &images, tolerance);
        }
    }
}

fn agree(graph: &Arc<Graph>, device: DeviceChoice, images: &[f32], tolerance: f64) {
    let state = initialize(graph, 4);
    let network = |device| Network::new(graph.clone(), state.clone(), device).unwrap();
    let (mut cpu, mut candle) = (network(device), network(DeviceChoice::CandleCpu));
    let what = format!("{} on {}", graph.arch, cpu.executor_name());
    assert_eq!(cpu.executor_name(), device.to_string());
    assert!(candle.executor_name().starts_with("candle-cpu-"), "{}", candle.executor_name());
    for mode in [Mode::Train, Mode::Frozen, Mode::Evaluate] {
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        cpu.forward(images, mode, &mut found).unwrap();
        candle.forward(images, mode, &mut expected).unwrap();
        assert!(distance(&found, &expected) < 1e-4, "{what}, {mode:?}: logits");
        for ((buffer, found), expected) in graph.buffers.iter().zip(cpu.state().buffers()).zip(candle.state().buffers())
        {
            assert!(distance(found, expected) < 1e-4, "{what}: {}", buffer.name);
        }
        if mode == Mode::Evaluate {
            assert!(cpu.backward(&found).is_err(), "nothing is kept for a backward pass");
            continue;
        }
        let found = cpu.backward_to_input(&expected).unwrap();
        let expected = candle.backward_to_input(&expected).unwrap();
        let moved = distance(&found.input, &expected.input);
        assert!(moved < tolerance, "{what}, {mode:?}: images {moved}");
        for ((parameter, found), expected) in graph.parameters.iter().zip(&found.parameters).zip(&expected.parameters) {
            let distance = distance(found, expected);
            assert!(distance < tolerance, "{what}, {mode:?}: ∂{} {distance}", parameter.name);
        }
    }
}
