//! The stages of a plan and their progress.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use unlearn_run_store::{StageKey, Store};

use super::{Failure, Failures, OnFailure, RunOptions, StageAt};
use crate::{Error, PlannedStage, Result, stages::StageKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
    Failed,
}

/// The stages of a plan and their progress.
pub(super) struct Queue<'a> {
    pub(super) stages: &'a [PlannedStage],
    states: Vec<State>,
    /// Positions in the plan of each stage's inputs.
    inputs: Vec<Vec<usize>>,
    failures: Failures,
}

impl<'a> Queue<'a> {
    /// Refuses a stage of an unknown kind or form, and a stage with an input that is neither in the plan nor in the
    /// store.
    pub(super) fn new(stages: &'a [PlannedStage], store: &Store) -> Result<Self> {
        let positions: HashMap<&StageKey, usize> = stages.iter().zip(0..).map(|(stage, at)| (&stage.key, at)).collect();
        let mut inputs = Vec::with_capacity(stages.len());
        for stage in stages {
            StageKind::find(&stage.spec.kind)?.check(&stage.spec)?;
            let mut own = Vec::new();
            for (role, key) in &stage.spec.inputs {
                match positions.get(key) {
                    Some(position) => own.push(*position),
                    None if store.locate(key)?.is_some() => {}
                    None => {
                        return Err(Error::description(
                            &stage.spec.kind,
                            format!(
                                "its input `{role}`, stage {key}, is not in the store {}; compute it first",
                                store.root().display()
                            ),
                        ));
                    }
                }
            }
            inputs.push(own);
        }
        Ok(Self { stages, states: vec![State::Waiting; stages.len()], inputs, failures: BTreeMap::new() })
    }

    /// Whether every stage is done or has failed.
    pub(super) fn is_over(&self) -> bool {
        self.states.iter().all(|state| matches!(state, State::Done | State::Failed))
    }

    /// Stages that can be computed now, in the order of the plan.
    pub(super) fn ready(&self) -> Vec<usize> {
        let is_ready = |stage: &usize| {
            self.states[*stage] == State::Waiting
                && self.inputs[*stage].iter().all(|input| self.states[*input] == State::Done)
        };
        (0..self.stages.len()).filter(is_ready).collect()
    }

    /// The position of a stage in the plan.
    pub(super) fn at(&self, stage: usize) -> StageAt<'a> {
        StageAt { number: stage + 1, total: self.stages.len(), label: &self.stages[stage].label }
    }

    /// Label of the first unfinished stage.
    pub(super) fn next_label(&self) -> &str {
        let next = self.states.iter().position(|state| matches!(state, State::Waiting | State::Running));
        next.map_or("", |next| self.stages[next].label.as_str())
    }

    pub(super) fn started(&mut self, stage: usize) {
        self.states[stage] = State::Running;
    }

    /// Notes that another process computes the stage.
    pub(super) fn put_back(&mut self, stage: usize) {
        self.states[stage] = State::Waiting;
    }

    pub(super) fn reused(&mut self, stage: usize, options: &RunOptions<'_>) {
        self.states[stage] = State::Done;
        options.reporter.reused(self.at(stage));
    }

    pub(super) fn finished(&mut self, stage: usize, started: Instant, options: &RunOptions<'_>) {
        self.states[stage] = State::Done;
        options.reporter.finished(self.at(stage), started.elapsed().as_secs_f64());
    }

    /// Notes that the stage is in the store, after this many seconds of work elsewhere.
    pub(super) fn arrived(&mut self, stage: usize, seconds: f64, options: &RunOptions<'_>) {
        self.states[stage] = State::Done;
        options.reporter.finished(self.at(stage), seconds);
    }

    /// Whether the stage is done or has failed.
    pub(super) fn is_settled(&self, stage: usize) -> bool {
        matches!(self.states[stage], State::Done | State::Failed)
    }

    /// Whether the stage, or one that it depends on, has failed.
    pub(super) fn has_failed(&self, stage: usize) -> bool {
        self.states[stage] == State::Failed
    }

    /// Positions of a stage's inputs in the plan.
    pub(super) fn inputs(&self, stage: usize) -> &[usize] {
        &self.inputs[stage]
    }

    /// Notes a failed stage and all that depend on it, or returns the error if a failure stops the run.
    pub(super) fn failed(&mut self, stage: usize, error: Error, options: &RunOptions<'_>) -> Result<()> {
        let reason = match error {
            Error::Stage { reason, .. } if options.on_failure == OnFailure::GoOn => reason,
            error @ Error::Diverged { .. } if options.on_failure == OnFailure::GoOn => error.to_string(),
            error => return Err(error),
        };
        self.states[stage] = State::Failed;
        self.failures.insert(self.stages[stage].key.clone(), Failure { reason: reason.clone(), is_own: true });
        // Inputs come before their readers, so one pass finds all dependent stages.
        for other in stage + 1..self.stages.len() {
            if self.inputs[other].iter().any(|input| self.states[*input] == State::Failed)
                && self.states[other] == State::Waiting
            {
                self.states[other] = State::Failed;
                let failure = Failure { reason: reason.clone(), is_own: false };
                self.failures.insert(self.stages[other].key.clone(), failure);
            }
        }
        Ok(())
    }

    /// Whether a stage's run time is a result.
    pub(super) fn is_timed(&self, stage: usize) -> bool {
        StageKind::find(&self.stages[stage].spec.kind).is_ok_and(|kind| kind.is_timed)
    }

    pub(super) fn into_failures(self) -> Failures {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unlearn_run_store::StageSpec;

    use super::*;

    fn options(on_failure: OnFailure) -> RunOptions<'static> {
        RunOptions { on_failure, ..RunOptions::unattended("a test") }
    }

    fn prune(number: u64, input: &StageKey) -> PlannedStage {
        let config = json!({ "method": "omp", "config": {}, "arithmetic": "cpu 1" });
        PlannedStage::of(StageSpec::new("prune", config, "data", number).with_input("model", input.clone()))
    }

    /// A stage, two stages that depend on it, and one that depends on the second of these.
    fn stages() -> Vec<PlannedStage> {
        let config = json!({
            "data": { "name": "fashion-mnist-mini" }, "arch": "resnet8s", "recipe": {}, "snapshots": [], "arithmetic": "cpu 1"
        });
        let first = PlannedStage::of(StageSpec::new("train", config, "data", 1));
        let (left, right) = (prune(1, &first.key), prune(2, &first.key));
        let last = prune(3, &right.key);
        vec![first, left, right, last]
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    #[test]
    fn a_stage_is_ready_when_its_inputs_are_done() {
        let (stages, (_folder, store), options) = (stages(), store(), options(OnFailure::Stop));
        let mut queue = Queue::new(&stages, &store).unwrap();
        assert_eq!(queue.ready(), [0]);
        queue.started(0);
        assert_eq!(queue.ready(), [0; 0]);
        queue.put_back(0);
        queue.reused(0, &options);
        assert_eq!(queue.ready(), [1, 2]);
        queue.finished(2, Instant::now(), &options);
        assert_eq!(queue.ready(), [1, 3]);
        assert!(!queue.is_over());
        queue.finished(1, Instant::now(), &options);
        queue.finished(3, Instant::now(), &options);
        assert!(queue.is_over() && queue.into_failures().is_empty());
    }

    #[test]
    fn a_failure_takes_along_what_builds_on_it_and_nothing_else() {
        let (stages, (_folder, store), options) = (stages(), store(), options(OnFailure::GoOn));
        let mut queue = Queue::new(&stages, &store).unwrap();
        queue.finished(0, Instant::now(), &options);
        let failed = Error::Stage { stage: "prune".into(), reason: "it diverged".into() };
        queue.failed(2, failed, &options).unwrap();
        assert_eq!(queue.ready(), [1]);
        queue.finished(1, Instant::now(), &options);
        assert!(queue.is_over());
        let failures = queue.into_failures();
        assert_eq!(failures.len(), 2);
        for stage in [2, 3] {
            let expected = Failure { reason: "it diverged".into(), is_own: stage == 2 };
            assert_eq!(failures[&stages[stage].key], expected);
        }
    }

    #[test]
    fn a_failure_stops_the_run_unless_told_otherwise_and_an_interruption_always_does() {
        let (stages, (_folder, store)) = (stages(), store());
        for (on_failure, error) in [
            (OnFailure::Stop, Error::Stage { stage: "train".into(), reason: "no".into() }),
            (OnFailure::GoOn, Error::Interrupted { stage: "train".into() }),
        ] {
            let mut queue = Queue::new(&stages, &store).unwrap();
            assert!(queue.failed(0, error, &options(on_failure)).is_err());
        }
    }

    #[test]
    fn an_input_that_is_nowhere_and_a_kind_that_is_none_are_refused_before_anything_runs() {
        let (_folder, store) = store();
        let refusal = |stages: &[PlannedStage]| Queue::new(stages, &store).map(|_| ()).unwrap_err();
        let error = refusal(&stages()[1..]);
        assert!(error.is_usage());
        let message = error.to_string();
        assert!(message.contains("input `model`") && message.contains("compute it first"), "{message}");
        let message = refusal(&[PlannedStage::of(StageSpec::new("trian", json!({}), "data", 1))]).to_string();
        assert!(message.contains("unknown kind of stage"), "{message}");
    }
}
