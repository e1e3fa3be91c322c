//! What a pruning method is given, and what it leaves.

use unlearn_datasets::{Augmentation, ImageSet};
use unlearn_masks::Mask;
use unlearn_network::{Network, State};
use unlearn_training::{CrossEntropy, EpochRow, Recipe, Run, Session, train};

use crate::{Error, Result, error::unknown, omp};

/// A request to prune, with all that a method may use.
pub struct Request<'a> {
    /// The trained dense model; the method leaves the pruned and retrained one in it.
    pub network: &'a mut Network,
    /// The weights before training.
    pub initial: State,
    /// The weights after the given number of epochs of dense training, as far as they were kept.
    pub snapshot: &'a dyn Fn(usize) -> Option<State>,
    /// The official training images.
    pub images: &'a ImageSet,
    /// Positions to train on.
    pub train: &'a [u32],
    /// Positions of the validation set D_v.
    pub validation: &'a [u32],
    /// How the dense model was trained.
    pub recipe: &'a Recipe,
    /// The dataset's augmentation, used where the recipe says so.
    pub augmentation: Augmentation,
    /// Seed of everything random in the method.
    pub seed: u64,
    /// Progress, saved state and interruption.
    pub session: Session<'a>,
}

/// What a method leaves besides the pruned network.
#[derive(Debug)]
pub struct Outcome {
    /// Which weights are kept.
    pub mask: Mask,
    /// A row per epoch of retraining.
    pub epochs: Vec<EpochRow>,
}

/// A pruning method: a criterion, a schedule and what follows.
pub struct PruningMethod {
    /// Name in suites, files and reports.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Paper and equation.
    pub source: &'static str,
    /// Fills in the defaults of a configuration and checks it.
    pub resolve: fn(&serde_json::Value) -> Result<serde_json::Value>,
    /// What the method needs from dense training, and what it aims at.
    pub plan: fn(&serde_json::Value) -> Result<Plan>,
    /// Prunes.
    pub run: fn(&serde_json::Value, &mut Request<'_>) -> Result<Outcome>,
}

/// What must be known of a method before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Share of zeros among the covered weights, in 0..1.
    pub sparsity: f64,
    /// Numbers of epochs after which dense training must keep its weights.
    pub snapshots: Vec<usize>,
}

/// All pruning methods. `none`, the dense model itself, is no method: there is nothing to run.
pub static METHODS: &[PruningMethod] = &[omp::METHOD];

/// Looks a method up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn find(name: &str) -> Result<&'static PruningMethod> {
    let names: Vec<_> = std::iter::once("none").chain(METHODS.iter().map(|m| m.name)).collect();
    METHODS.iter().find(|m| m.name == name).ok_or_else(|| unknown("method", name, &names))
}

impl Request<'_> {
    /// Trains the network as it is, from `start_epoch` of the recipe to its end.
    pub(crate) fn retrain(&mut self, start_epoch: usize) -> Result<Vec<EpochRow>> {
        let batches = self.recipe.batches(self.images, self.train, self.augmentation, self.seed)?;
        let validation = Some((self.images, self.validation));
        let run = Run { recipe: self.recipe, batches: &batches, start_epoch, snapshots: &[], validation };
        let mut objective = CrossEntropy { label_smoothing: self.recipe.label_smoothing };
        Ok(train(self.network, &mut objective, &run, self.session)?.epochs)
    }
}

/// Refuses a mask that leaves nothing of a layer.
pub(crate) fn refuse_collapse(mask: &Mask, sparsity: f64) -> Result<()> {
    match mask.empty_layers().first() {
        Some(layer) => Err(Error::LayerCollapse { layer: (*layer).to_string(), sparsity }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unlearn_models::{InputSpec, initialize};
    use unlearn_network::DeviceChoice;

    use super::*;
    use crate::CRITERIA;

    fn prune(config: &serde_json::Value) -> Result<(Network, Outcome)> {
        let input = InputSpec { shape: [1, 8, 8], classes: 4, mean: vec![0.5], std: vec![0.25] };
        let graph = unlearn_models::find("resnet8s").unwrap().graph(&input).unwrap();
        let pixels: Vec<u8> = (0..24 * 64).map(|i| ((i * 31 + i * i / 5) % 256) as u8).collect();
        let images = ImageSet::new([1, 8, 8], pixels, (0..24).map(|i| i % 4).collect::<Vec<u32>>()).unwrap();
        let mut network = Network::new(graph.clone(), initialize(&graph, 1), DeviceChoice::Cpu).unwrap();
        let early = initialize(&graph, 2);
        let recipe = Recipe { epochs: 2, batch_size: 8, ..Recipe::default() };
        let mut request = Request {
            network: &mut network,
            initial: initialize(&graph, 3),
            snapshot: &|epoch| (epoch == 1).then(|| early.clone()),
            images: &images,
            train: &(0..20).collect::<Vec<_>>(),
            validation: &(20..24).collect::<Vec<_>>(),
            recipe: &recipe,
            augmentation: Augmentation::NONE,
            seed: 5,
            session: Session::unattended(),
        };
        let method = find("omp")?;
        let outcome = (method.run)(&(method.resolve)(config)?, &mut request)?;
        Ok((network, outcome))
    }

    #[test]
    fn every_criterion_and_rewinding_gives_the_sparsity_asked_for() {
        for criterion in CRITERIA {
            for (rewind, epochs) in [("lt", 2), ("rewind-lt", 1), ("pt", 2)] {
                let config = json!({
                    "criterion": criterion.name, "rewind": rewind, "rewind-epoch": 1, "sparsity": 0.75,
                });
                let (network, outcome) = prune(&config).unwrap();
                let expected = outcome.mask.len() - (0.75 * outcome.mask.len() as f64).round_ties_even() as usize;
                assert_eq!((outcome.mask.kept(), outcome.epochs.len()), (expected, epochs), "{config}");
                let graph = network.graph();
                for (parameter, values) in graph.parameters.iter().zip(network.state().parameters()) {
                    let Some(bits) = outcome.mask.get(&parameter.name) else { continue };
                    assert!(bits.iter().zip(values).all(|(kept, value)| kept || value.to_bits() == 0), "{config}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_pruned_says_why() {
        for (config, expected) in [
            (json!({ "sparsity": 0.9999, "rewind-epoch": 1 }), "layer collapse"),
            (json!({ "sparsity": 0.5, "rewind-epoch": 2 }), "`rewind-epoch` is 2"),
            (json!({ "sparsity": 1.5 }), "`sparsity`"),
            (json!({ "criterion": "magnitud" }), "did you mean `magnitude`"),
            (json!({ "sparsty": 0.5 }), "`sparsty`"),
        ] {
            let message = prune(&config).err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(find("opm").err().unwrap().to_string().contains("none, omp"));
    }
}
