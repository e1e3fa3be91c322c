//! The largest eigenvalue of the Hessian of the loss, over the kept weights, by power iteration.
//!
//! A product of the Hessian with a vector v is a central difference of gradients: (g(θ + εv) − g(θ − εv)) / 2ε (Pearlmutter 1994,
//! "Fast exact multiplication by the Hessian", section 2). Pruned weights do not move, so the Hessian is that over the mask.

use unlearn_network::{Mode, Network, RowLayout};
use unlearn_samples::{BatchOptions, BatchPlan, ImageSet};

use crate::{CrossEntropy, Error, Objective, Result, Session};

/// The largest eigenvalue of a Hessian, and how it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curvature {
    /// The largest eigenvalue.
    pub eigenvalue: f64,
    /// Number of products of the Hessian with a vector.
    pub products: usize,
    /// Whether the last two estimates differ by less than the tolerance.
    pub converged: bool,
}

/// The move of the weights of a difference, ‖εv‖, in units of their norm. Much smaller, and the rounding of f32 decides; much larger, and the
/// kinks of ReLU do: a difference across a kink is no derivative.
const STEP: f64 = 2e-4;
/// Number of first products that estimate the largest magnitude of an eigenvalue.
const WARM_UP: usize = 5;
/// Samples per batch. It affects the speed only.
const BATCH_SIZE: usize = 256;

/// The largest eigenvalue of the Hessian of the mean cross-entropy of the samples at `positions`, over the kept weights. Batch
/// normalisation uses its running statistics. Images are not augmented. At most `most` products are computed; two consecutive estimates
/// that differ by less than the share `tolerance` end the search, which begins with the vector `first`, one value for each place of
/// [`Network::row_layout`], not all 0; draw them at random. The network ends as it was.
///
/// Power iteration finds the eigenvalue of largest magnitude. So that this is not a negative one, the first products estimate the largest
/// magnitude, and the following iterate the Hessian plus that times the identity.
///
/// # Errors
/// If there are no samples, `first` is of another length or 0, the network fails, the loss or an estimate is not finite, or the user interrupts. Nothing is saved, so an
/// interrupted search begins again.
pub fn largest_eigenvalue(
    network: &mut Network,
    (images, positions): (&ImageSet, &[u32]),
    (most, tolerance): (usize, f64),
    first: &[f32],
    session: Session<'_>,
) -> Result<Curvature> {
    if positions.is_empty() {
        return Err(Error::Empty("compute the Hessian of"));
    }
    let start = network.state().clone();
    let found = Hessian { images, positions, session }.largest(network, (most, tolerance), first);
    network.set_state(start);
    found
}

/// The loss whose Hessian is sought.
struct Hessian<'a> {
    images: &'a ImageSet,
    positions: &'a [u32],
    session: Session<'a>,
}

impl Hessian<'_> {
    fn largest(&self, network: &mut Network, (most, tolerance): (usize, f64), first: &[f32]) -> Result<Curvature> {
        let layout = network.row_layout();
        let weights: Vec<f64> = layout.gather(network.state().parameters()).into_iter().map(f64::from).collect();
        let mut first: Vec<f64> = first.iter().copied().map(f64::from).collect();
        if first.len() != weights.len() || normalise(&mut first) == 0.0 {
            let reason = format!("a power iteration over {} weights cannot begin with that vector", weights.len());
            return Err(Error::Unsuitable(reason));
        }
        // The Hessian plus a multiple of the identity has no negative eigenvalue of large magnitude, so that the largest one wins.
        let (mut vector, mut shift) = (first, 0.0);
        let mut found = Curvature { eigenvalue: 0.0, products: 0, converged: false };
        while found.products < most && !found.converged {
            let product = self.product(network, &layout, &weights, &vector)?;
            found.products += 1;
            let rayleigh = dot(&vector, &product);
            if !rayleigh.is_finite() {
                return Err(Error::Unsuitable(format!("an estimate of the largest eigenvalue is {rayleigh}")));
            }
            if found.products <= WARM_UP {
                shift = f64::max(shift, dot(&product, &product).sqrt());
            } else {
                found.converged = (rayleigh - found.eigenvalue).abs() <= tolerance * rayleigh.abs();
            }
            found.eigenvalue = rayleigh;
            let shift = if found.products < WARM_UP { 0.0 } else { shift };
            vector = product.iter().zip(&vector).map(|(p, v)| p + shift * v).collect();
            if normalise(&mut vector) == 0.0 {
                found.converged = true;
            }
        }
        Ok(found)
    }

    /// The product of the Hessian with a unit vector.
    fn product(&self, network: &mut Network, layout: &RowLayout, weights: &[f64], vector: &[f64]) -> Result<Vec<f64>> {
        let step = STEP * dot(weights, weights).sqrt().max(1e-3);
        let [ahead, behind] = [step, -step].map(|step| {
            let moved: Vec<f32> = weights.iter().zip(vector).map(|(w, v)| (w + step * v) as f32).collect();
            for (to, values) in network.parameters_and_gradients().0.iter_mut().zip(layout.scatter(&moved)) {
                *to = values;
            }
            self.gradient(network, layout)
        });
        Ok(ahead?.iter().zip(&behind?).map(|(a, b)| (a - b) / (2.0 * step)).collect())
    }

    /// The gradient of the mean loss over the kept weights.
    fn gradient(&self, network: &mut Network, layout: &RowLayout) -> Result<Vec<f64>> {
        let plan = BatchPlan::new(self.images, self.positions, BatchOptions::evaluation(BATCH_SIZE))?;
        let mut sums = vec![0.0; layout.width()];
        let (mut logits, mut dlogits) = (Vec::new(), Vec::new());
        for batch in plan.epoch(0, 0) {
            self.session.go_on()?;
            let batch = batch?;
            network.forward(&batch.images, Mode::Frozen, &mut logits)?;
            dlogits.resize(logits.len(), 0.0);
            CrossEntropy::default().loss(&batch, &logits, &mut dlogits);
            let share = batch.labels.len() as f64 / self.positions.len() as f64;
            let row = layout.gather(&network.backward(&dlogits)?.parameters);
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(value) * share);
        }
        Ok(sums)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Scales a vector to length 1, unless it is 0, and returns its former length.
fn normalise(vector: &mut [f64]) -> f64 {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        for value in vector.iter_mut() {
            *value /= length;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;
    use unlearn_network::{DeviceChoice, GraphBuilder, State};

    use super::*;

    /// Each case of the golden file: a network of one hidden layer with weights, samples, a mask over the first layer and the eigenvalue.
    #[test]
    fn equals_the_exact_hessians() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("training/curvature.json")).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let numbers = |key: &str| -> Vec<f32> { serde_json::from_value(case[key].clone()).unwrap() };
            let sizes = ["side", "hidden", "classes"].map(|key| case[key].as_u64().unwrap() as usize);
            let [side, hidden, classes] = sizes;
            let (mut builder, input) = GraphBuilder::new("test", [1, side, side]);
            let conv = builder.conv2d("conv", input, hidden, side, 1, 0);
            let relu = builder.relu("relu", conv);
            let pool = builder.global_avg_pool("pool", relu);
            builder.linear("fc", pool, classes);
            let graph = Arc::new(builder.finish());
            let mut state = State::zeros(&graph);
            assert_eq!(state.parameters().len(), 3, "two matrices and a bias");
            for (to, key) in state.parameters_mut().iter_mut().zip(["first", "second", "bias"]) {
                *to = numbers(key);
            }
            let mut network = Network::new(Arc::clone(&graph), state, DeviceChoice::Cpu).unwrap();
            let kept: Vec<bool> = numbers("kept").iter().map(|kept| *kept == 1.0).collect();
            network.prune(vec![Some(kept), None, None]).unwrap();
            let pixels: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
            let labels: Vec<u32> = serde_json::from_value(case["labels"].clone()).unwrap();
            let count = labels.len() as u32;
            let images = ImageSet::new([1, side, side], pixels, labels).unwrap();
            let before = network.state().clone();
            let positions: Vec<u32> = (0..count).collect();
            let session = Session::unattended();
            let first: Vec<f32> = (0..network.row_layout().width()).map(|i| (i * 37 % 101) as f32 - 50.5).collect();
            let found = largest_eigenvalue(&mut network, (&images, &positions), (300, 3e-4), &first, session).unwrap();
            let expected = case["eigenvalue"].as_f64().unwrap();
            assert!(found.converged, "{found:?}");
            assert!((found.eigenvalue / expected - 1.0).abs() < 2e-3, "{found:?} {expected}");
            assert_eq!(network.state().parameters(), before.parameters());
        }
    }

    #[test]
    fn a_search_that_ends_early_says_so_and_no_samples_are_refused() {
        let (mut builder, input) = GraphBuilder::new("test", [1, 2, 2]);
        let pool = builder.global_avg_pool("pool", input);
        builder.linear("fc", pool, 2);
        let graph = Arc::new(builder.finish());
        let mut network = Network::new(Arc::clone(&graph), State::zeros(&graph), DeviceChoice::Cpu).unwrap();
        let images = ImageSet::new([1, 2, 2], vec![9, 80, 3, 200], vec![1]).unwrap();
        let session = Session::unattended();
        let mut search = |positions: &[u32], first: &[f32]| {
            largest_eigenvalue(&mut network, (&images, positions), (1, 1e-9), first, session)
        };
        let found = search(&[0], &[1.0, 0.5, -2.0, 0.1]).unwrap();
        assert_eq!((found.products, found.converged), (1, false));
        assert!(search(&[], &[1.0; 4]).is_err() && search(&[0], &[0.0; 4]).is_err() && search(&[0], &[1.0]).is_err());
    }
}
