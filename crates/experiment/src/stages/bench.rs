//! Everything that computing one stage needs.

use std::{fmt::Display, time::Duration};

use serde_json::json;
use unlearn::parts::{check_fingerprint, scores_until};
use unlearn_metrics::Scores;
use unlearn_network::Network;
use unlearn_run_store::{StageSpec, StageWriter, Store, clock};
use unlearn_samples::{Dataset, ImageSet};
use unlearn_training::{EpochRow, Session};

use super::StageKind;
use crate::{Error, Result, checkpoints::FileCheckpoints, materials::Materials, schedule::RunOptions};

/// Everything that computing one stage needs.
pub(crate) struct Bench<'a> {
    pub(crate) spec: &'a StageSpec,
    /// Label for users.
    pub(crate) label: &'a str,
    pub(crate) store: &'a Store,
    pub(crate) materials: &'a Materials,
    pub(crate) writer: StageWriter,
    pub(crate) session: Session<'a>,
    /// Interval between saves of the state.
    pub(crate) checkpoint_interval: Duration,
}

/// Computes a stage. The caller has the exclusive right to it.
pub(crate) fn compute(
    (spec, label): (&StageSpec, &str),
    writer: StageWriter,
    store: &Store,
    materials: &Materials,
    options: &RunOptions<'_>,
) -> Result<()> {
    let kind = StageKind::find(&spec.kind)?;
    let checkpoints = FileCheckpoints::new(&writer.checkpoint_dir()?, options.checkpoint_interval);
    let session = Session { progress: options.reporter, checkpoints: &checkpoints, interrupt: options.interrupt };
    let checkpoint_interval = options.checkpoint_interval;
    let mut bench = Bench { spec, label, store, materials, writer, session, checkpoint_interval };
    bench.log(if bench.writer.resumed() { "resumed" } else { "started" }, None)?;
    let result = kind.run(&mut bench);
    match &result {
        Ok(()) => bench.log("finished", None)?,
        // The user must learn of the failure itself, even if it could not be logged.
        Err(error) => drop(bench.log("stopped", Some(&error.to_string()))),
    }
    match result {
        // What the stage needs is opened in many places, and the interrupt may have ended a download there.
        Err(Error::Stage { .. }) if bench.session.interrupted() => return Err(bench.interruption()),
        result => result?,
    }
    bench.writer.finish()?;
    Ok(())
}

impl Bench<'_> {
    /// Adds a line to the stage's `log.jsonl`.
    fn log(&mut self, event: &str, reason: Option<&str>) -> Result<()> {
        let line = json!({ "time": clock::now(), "event": event, "stage": self.label, "reason": reason });
        Ok(self.writer.append_log(&line)?)
    }

    /// This stage's error with a reason.
    pub(crate) fn failure(&self, reason: impl Display) -> Error {
        Error::Stage { stage: self.label.to_owned(), reason: reason.to_string() }
    }

    /// The error of a user's interruption.
    pub(crate) fn interruption(&self) -> Error {
        Error::Interrupted { stage: self.label.to_owned() }
    }

    /// This stage's error for a training error, which may be the user's interruption.
    pub(crate) fn training_failure(&self, error: &unlearn_training::Error, reason: &dyn Display) -> Error {
        match error {
            unlearn_training::Error::Interrupted => self.interruption(),
            _ => self.failure(reason),
        }
    }

    /// This stage's error for a model that could not be judged, perhaps because of the user's interruption.
    pub(crate) fn judging_failure(&self, failure: &unlearn::Error) -> Error {
        match failure {
            failure if failure.is_interruption() => self.interruption(),
            unlearn::Error::Answer { .. } => {
                let model =
                    self.spec.inputs.values().map(|key| key.short().to_owned()).collect::<Vec<_>>().join(" or ");
                self.failure(format!(
                    "{failure}; lower the settings that made the model (its learning rate, or the strength of its method), remove \
                     its stage {model} (`unlearn runs rm`), and run again"
                ))
            }
            _ => self.failure(failure),
        }
    }

    /// A network's scores on samples. Answers that are not finite are refused, because their largest would say nothing.
    pub(crate) fn scores(&self, network: &mut Network, images: &ImageSet, positions: &[u32]) -> Result<Scores> {
        scores_until(network, images, positions, Some(self.session.interrupt))
            .map_err(|error| self.judging_failure(&error))
    }

    /// A network's accuracy on samples, %. The errors are those of [`Bench::scores`].
    pub(crate) fn accuracy(&self, network: &mut Network, images: &ImageSet, positions: &[u32]) -> Result<f64> {
        self.scores(network, images, positions)?.accuracy().map_err(|error| self.failure(error))
    }

    /// Refuses images other than those in the description.
    pub(crate) fn check_images(&self, dataset: &Dataset) -> Result<()> {
        check_fingerprint(dataset, &self.spec.data_fingerprint).map_err(|error| self.failure(error))
    }

    /// Refuses an executor other than the one in the description, because its results differ in the last bits.
    pub(crate) fn check_arithmetic(&self, wanted: &str, found: &str) -> Result<()> {
        if wanted == found {
            return Ok(());
        }
        Err(self.failure(format!(
            "it is described for the arithmetic `{wanted}`, and this device computes with `{found}`; choose the device with `--device`"
        )))
    }

    /// The finished stage that this one reads in a role.
    pub(crate) fn input(&self, role: &str) -> Result<unlearn_run_store::Stage> {
        let key = self.spec.inputs.get(role).ok_or_else(|| self.failure(format!("its input `{role}` is not named")))?;
        let missing = || {
            self.failure(format!(
                "its input `{role}`, stage {key}, is not in the store {}; compute it first",
                self.store.root().display()
            ))
        };
        self.store.locate(key)?.ok_or_else(missing)
    }

    /// Writes the rows of `metrics.jsonl`. Rows of an earlier, killed attempt are replaced.
    pub(super) fn save_epochs(&mut self, rows: &[EpochRow]) -> Result<()> {
        self.writer.truncate_metrics(0)?;
        rows.iter().try_for_each(|row| Ok(self.writer.append_metrics(row)?))
    }
}
