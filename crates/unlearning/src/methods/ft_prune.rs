//! `ft-prune`: alternates fine-tuning on the retain set and pruning (the published code of arXiv 2304.04934,
//! `FT_prune_bi`). After every second epoch, 1 − (1 − s)^(1/k) of the remaining weights are pruned by magnitude over
//! all convolutions, where k is the number of such points. Weights pruned before count and stay pruned. The last
//! epochs always follow the last pruning.
//!
//! The resulting network has its zeros pruned. If a layer has no weights left, the error names it.
//!
//! Deviations: that code also prunes before the first epoch, so it has one point more. There, s is a share of all
//! weights of the model, pruned or not; here it is a share of all convolution weights. With an odd number of epochs,
//! that code has one point too few to reach s. The penalty γ‖θ‖₁ is an addition of this project.

use serde::{Deserialize, Serialize};
use unlearn_masks::{Mask, Ranked, keep_highest};
use unlearn_network::{Graph, Network, ParameterId};
use unlearn_training::{CrossEntropy, Error, Run, mask_of, mask_over, train_and_prune};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, Search, fixed, log, searched},
    shared::{
        fine_tuning::{self, FineTuning},
        l1_penalty::{GammaSchedule, L1Penalized},
        range::zero_or_more,
    },
};

/// Alternation of fine-tuning and pruning.
pub(crate) struct FtPrune;

/// Keys of `ft-prune`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Epochs over the retain set, learning rate and batch size.
    #[serde(flatten)]
    tuning: FineTuning,
    /// Final share of zeros among the convolution weights.
    sparsity: f64,
    /// Epochs between prunings.
    every: usize,
    /// Weight γ of an ℓ1 penalty on all parameters.
    gamma: f64,
}

impl Method for FtPrune {
    const NAME: &'static str = "ft-prune";
    const SUMMARY: &'static str = "fine-tuning on the retain set and pruning of the remaining weights, in turns";
    const SOURCE: &'static str = "code of Jia et al. 2023, arXiv 2304.04934 (FT_prune_bi)";
    const PARAMETERS: &'static [&'static [Parameter]] = &[
        &fine_tuning::parameters(Origin::Paper, Origin::Code, log(1e-3, 1e-1)),
        &[
            searched(
                "sparsity",
                "final share of zeros among the convolution weights",
                Origin::Paper,
                Search::Linear { low: 0.5, high: 0.98 },
            ),
            fixed("every", "epochs between prunings", Origin::Code),
            fixed("gamma", "weight of an ℓ1 penalty on all parameters", Origin::Ours),
        ],
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { tuning: FineTuning::new(10, 0.01), sparsity: 0.95, every: 2, gamma: 0.0 }
    }

    fn check(config: &Config) -> Result<(), String> {
        let Config { tuning, sparsity, every, gamma } = config;
        tuning.check()?;
        zero_or_more("gamma", *gamma)?;
        if !(*sparsity > 0.0 && *sparsity < 1.0) {
            return Err(format!("`sparsity` must be between 0 and 1, found {sparsity}"));
        }
        if *every == 0 || *every >= tuning.epochs {
            return Err(format!(
                "`every` must be 1 or more and less than `epochs`, found {every} and {}",
                tuning.epochs
            ));
        }
        Ok(())
    }

    fn suits(config: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_retained()?;
        let sizes = feature_weights(prospect.graph).map(|id| prospect.graph.parameters[id].shape.iter().product());
        let sizes: Vec<usize> = sizes.collect();
        let left = kept_of(sizes.iter().sum(), 1.0 - config.sparsity);
        if left < sizes.len() {
            let (sparsity, layers) = (config.sparsity, sizes.len());
            return Err(format!(
                "`sparsity = {sparsity}` leaves {left} weights for {layers} layers, and no layer may be empty; lower it"
            ));
        }
        Ok(())
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let recipe = config.tuning.recipe(request.task.recipe);
        let batches = request.batches(request.retain, &recipe)?;
        let gamma_schedule = GammaSchedule::Constant;
        let mut objective = L1Penalized { loss: CrossEntropy::default(), gamma: config.gamma, gamma_schedule };
        let mut prune = |network: &mut Network, epochs: usize| {
            config.density_after(epochs).map(|density| strongest(network, density)).transpose()
        };
        let run = Run::new(&recipe, &batches);
        let outcome =
            train_and_prune::<Error>(request.network, &mut objective, &run, request.task.session, &mut prune)?;
        Ok(Outcome { epochs: outcome.epochs, seconds: outcome.seconds })
    }
}

impl Config {
    /// The share of convolution weights to keep after this number of epochs. `None` if nothing is pruned then.
    fn density_after(&self, epochs: usize) -> Option<f64> {
        let points = (self.tuning.epochs - 1) / self.every;
        let point = epochs / self.every;
        let due = epochs.is_multiple_of(self.every) && (1..=points).contains(&point);
        due.then(|| (1.0 - self.sparsity).powf(point as f64 / points as f64))
    }
}

/// The weights that the method prunes.
fn feature_weights(graph: &Graph) -> impl Iterator<Item = ParameterId> {
    (0..graph.parameters.len()).filter(|id| graph.parameters[*id].kind.is_feature_weight())
}

/// Number of kept weights out of `all`.
fn kept_of(all: usize, density: f64) -> usize {
    all - ((1.0 - density) * all as f64).round_ties_even() as usize
}

/// The mask that keeps the share `density` of all convolution weights: the largest ones among the currently kept.
fn strongest(network: &Network, density: f64) -> unlearn_training::Result<Mask> {
    let graph = network.graph();
    let convolutions = || feature_weights(graph);
    let values = network.state().parameters();
    let magnitudes: Vec<Vec<f32>> =
        convolutions().map(|id| values[id].iter().map(|theta| theta.abs()).collect()).collect();
    let mut ranked: Vec<Ranked<'_>> = convolutions()
        .zip(&magnitudes)
        .map(|(id, scores)| Ranked::new(scores, network.kept()[id].as_deref()))
        .collect();
    let all: usize = magnitudes.iter().map(Vec::len).sum();
    keep_highest(&mut ranked, kept_of(all, density));
    if let Some((emptied, _)) = convolutions().zip(&ranked).find(|(_, tensor)| tensor.kept() == 0) {
        return Err(Error::Unsuitable(format!(
            "pruning to {:.2} % removes every weight of layer `{}`; lower `sparsity`",
            100.0 * (1.0 - density),
            graph.parameters[emptied].name
        )));
    }
    let left = convolutions().zip(&ranked).map(|(id, tensor)| (id, Some(tensor.keep.as_slice())));
    let strongest = mask_over(graph, left).map_err(Error::Mask)?;
    let mut mask = mask_of(network)?.unwrap_or_else(|| Mask::new(graph.arch.as_str()));
    for (name, bits) in strongest.iter() {
        mask.insert(name, bits.clone());
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, initialize};
    use unlearn_network::{DeviceChoice, Kept};
    use unlearn_training::apply_mask;

    use super::*;

    fn network() -> Network {
        let input = InputSpec { shape: [1, 8, 8], classes: 4, mean: vec![0.5], std: vec![0.25] };
        let graph = unlearn_models::find("resnet8s").unwrap().graph(&input).unwrap();
        Network::new(graph.clone(), initialize(&graph, 1), DeviceChoice::Cpu).unwrap()
    }

    /// Magnitudes in `before` of the convolution weights in `kept`, and of the other convolution weights.
    fn split(before: &Network, kept: &Kept) -> [Vec<f32>; 2] {
        let mut magnitudes = [vec![], vec![]];
        for (kept, values) in kept.iter().zip(before.state().parameters()) {
            for (kept, theta) in kept.iter().flatten().zip(values) {
                magnitudes[usize::from(!kept)].push(theta.abs());
            }
        }
        magnitudes
    }

    #[test]
    fn the_share_is_of_all_weights_and_the_largest_of_what_is_left_stay() {
        let (before, mut network) = (network(), network());
        let mut last: Option<Kept> = None;
        for density in [0.6, 0.25] {
            let mask = strongest(&network, density).unwrap();
            apply_mask(&mut network, &mask).unwrap();
            let [kept, pruned] = split(&before, network.kept());
            let all = kept.len() + pruned.len();
            assert_eq!(pruned.len(), ((1.0 - density) * all as f64).round_ties_even() as usize);
            let least = kept.into_iter().fold(f32::INFINITY, f32::min);
            assert!(pruned.into_iter().all(|theta| theta <= least), "{density}");
            for (now, last) in network.kept().iter().flatten().flatten().zip(last.iter().flatten().flatten().flatten())
            {
                assert!(!now || *last, "a pruned weight came back");
            }
            last = Some(network.kept().clone());
        }
        let mask = strongest(&network, 0.5).unwrap();
        apply_mask(&mut network, &mask).unwrap();
        assert_eq!(Some(network.kept()), last.as_ref(), "the network already keeps fewer");
    }

    #[test]
    fn a_layer_that_would_be_emptied_is_named() {
        let mut network = network();
        let graph = network.graph().clone();
        let weak = graph.parameters.iter().position(|p| p.name == "layer2.0.conv1.weight").unwrap();
        let mut state = network.state().clone();
        state.parameters_mut()[weak].iter_mut().for_each(|theta| *theta *= 1e-6);
        network.set_state(state);
        let message = strongest(&network, 0.5).unwrap_err().to_string();
        assert!(message.contains("`layer2.0.conv1.weight`") && message.contains("lower `sparsity`"), "{message}");
    }

    #[test]
    fn each_pruning_keeps_the_same_share_of_what_remains_and_the_last_epochs_train() {
        let densities = |epochs, every| {
            let config = Config { tuning: FineTuning::new(epochs, 0.1), sparsity: 0.84, every, gamma: 0.0 };
            (1..=epochs).map(|epoch| config.density_after(epoch)).collect::<Vec<_>>()
        };
        let found = densities(5, 2);
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, true, false]);
        assert!((found[1].unwrap() - 0.4).abs() < 1e-12 && (found[3].unwrap() - 0.16).abs() < 1e-12, "{found:?}");
        assert_eq!(
            densities(4, 2).iter().flatten().count(),
            1,
            "pruning after the fourth epoch would leave no epoch to recover"
        );
    }
}
