//! `boundary-expand`: the model gets one additional output, the forget set is fine-tuned to it, and the output is
//! then removed ("Boundary Expanding", Chen et al. 2023, arXiv 2303.11570).
//!
//! The additional output starts from fresh values, drawn by the request's seed. All other values start from the
//! original model's.

use std::{sync::Arc, time::Instant};

use unlearn_network::{Graph, Network, Node, Op, ParameterId, State, initialize};
use unlearn_training::{CrossEntropy, Error, Result, Run, train};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, log},
    shared::fine_tuning::{self, FineTuning},
};

/// Fine-tuning of the forget set to an additional class.
pub(crate) struct BoundaryExpand;

impl Method for BoundaryExpand {
    const NAME: &'static str = "boundary-expand";
    const SUMMARY: &'static str = "fine-tuning of the forget set to an additional class, which is then removed";
    const SOURCE: &'static str = "Chen et al. 2023, arXiv 2303.11570 (Boundary Expanding)";
    const PARAMETERS: &'static [&'static [Parameter]] =
        &[&fine_tuning::parameters(Origin::Code, Origin::Code, log(1e-6, 1e-3))];
    type Config = FineTuning;

    fn defaults() -> FineTuning {
        FineTuning::new(10, 1e-5)
    }

    fn check(config: &FineTuning) -> std::result::Result<(), String> {
        config.check()
    }

    fn suits(_: &FineTuning, prospect: &Prospect<'_>) -> std::result::Result<(), String> {
        with_further_output(prospect.graph).map_err(|error| error.to_string())?;
        prospect.needs_forgotten()
    }

    fn run(config: &FineTuning, request: &mut Request<'_>) -> Result<Outcome> {
        let started = Instant::now();
        let mut wide = expanded(request)?;
        let prepared = started.elapsed().as_secs_f64();
        let recipe = config.recipe(request.task.recipe);
        let further = request.network.graph().classes() as u32;
        let labels = vec![further; request.task.images.len()];
        let batches = request.batches(request.forget, &recipe)?.with_labels(labels)?;
        let outcome =
            train(&mut wide, &mut CrossEntropy::default(), &Run::new(&recipe, &batches), request.task.session)?;
        let mut state = request.network.state().clone();
        copy(wide.state(), &mut state);
        request.network.set_state(state);
        Ok(Outcome { epochs: outcome.epochs, seconds: outcome.seconds + prepared })
    }
}

/// The request's network with one additional output and the same mask.
fn expanded(request: &Request<'_>) -> Result<Network> {
    let graph = request.network.graph();
    let (wide, weight) = with_further_output(graph)?;
    let mut state = initialize(&wide, request.task.seed);
    copy(request.network.state(), &mut state);
    let mut kept = request.network.kept().clone();
    if let Some(kept) = &mut kept[weight] {
        kept.resize(state.parameters()[weight].len(), true);
    }
    let mut network = Network::new(Arc::new(wide), state, request.task.device)?;
    network.prune(kept)?;
    Ok(network)
}

/// The graph with one additional output, and the weight of its last layer.
fn with_further_output(graph: &Graph) -> Result<(Graph, ParameterId)> {
    let mut wide = graph.clone();
    let Some(Node { op: Op::Linear { weight, bias }, shape, .. }) = wide.nodes.last_mut() else {
        return Err(Error::Unsuitable(format!(
            "{} does not end in a fully connected layer, which the method must widen; use another method",
            graph.arch
        )));
    };
    let (weight, bias) = (*weight, *bias);
    shape[0] += 1;
    wide.parameters[weight].shape[0] += 1;
    wide.parameters[bias].shape[0] += 1;
    Ok((wide, weight))
}

/// Copies every tensor, as far as both have it. In both, the last layer begins with the same rows.
fn copy(from: &State, to: &mut State) {
    let pairs = from.parameters().iter().zip(to.parameters_mut());
    pairs.for_each(|(from, to)| to.iter_mut().zip(from).for_each(|(to, from)| *to = *from));
    to.buffers_mut().clone_from_slice(from.buffers());
}

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, find};
    use unlearn_network::{DeviceChoice, Mode};

    use super::*;

    #[test]
    fn the_wider_network_says_the_same_and_one_thing_more() {
        let input = InputSpec { shape: [1, 8, 8], classes: 3, mean: vec![0.5], std: vec![0.25] };
        let graph = find("resnet8s").unwrap().graph(&input).unwrap();
        let state = initialize(&graph, 1);
        let (wide, weight) = with_further_output(&graph).unwrap();
        assert_eq!((wide.classes(), wide.parameters[weight].name.as_str()), (4, "fc.weight"));
        let mut wide_state = initialize(&wide, 2);
        copy(&state, &mut wide_state);
        let mut narrowed = initialize(&graph, 3);
        copy(&wide_state, &mut narrowed);
        assert_eq!(narrowed.parameters(), state.parameters());

        let logits = |graph: Arc<Graph>, state| {
            let mut logits = vec![];
            let mut network = Network::new(graph, state, DeviceChoice::Cpu).unwrap();
            network.forward(&[0.7; 64], Mode::Evaluate, &mut logits).unwrap();
            logits
        };
        let (narrow, wide) = (logits(graph, state), logits(Arc::new(wide), wide_state));
        assert_eq!(narrow, wide[..3]);
        assert_eq!(wide.len(), 4);
    }
}
