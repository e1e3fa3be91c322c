//! Relearn time: how many steps of training bring the accuracy on some samples back.

use unlearn_network::Network;
use unlearn_samples::{Augmentation, ImageSet};

use crate::{
    CrossEntropy, Error, Recipe, Result, Session, Update,
    learner::Learner,
    predict::predict,
    step::{At, Seen},
    update::Optimizer,
};

/// The course of a relearning.
#[derive(Debug, Clone, PartialEq)]
pub struct Relearned {
    /// Number of steps until the accuracy was reached. `None` if it was not reached within the limit.
    pub steps: Option<usize>,
    /// Accuracy on the samples before the first step and after each step, in percent.
    pub accuracies: Vec<f64>,
}

/// Trains `network` on the samples at `positions` until its accuracy on them is at least `wanted` percent, for at most `limit` steps. The
/// recipe gives the batch size, the learning rate, which stays as it is, and the optimiser; its augmentations, epochs and schedule have no
/// meaning here. The accuracy is measured before the first step and after each step. The network holds the weights of the last step
/// afterwards.
///
/// Source: Golatkar et al. 2020, arXiv 1911.04933, section 5.
///
/// # Errors
/// If there are no samples, the recipe is out of range, the network fails, the loss is not finite, or the user interrupts. Nothing is
/// saved, so an interrupted relearning begins again.
pub fn relearn(
    network: &mut Network,
    (images, positions): (&ImageSet, &[u32]),
    recipe: &Recipe,
    (wanted, limit): (f64, usize),
    seed: u64,
    session: Session<'_>,
) -> Result<Relearned> {
    let recipe = &Recipe { augment: false, rand_augment: None, cutout: None, mixup: None, ..recipe.clone() };
    recipe.check()?;
    let batches = recipe.batches(images, positions, Augmentation::NONE, seed)?;
    let accuracy = |network: &mut Network| {
        let predictions = predict(network, images, positions)?;
        predictions.check_finite(positions, &recipe.strong_settings())?;
        Ok::<_, Error>(predictions.accuracy())
    };
    let update = Update::default();
    let optimizer = Optimizer::new(recipe, &update, network.state().parameters());
    let mut objective = CrossEntropy::default();
    let mut accuracies = vec![accuracy(network)?];
    let mut learner = Learner::new(network, optimizer, &objective)?;
    let batches = batches.in_bytes(learner.takes_bytes());
    let mut epoch = 0;
    while accuracies.len() <= limit && accuracies[accuracies.len() - 1] < wanted {
        for batch in batches.epoch(epoch as u64, 0) {
            session.go_on()?;
            let at = At { epoch, number: accuracies.len() as u64, progress: 0.0, lr: recipe.lr };
            let Seen { loss, .. } = learner.step(&mut objective, std::slice::from_ref(&batch?), at, &update)?;
            if !loss.is_finite() {
                return Err(match accuracies.len() {
                    1 => Error::NotFiniteAtFirst { loss },
                    steps => Error::Diverged {
                        loss,
                        epoch,
                        batch: steps - 1,
                        lr: recipe.lr,
                        settings: recipe.strong_settings(),
                    },
                });
            }
            accuracies.push(accuracy(learner.network()?)?);
            if accuracies.len() > limit || accuracies[accuracies.len() - 1] >= wanted {
                break;
            }
        }
        epoch += 1;
    }
    learner.finish()?;
    let steps = accuracies.len() - 1;
    Ok(Relearned { steps: (accuracies[steps] >= wanted).then_some(steps), accuracies })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unlearn_network::{DeviceChoice, GraphBuilder, State};

    use super::*;

    /// A network with two logits from two pixels, all weights 0, so that it answers with class 0.
    fn network() -> Network {
        let (mut graph, images) = GraphBuilder::new("linear", [2, 1, 1]);
        let pooled = graph.global_avg_pool("pool", images);
        graph.linear("fc", pooled, 2);
        let graph = Arc::new(graph.finish());
        let state = State::zeros(&graph);
        Network::new(graph, state, DeviceChoice::Cpu).unwrap()
    }

    #[test]
    fn counts_the_steps_until_the_accuracy_is_back() {
        let images = ImageSet::new([2, 1, 1], vec![0, 255, 0, 255, 0, 255, 0, 255], vec![1; 4]).unwrap();
        let recipe = Recipe { lr: 0.1, batch_size: 2, momentum: 0.0, weight_decay: 0.0, ..Recipe::default() };
        let session = Session::unattended;
        let found = relearn(&mut network(), (&images, &[0, 1, 2, 3]), &recipe, (95.0, 10), 1, session()).unwrap();
        // One step along the gradient of class 1 is enough for equal images.
        assert_eq!(found, Relearned { steps: Some(1), accuracies: vec![0.0, 100.0] });
        let none = relearn(&mut network(), (&images, &[0]), &recipe, (0.0, 10), 1, session()).unwrap();
        assert_eq!(none.steps, Some(0));
        // Equal images of two classes: half of the answers at most are right.
        let images = ImageSet::new([2, 1, 1], vec![0, 255, 0, 255], vec![0, 1]).unwrap();
        let never = relearn(&mut network(), (&images, &[0, 1]), &recipe, (95.0, 7), 1, session()).unwrap();
        assert_eq!((never.steps, never.accuracies.len()), (None, 8));
        assert!(relearn(&mut network(), (&images, &[]), &recipe, (95.0, 7), 1, session()).is_err());
        // Logits that are not finite are no answer, not even of class 0.
        let images = ImageSet::new([2, 1, 1], vec![0, 255, 0, 255], vec![0, 0]).unwrap();
        let mut network = network();
        let mut state = State::zeros(network.graph());
        state.parameters_mut().iter_mut().flatten().for_each(|value| *value = f32::MAX);
        network.set_state(state);
        let error = relearn(&mut network, (&images, &[0, 1]), &recipe, (95.0, 7), 1, session()).unwrap_err();
        assert!(matches!(error, Error::Answers { .. }), "{error}");
    }
}
