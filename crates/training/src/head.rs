//! The head of a model, its last layer: made anew for other classes, or fitted to features (a linear probe).

use std::sync::Arc;

use unlearn_metrics::{Probe, Rows};
use unlearn_network::{DeviceChoice, Graph, Network, Op, ParameterId, initialize};

use crate::{Error, Features, Result};

/// The weight and the bias of the last layer.
///
/// # Errors
/// If the last layer is not fully connected.
pub fn head_of(graph: &Graph) -> Result<[ParameterId; 2]> {
    match graph.nodes.last().map(|node| &node.op) {
        Some(Op::Linear { weight, bias }) => Ok([*weight, *bias]),
        _ => Err(Error::Unsuitable(format!(
            "the last layer of {} is not fully connected, so it has no features",
            graph.arch
        ))),
    }
}

/// The network with the values of `source` and a head anew: `graph` is of the same architecture, perhaps with other classes. The head
/// begins as in a fresh model with this seed. Weights that are pruned stay pruned; the head is dense.
///
/// # Errors
/// If the graphs differ in more than the head, the last layer is not fully connected, or the device fails.
pub fn with_head_anew(source: &Network, graph: &Arc<Graph>, seed: u64, device: DeviceChoice) -> Result<Network> {
    let head = head_of(graph)?;
    let from = source.graph();
    let fits = from.parameters.len() == graph.parameters.len()
        && from.buffers == graph.buffers
        && head_of(from)? == head
        && (from.parameters.iter().zip(&graph.parameters).enumerate()).all(|(id, (a, b))| head.contains(&id) || a == b);
    if !fits {
        let reason = format!("{} has other layers here, and only the last one may differ", graph.arch);
        return Err(Error::Unsuitable(reason));
    }
    let mut state = initialize(graph, seed);
    for (id, (to, from)) in state.parameters_mut().iter_mut().zip(source.state().parameters()).enumerate() {
        if !head.contains(&id) {
            to.clone_from(from);
        }
    }
    for (to, from) in state.buffers_mut().iter_mut().zip(source.state().buffers()) {
        to.clone_from(from);
    }
    let mut network = Network::new(Arc::clone(graph), state, device)?;
    let mut kept = source.kept().clone();
    for id in head {
        kept[id] = None;
    }
    network.prune(kept)?;
    Ok(network)
}

/// A linear probe as the head of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// `[classes, dims]`, row-major.
    pub weight: Vec<f32>,
    /// `[classes]`.
    pub bias: Vec<f32>,
}

impl Head {
    /// Fits a multinomial logistic regression to features that are first standardised: each is divided by its deviation over these
    /// samples, after its mean is subtracted. So the strength `c` of the penalty ([`Probe::fit`]) means the same for features of any
    /// scale. A constant feature counts for nothing. The standardisation is part of the head, which takes the features as they are.
    ///
    /// # Errors
    /// As [`Probe::fit`], and if a feature is not finite.
    pub fn fit(features: &Features, classes: usize, c: f64) -> Result<Self> {
        let fail = |error: unlearn_metrics::Error| Error::Unsuitable(format!("the linear probe: {error}"));
        let dims = features.dims;
        let rows = Rows::new(&features.values, dims).map_err(fail)?;
        let count = rows.len().max(1) as f64;
        let mean = |of: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; dims];
            for row in &rows {
                sums.iter_mut().zip(row).enumerate().for_each(|(at, (sum, &value))| *sum += of(at, f64::from(value)));
            }
            sums.into_iter().map(|sum| sum / count).collect::<Vec<f64>>()
        };
        let means = mean(&|_, value| value);
        let variances = mean(&|at, value| (value - means[at]).powi(2));
        // A deviation within rounding of the mean is none.
        let scale = |(&variance, &mean): (&f64, &f64)| {
            let deviation = variance.sqrt();
            if deviation > 1e-7 * mean.abs() { 1.0 / deviation } else { 0.0 }
        };
        let scales: Vec<f64> = variances.iter().zip(&means).map(scale).collect();
        let standard = |(at, &value): (usize, &f32)| ((f64::from(value) - means[at]) * scales[at]) as f32;
        let values: Vec<f32> = rows.iter().flat_map(|row| row.iter().enumerate().map(standard)).collect();
        let standardised = Rows::new(&values, dims).map_err(fail)?;
        let probe = Probe::fit(standardised, &features.labels, classes, c).map_err(fail)?;
        // The logits of 0 are the biases, and those of a unit vector exceed them by a column of the weights.
        let mut units = vec![0.0; (dims + 1) * dims];
        units[dims..].iter_mut().step_by(dims + 1).for_each(|on_the_diagonal| *on_the_diagonal = 1.0);
        let logits = probe.logits(Rows::new(&units, dims).map_err(fail)?).map_err(fail)?;
        let weight = |class: usize, at: usize| (logits[(at + 1) * classes + class] - logits[class]) * scales[at];
        let bias = |class: usize| logits[class] - (0..dims).map(|at| weight(class, at) * means[at]).sum::<f64>();
        Ok(Self {
            weight: (0..classes)
                .flat_map(|class| (0..dims).map(move |at| (class, at)))
                .map(|(c, at)| weight(c, at) as f32)
                .collect(),
            bias: (0..classes).map(|class| bias(class) as f32).collect(),
        })
    }

    /// Makes this the head of a network.
    ///
    /// # Errors
    /// If the network's last layer has another shape or is not fully connected.
    pub fn put_on(&self, network: &mut Network) -> Result<()> {
        let [weight, bias] = head_of(network.graph())?;
        let mut state = network.state().clone();
        let lengths = [weight, bias].map(|id| state.parameters()[id].len());
        if lengths != [self.weight.len(), self.bias.len()] {
            let found = [self.weight.len(), self.bias.len()];
            let reason = format!("a head of {found:?} weights and biases on a last layer of {lengths:?}");
            return Err(Error::Unsuitable(reason));
        }
        state.parameters_mut()[weight].clone_from(&self.weight);
        state.parameters_mut()[bias].clone_from(&self.bias);
        network.set_state(state);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use unlearn_models::{InputSpec, find};
    use unlearn_samples::ImageSet;

    use super::*;
    use crate::{features, predict};

    #[test]
    fn a_probe_on_standardised_features_is_scikit_learns() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("transfer/transfer.json")).unwrap();
        let cases = golden["head"].as_array().unwrap();
        assert!(cases.len() >= 2);
        for case in cases {
            let of = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone()).unwrap();
            let [classes, dims] = ["classes", "columns"].map(|key| case[key].as_u64().unwrap() as usize);
            let labels: Vec<u32> = serde_json::from_value(case["labels"].clone()).unwrap();
            let features = Features { values: of("train"), labels, dims };
            let head = Head::fit(&features, classes, case["c"].as_f64().unwrap()).unwrap();
            let expected: Vec<f64> = serde_json::from_value(case["probabilities"].clone()).unwrap();
            for (sample, expected) in of("test").chunks(dims).zip(expected.chunks(classes)) {
                let logit = |class: usize| {
                    let weights = &head.weight[class * dims..][..dims];
                    f64::from(head.bias[class])
                        + weights.iter().zip(sample).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>()
                };
                let powers: Vec<f64> = (0..classes).map(|class| logit(class).exp()).collect();
                let sum: f64 = powers.iter().sum();
                for (power, expected) in powers.iter().zip(expected) {
                    assert!((power / sum - expected).abs() < 1e-5, "{powers:?} {expected:?}");
                }
            }
        }
    }

    fn input(classes: usize) -> InputSpec {
        InputSpec { shape: [1, 28, 28], classes, mean: vec![0.5], std: vec![0.25] }
    }

    fn source() -> Network {
        let graph = find("resnet8s").unwrap().graph(&input(3)).unwrap();
        let state = initialize(&graph, 1);
        let mut network = Network::new(Arc::clone(&graph), state, DeviceChoice::Cpu).unwrap();
        // Half of every weight is pruned, the head's too.
        let half = |p: &unlearn_network::Parameter| {
            Some((0..p.shape.iter().product()).map(|i: usize| i.is_multiple_of(2)).collect())
        };
        network.prune(graph.parameters.iter().map(half).collect()).unwrap();
        network
    }

    #[test]
    fn the_head_is_new_and_dense_and_everything_else_is_the_sources() {
        let source = source();
        let graph = find("resnet8s").unwrap().graph(&input(5)).unwrap();
        let network = with_head_anew(&source, &graph, 7, DeviceChoice::Cpu).unwrap();
        let head = head_of(&graph).unwrap();
        for (id, values) in network.state().parameters().iter().enumerate() {
            if head.contains(&id) {
                assert_eq!(*values, initialize(&graph, 7).parameters()[id]);
                assert_eq!(network.kept()[id], None);
            } else {
                assert_eq!(*values, source.state().parameters()[id]);
                assert_eq!(network.kept()[id], source.kept()[id]);
            }
        }
        assert_eq!(network.state().buffers(), source.state().buffers());
        let other = find("resnet20s").unwrap().graph(&input(3)).unwrap();
        let error = with_head_anew(&source, &other, 7, DeviceChoice::Cpu).err().unwrap().to_string();
        assert!(error.contains("only the last one may differ"), "{error}");
    }

    #[test]
    fn a_fitted_head_gives_the_probes_logits_in_the_network() {
        let source = source();
        let pixels: Vec<u8> = (0..40 * 784_usize).map(|i| (i * 7 % 251 + i / 784 * 3 % 40) as u8).collect();
        let images = ImageSet::new([1, 28, 28], pixels, (0..40).map(|i| i % 4).collect::<Vec<u32>>()).unwrap();
        let all: Vec<u32> = (0..40).collect();
        let found = features(&source, DeviceChoice::Cpu, &images, &all).unwrap();
        let head = Head::fit(&found, 4, 1.0).unwrap();
        let graph = find("resnet8s").unwrap().graph(&input(4)).unwrap();
        let mut network = with_head_anew(&source, &graph, 1, DeviceChoice::Cpu).unwrap();
        head.put_on(&mut network).unwrap();
        let logits = predict(&mut network, &images, &all).unwrap().logits;
        for (features, logits) in found.values.chunks(64).zip(logits.chunks(4)) {
            for class in 0..4 {
                let sum: f32 = head.weight[class * 64..][..64].iter().zip(features).map(|(w, x)| w * x).sum();
                assert!((sum + head.bias[class] - logits[class]).abs() < 1e-3, "{sum} {logits:?}");
            }
        }
        assert!(Head { weight: vec![0.0], bias: vec![0.0] }.put_on(&mut network).is_err());
    }
}
