//! Kinds of stages: one file per kind, and one line in [`KINDS`]. The file defines the configuration of the kind, its
//! inputs, its computation and its results.
//!
//! A stage's description ([`StageSpec`]) holds everything that decides its result. Its inputs are in the store and
//! its data where datasets are, so any process can compute it.

mod audit;
mod bench;
mod curvature;
mod detect;
mod evaluate;
mod import;
mod model;
mod poison;
mod prune;
mod prune_anew;
mod rank;
mod rank_samples;
mod train;
mod transfer;
mod unlearn;
mod validate;
mod worst_case;

use serde::{Serialize, de::DeserializeOwned};
use unlearn_run_store::StageSpec;

pub(crate) use audit::{Audit, AuditConfig, CURVATURE, ORIGINAL};
pub(crate) use bench::{Bench, compute};
pub(crate) use curvature::{Curvature, CurvatureConfig};
pub(crate) use detect::{Detect, DetectConfig};
pub(crate) use evaluate::{Evaluate, EvaluateConfig, RAW, RETRAIN, SETS};
pub(crate) use import::{Import, ImportConfig, MASK_PLACE, MODEL_PLACE};
pub(crate) use model::LAST_FINITE;
pub use model::{MASK, MODEL};
pub(crate) use poison::{PoisonConfig, PoisonStage};
pub(crate) use prune::{Prune, PruneConfig};
pub(crate) use rank::{Rank, RankConfig};
pub(crate) use rank_samples::{RankSamples, RankSamplesConfig};
pub(crate) use train::{INIT, InitialKey, PICTURE, POISON, Train, TrainConfig};
pub(crate) use transfer::{TransferConfig, TransferStage};
pub(crate) use unlearn::{FOUND, RunTime, Unlearn, UnlearnConfig};
pub(crate) use validate::{Validate, ValidateConfig};
pub(crate) use worst_case::WorstCase;

use crate::{Error, Result};

/// All kinds, in their usual order.
pub static KINDS: &[StageKind] = &[
    entry::<PoisonStage>(),
    entry::<Train>(),
    entry::<Import>(),
    entry::<Prune>(),
    entry::<Detect>(),
    entry::<Rank>(),
    entry::<RankSamples>(),
    entry::<Unlearn>(),
    entry::<TransferStage>(),
    entry::<Evaluate>(),
    entry::<Curvature>(),
    entry::<Audit>(),
    entry::<Validate>(),
];

/// The content of one file in this folder.
pub(crate) trait Kind {
    /// Name of the kind, and of the folder of its stages in the store.
    const NAME: &'static str;
    /// Summary in one line.
    const SUMMARY: &'static str;
    /// The roles of its inputs.
    const INPUTS: &'static [&'static str];
    /// The roles of optional inputs.
    const OPTIONAL_INPUTS: &'static [&'static str] = &[];
    /// Whether its run time is a result. If so, nothing else should run beside it.
    const TIMED: bool = false;
    /// Its configuration. Unknown keys are refused.
    type Config: Serialize + DeserializeOwned;

    /// Computes the stage.
    fn run(config: &Self::Config, bench: &mut Bench<'_>) -> Result<()>;
}

/// A kind with its types erased, for the registry.
pub struct StageKind {
    /// Name of the kind, and of the folder of its stages in the store.
    pub name: &'static str,
    /// Summary in one line.
    pub summary: &'static str,
    /// The roles of its inputs.
    pub inputs: &'static [&'static str],
    /// The roles of optional inputs.
    pub optional_inputs: &'static [&'static str],
    /// Whether its run time is a result. If so, nothing else should run beside it.
    pub is_timed: bool,
    check: fn(&StageSpec) -> Result<(), String>,
    run: fn(&mut Bench<'_>) -> Result<()>,
}

const fn entry<K: Kind>() -> StageKind {
    StageKind {
        name: K::NAME,
        summary: K::SUMMARY,
        inputs: K::INPUTS,
        optional_inputs: K::OPTIONAL_INPUTS,
        is_timed: K::TIMED,
        check: |spec| config::<K>(spec).map(|_| ()),
        run: |bench| {
            let config = config::<K>(bench.spec).map_err(|reason| bench.failure(reason))?;
            K::run(&config, bench)
        },
    }
}

fn config<K: Kind>(spec: &StageSpec) -> Result<K::Config, String> {
    serde_json::from_value(spec.config.clone()).map_err(|error| format!("its `config`: {error}"))
}

/// The description of a stage of a kind.
pub(crate) fn describe<K: Kind>(config: &K::Config, fingerprint: &str, seed: u64) -> Result<StageSpec> {
    let config = serde_json::to_value(config).map_err(|error| Error::description(K::NAME, error))?;
    Ok(StageSpec::new(K::NAME, config, fingerprint, seed))
}

impl StageKind {
    /// The kind with this name.
    ///
    /// # Errors
    /// If the name is unknown. The error lists the valid ones.
    pub fn find(name: &str) -> Result<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let valid: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
            Error::description(name, format!("unknown kind of stage; valid kinds: {}", valid.join(", ")))
        })
    }

    /// Refuses a description with a missing or surplus input, or with a configuration of another form.
    ///
    /// # Errors
    /// The error says what is wrong and what is valid.
    pub fn check(&self, spec: &StageSpec) -> Result<()> {
        let named: Vec<&str> = spec.inputs.keys().map(String::as_str).collect();
        let mut wanted = self.inputs.to_vec();
        wanted.extend(self.optional_inputs.iter().filter(|role| named.contains(role)));
        wanted.sort_unstable();
        if named != wanted {
            let list = |roles: &[&str]| if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
            return Err(Error::description(
                self.name,
                format!("its inputs are: {}; it needs: {}", list(&named), list(&wanted)),
            ));
        }
        (self.check)(spec).map_err(|reason| Error::description(self.name, reason))
    }

    /// Computes the stage with a bench.
    pub(crate) fn run(&self, bench: &mut Bench<'_>) -> Result<()> {
        (self.run)(bench)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;
    use unlearn_run_store::StageKey;

    use super::*;

    #[test]
    fn every_kind_is_documented_and_uniquely_named() {
        let names: HashSet<_> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        // The store removes only folders of kinds that it knows.
        let stored: HashSet<_> = unlearn_run_store::KINDS.into_iter().filter(|kind| *kind != "forget").collect();
        assert_eq!(stored, names);
        for kind in KINDS {
            assert!(!kind.summary.is_empty(), "{}", kind.name);
            assert!(std::ptr::eq(StageKind::find(kind.name).unwrap(), kind));
        }
        let message = StageKind::find("trian").err().unwrap().to_string();
        assert!(message.contains("`trian`") && message.contains("train, import"), "{message}");
    }

    #[test]
    fn a_description_of_another_form_is_refused() {
        let key: StageKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let spec = |config| StageSpec::new("prune", config, "data", 1).with_input("model", key.clone());
        let prune = StageKind::find("prune").unwrap();
        let good = json!({ "method": "omp", "config": {}, "arithmetic": "cpu 1" });
        prune.check(&spec(good.clone())).unwrap();
        let refusal = |spec: &StageSpec| prune.check(spec).unwrap_err().to_string();
        let mut other = good.clone();
        other["sparsity"] = json!(0.5);
        assert!(refusal(&spec(other)).contains("unknown field `sparsity`"));
        assert!(refusal(&spec(json!({ "config": {} }))).contains("missing field"));
        let without = StageSpec::new("prune", good.clone(), "data", 1);
        assert!(refusal(&without).contains("its inputs are: none; it needs: model"));
        assert!(refusal(&spec(good).with_input("mask", key.clone())).contains("its inputs are: mask, model"));
    }
}
