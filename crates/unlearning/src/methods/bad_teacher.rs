//! `bad-teacher`: the student learns the forget set from an untrained model, and part of the retain set from the
//! original model (Chundawat et al. 2023, arXiv 2205.08096). The loss is T²·KL(teacher‖student).
//!
//! The incompetent teacher has fresh values and the same mask. Teachers run in evaluation mode and see the same
//! augmented images as the student. The part of D_r is drawn once by the request's seed. Weight decay is 0, as in the
//! paper's code.
//!
//! Deviations: the loss is a mean over samples. The paper's code averages over samples and classes, which affects
//! Adam only through its ε.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use unlearn_network::{LossTerm, Mode, Network, initialize};
use unlearn_random::{shuffle, stream};
use unlearn_samples::Batch;
use unlearn_training::{Objective, Recipe, Result, Rule, Update, evaluate};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, fixed, log},
    shared::{
        fine_tuning::{self, FineTuning},
        range::{positive, share},
    },
};

/// Distillation from a competent and an incompetent teacher.
pub(crate) struct BadTeacher;

/// Keys of `bad-teacher`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Epochs over both sets, learning rate of Adam, and batch size.
    #[serde(flatten)]
    tuning: FineTuning,
    /// Temperature T of the divergence.
    temperature: f64,
    /// Share of D_r that is used.
    retain_share: f64,
}

impl Method for BadTeacher {
    const NAME: &'static str = "bad-teacher";
    const SUMMARY: &'static str = "distillation, on the forget set from a fresh model, elsewhere from the original";
    const SOURCE: &'static str = "Chundawat et al. 2023, arXiv 2205.08096";
    const PARAMETERS: &'static [&'static [Parameter]] = &[
        &fine_tuning::parameters(Origin::Code, Origin::Code, log(1e-5, 1e-3)),
        &[
            fixed("temperature", "divisor of the logits before they are compared", Origin::Code),
            fixed("retain-share", "share of the retain set that is used", Origin::Code),
        ],
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { tuning: FineTuning::new(1, 1e-4), temperature: 1.0, retain_share: 0.3 }
    }

    fn check(config: &Config) -> std::result::Result<(), String> {
        positive("temperature", config.temperature)?;
        share("retain-share", config.retain_share)?;
        config.tuning.check()
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> std::result::Result<(), String> {
        prospect.needs_forgotten()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> Result<Outcome> {
        let started = Instant::now();
        let mut objective = Teachers {
            competent: request.teacher(request.network.state().clone())?,
            incompetent: request.teacher(initialize(request.network.graph(), request.task.seed))?,
            forgotten: request.forgotten(),
            answers: vec![],
            temperature: config.temperature,
        };
        let retain = part(request.retain, config.retain_share, request.task.seed);
        let recipe = Recipe { weight_decay: 0.0, ..config.tuning.recipe(request.task.recipe) };
        let update = Update { rule: Some(Rule::Adam), ..Update::default() };
        let prepared = started.elapsed().as_secs_f64();
        let samples = [request.forget, &retain].concat();
        let outcome = request.train_by(update, &samples, &recipe, &mut objective)?;
        Ok(Outcome { seconds: outcome.seconds + prepared, ..outcome })
    }
}

/// A share of some positions, with its size rounded to the nearest integer, drawn by a seed.
fn part(positions: &[u32], share: f64, seed: u64) -> Vec<u32> {
    let mut part = positions.to_vec();
    shuffle(&mut stream("bad-teacher", &[seed]), &mut part);
    part.truncate((share * positions.len() as f64).round() as usize);
    part
}

/// T²·KL from the incompetent teacher on D_f, and from the competent one elsewhere.
struct Teachers {
    competent: Network,
    incompetent: Network,
    forgotten: Vec<bool>,
    answers: Vec<f32>,
    temperature: f64,
}

impl Teachers {
    fn term(&self) -> LossTerm<'_> {
        LossTerm::Divergence { teacher: &self.answers, temperature: self.temperature, weight: 1.0 }
    }
}

impl Objective for Teachers {
    fn prepare(&mut self, _: usize, batch: &Batch) -> Result<()> {
        let size = batch.images.len() / batch.len();
        let classes = self.competent.graph().classes();
        self.answers.clear();
        self.answers.resize(batch.len() * classes, 0.0);
        for (teacher, forgotten) in [(&mut self.competent, false), (&mut self.incompetent, true)] {
            let of_teacher = |sample: &usize| self.forgotten[batch.indices[*sample] as usize] == forgotten;
            let samples: Vec<usize> = (0..batch.len()).filter(of_teacher).collect();
            if samples.is_empty() {
                continue;
            }
            let images: Vec<f32> =
                samples.iter().flat_map(|sample| &batch.images[sample * size..][..size]).copied().collect();
            let mut logits = vec![];
            teacher.forward(&images, Mode::Evaluate, &mut logits)?;
            for (sample, logits) in samples.iter().zip(logits.chunks(classes)) {
                self.answers[sample * classes..][..classes].copy_from_slice(logits);
            }
        }
        Ok(())
    }

    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        evaluate(&[self.term()], logits.len() / batch.len(), logits, dlogits)
    }

    fn known_loss<'a>(&'a self, _: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        Some(vec![self.term()])
    }
}

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, find};
    use unlearn_network::DeviceChoice;

    use super::*;

    #[test]
    fn each_sample_has_its_own_teacher() {
        let input = InputSpec { shape: [1, 8, 8], classes: 3, mean: vec![0.5], std: vec![0.25] };
        let graph = find("resnet8s").unwrap().graph(&input).unwrap();
        let network = |seed| Network::new(graph.clone(), initialize(&graph, seed), DeviceChoice::Cpu).unwrap();
        let images: Vec<f32> = (0..3 * 64).map(|i| (i * 7 % 11) as f32 / 11.0).collect();
        let answers = |seed| {
            let mut logits = vec![];
            network(seed).forward(&images, Mode::Evaluate, &mut logits).unwrap();
            logits
        };
        let (competent, incompetent) = (answers(1), answers(2));
        let forgotten = vec![false, true, false, false];
        let (answers, temperature) = (vec![], 1.0);
        let mut objective =
            Teachers { competent: network(1), incompetent: network(2), forgotten, answers, temperature };
        let batch = Batch { images: images.clone().into(), labels: vec![0; 3], indices: vec![3, 1, 0], mixed: None };
        objective.prepare(0, &batch).unwrap();
        assert_eq!(objective.answers, [&competent[..3], &incompetent[3..6], &competent[6..]].concat());
        let mut gradient = [1.0; 9];
        let loss = objective.loss(&batch, &objective.answers.clone(), &mut gradient);
        assert_eq!((loss, gradient), (0.0, [0.0; 9]));
    }

    #[test]
    fn a_part_is_a_share_drawn_by_the_seed() {
        let all: Vec<u32> = (100..200).collect();
        let drawn = part(&all, 0.3, 5);
        assert_eq!(drawn.len(), 30);
        assert!(drawn.iter().all(|position| all.contains(position)));
        assert_eq!(drawn, part(&all, 0.3, 5));
        assert_ne!(drawn, part(&all, 0.3, 6));
    }
}
