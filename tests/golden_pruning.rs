//! Comparison of magnitude masks with `torch.nn.utils.prune`, and of the scores of `snip`, `grasp` and `synflow` with
//! autograd. PyTorch computes in f64, this project in f32 (`golden/pruning/generate.py`).

use std::sync::Arc;

use serde_json::Value;
use unlearn_masks::{Bits, Mask};
use unlearn_network::{DeviceChoice, Graph, Kept, Network, ParameterKind, State};
use unlearn_pruning::{Settings, Subject, criterion, prunable, prune_to, scope};
use unlearn_samples::ImageSet;

use crate::small_residual::small_residual;

const CHANNELS: usize = 2;
const SIDE: usize = 8;
const CLASSES: u32 = 4;
const PER_CLASS: u32 = 25;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/pruning/pruning.json")).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn graph() -> Arc<Graph> {
    small_residual(6, CLASSES as usize)
}

fn network(device: DeviceChoice) -> Network {
    let graph = graph();
    let mut state = State::zeros(&graph);
    let mut drawn = floats(include_bytes!("golden/pruning/weights.f32")).into_iter();
    for (parameter, values) in graph.parameters.iter().zip(state.parameters_mut()) {
        match parameter.kind {
            ParameterKind::NormWeight => values.fill(1.0),
            ParameterKind::NormBias => {}
            _ => values.fill_with(|| drawn.next().unwrap()),
        }
    }
    assert_eq!(drawn.next(), None);
    Network::new(graph, state, device).unwrap()
}

fn images() -> ImageSet {
    let count = CLASSES * PER_CLASS;
    let pixels: Vec<u8> =
        (0..count as usize * CHANNELS * SIDE * SIDE).map(|i| ((i * 31 + i * i / 5) % 256) as u8).collect();
    ImageSet::new([CHANNELS, SIDE, SIDE], pixels, (0..count).map(|i| i % CLASSES).collect::<Vec<_>>()).unwrap()
}

/// A mask's bits over all convolutions, in the network's order.
fn bits(graph: &Graph, mask: &Mask) -> Vec<bool> {
    let layers = graph.parameters.iter().filter_map(|p| mask.get(&p.name));
    layers.flat_map(|bits| bits.iter().collect::<Vec<_>>()).collect()
}

fn from_hexadecimal(text: &str, count: usize) -> Vec<bool> {
    let bytes = (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap());
    Bits::from_packed(&[count], bytes.collect()).unwrap().iter().collect()
}

/// Prunes each of `shares` of the remaining weights, as the script does, and compares with `masks`. Weights for which
/// `tied` holds are excepted; its arguments are their magnitude and the highest pruned magnitude.
fn magnitude(shares: &Value, masks: &Value, map: fn(f32) -> f32, tied: fn(f32, f32) -> bool) {
    let mut network = network(DeviceChoice::Cpu);
    let mut state = network.state().clone();
    let graph = network.graph().clone();
    let covered = prunable(&graph, false);
    for id in &covered {
        state.parameters_mut()[*id].iter_mut().for_each(|w| *w = map(*w));
    }
    network.set_state(state);
    let magnitudes: Vec<f32> =
        covered.iter().flat_map(|id| &network.state().parameters()[*id]).map(|w| w.abs()).collect();
    let (images, mut kept): (_, Kept) = (images(), vec![None; graph.parameters.len()]);
    let mut left = magnitudes.len();
    for (share, expected) in shares.as_array().unwrap().iter().zip(masks.as_array().unwrap()) {
        left -= (share.as_f64().unwrap() * left as f64).round_ties_even() as usize;
        let mut subject = Subject { network: &mut network, images: &images, train: &[], seed: 1 };
        let scores = (criterion("magnitude").unwrap().score)(&mut subject, &covered).unwrap();
        let mask = scope("global").unwrap().select(&graph, &scores, &kept, left).unwrap();
        let expected = from_hexadecimal(expected.as_str().unwrap(), magnitudes.len());
        let found = bits(&graph, &mask);
        let count = |bits: &[bool]| bits.iter().filter(|kept| **kept).count();
        assert_eq!((count(&found), count(&expected)), (left, left));
        let pruned = magnitudes.iter().zip(&found).filter(|(_, kept)| !**kept).map(|(m, _)| *m);
        let threshold = pruned.fold(0.0, f32::max);
        for (i, magnitude) in magnitudes.iter().enumerate() {
            assert!(found[i] == expected[i] || tied(*magnitude, threshold), "weight {i}, {magnitude} of {threshold}");
        }
        // Each step continues from PyTorch's mask, so that different choices among equal magnitudes do not
        // accumulate.
        let mut rest = expected.as_slice();
        for id in &covered {
            let (own, others) = rest.split_at(network.state().parameters()[*id].len());
            kept[*id] = Some(own.to_vec());
            rest = others;
        }
    }
}

#[test]
fn global_magnitude_is_global_unstructured_bit_for_bit() {
    let golden = golden();
    magnitude(&golden["shares"], &golden["magnitude"], |w| w, |_, _| false);
}

/// `torch.topk` may take any of several equal magnitudes. This project prunes the earliest ones.
#[test]
fn where_magnitudes_are_equal_only_those_at_the_threshold_differ() {
    let golden = golden();
    let eighths = |w: f32| (w * 8.0).round_ties_even() / 8.0;
    magnitude(&golden["shares"], &golden["magnitude_of_ties"], eighths, |magnitude, threshold| magnitude == threshold);
}

#[test]
fn scores_agree_with_autograd_and_masks_with_theirs() {
    let (golden, images) = (golden(), images());
    let train: Vec<u32> = (0..CLASSES * PER_CLASS).collect();
    let sparsity = golden["sparsity"].as_f64().unwrap();
    for (name, expected) in [
        ("snip", floats(include_bytes!("golden/pruning/snip.f32"))),
        ("grasp", floats(include_bytes!("golden/pruning/grasp.f32"))),
        ("synflow", floats(include_bytes!("golden/pruning/synflow.f32"))),
    ] {
        for device in [DeviceChoice::CpuDirect, DeviceChoice::Cpu, DeviceChoice::CandleCpu] {
            let mut network = network(device);
            let graph = network.graph().clone();
            let mut subject = Subject { network: &mut network, images: &images, train: &train, seed: 3 };
            let scores = (criterion(name).unwrap().score)(&mut subject, &prunable(&graph, false)).unwrap();
            let found: Vec<f32> = scores.into_iter().flat_map(|scores| scores.values).collect();
            assert_eq!(found.len(), expected.len());
            let largest = expected.iter().fold(0.0, |largest: f32, v| largest.max(v.abs()));
            let distances = found.iter().zip(&expected).map(|(f, e)| (f - e).abs() / largest);
            let distance = distances.fold(0.0, f32::max);
            assert!(distance < 1e-4, "{name} on {device}: {distance} of the largest score");

            let settings = Settings { criterion: name.into(), ..Settings::default() };
            let mask = prune_to(&mut subject, &settings, sparsity).unwrap();
            let expected = from_hexadecimal(golden["masks"][name].as_str().unwrap(), found.len());
            let differing = bits(&graph, &mask).iter().zip(&expected).filter(|(f, e)| f != e).count();
            assert!(1000 * differing <= found.len(), "{name} on {device}: {differing} of {} weights", found.len());
        }
    }
}
