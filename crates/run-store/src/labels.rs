//! Labels of stages, from the indices of suites.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::key::StageKey;
use crate::store::Store;
use crate::suite_index::SuiteRow;

/// A stage's label in one suite, as in the suite's progress messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageLabel {
    /// The suite's name.
    pub suite: String,
    /// The label: `unlearn ft · class 0 · omp 95 % · seed 1`, `prune omp 95 % · seed 1`, `train · seed 1`.
    pub label: String,
}

impl SuiteRow {
    /// Label of the row's model: `dense`, or the pruning method with the sparsity in percent.
    pub fn model_label(&self) -> String {
        if self.pruning == "none" { "dense".to_owned() } else { pruning_label(&self.pruning, self.sparsity) }
    }

    /// Label of the row: method, request, model and seed.
    pub fn label(&self) -> String {
        format!("{} · {} · {} · seed {}", self.method, self.forget, self.model_label(), self.seed)
    }
}

/// Name and sparsity of a pruning: `omp 95 %`.
pub fn pruning_label(name: &str, sparsity: f64) -> String {
    format!("{name} {:.4} %", 100.0 * sparsity).replace(".0000 %", " %")
}

impl Store {
    /// The labels of all stages that suites name, and of their inputs. A stage that several suites share has a label
    /// for each. A stage that no suite names is not in the map.
    ///
    /// # Errors
    /// If an index cannot be read; [`StoreError::Damaged`](crate::StoreError::Damaged) if a stage exists but cannot
    /// be read.
    pub fn labels(&self) -> Result<BTreeMap<StageKey, Vec<StageLabel>>> {
        let mut labels: BTreeMap<StageKey, Vec<StageLabel>> = BTreeMap::new();
        for suite in self.suites()? {
            let index = self.suite(&suite)?;
            let mut add = |key: &StageKey, label: String| {
                let label = StageLabel { suite: suite.clone(), label };
                let held = labels.entry(key.clone()).or_default();
                if held.contains(&label) {
                    return false;
                }
                held.push(label);
                true
            };
            for row in &index.rows {
                add(&row.evaluate, format!("evaluate {}", row.label()));
                add(&row.unlearn, format!("unlearn {}", row.label()));
                // In a sequence, a request reads the result of the previous one, which has its own row.
                let mut below = self.find("unlearn", &row.unlearn)?;
                while let Some(model) = below.and_then(|stage| stage.manifest().inputs.get("model").cloned()) {
                    let Some(stage) = self.locate(&model)? else { break };
                    let label = match stage.manifest().kind.as_str() {
                        "prune" => format!("prune {} · seed {}", row.model_label(), row.seed),
                        "train" => format!("train · seed {}", row.seed),
                        _ => break,
                    };
                    if !add(&model, label) {
                        break;
                    }
                    below = Some(stage);
                }
            }
        }
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::StageSpec;
    use crate::store::Begin;
    use crate::suite_index::SuiteIndex;

    fn finish(store: &Store, spec: &StageSpec) -> StageKey {
        match store.begin(spec).unwrap() {
            Begin::Run(writer) => writer.finish().unwrap().key().clone(),
            Begin::Done(stage) => stage.key().clone(),
        }
    }

    #[test]
    fn stages_are_called_what_their_suites_call_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let spec = |kind: &str, input: Option<&StageKey>, seed: u64| {
            let spec = StageSpec::new(kind, json!({}), "data", seed);
            input.map_or(spec.clone(), |input| spec.with_input("model", input.clone()))
        };
        let train = finish(&store, &spec("train", None, 1));
        let prune = finish(&store, &spec("prune", Some(&train), 1));
        let unlearn = finish(&store, &spec("unlearn", Some(&prune), 1));
        let evaluate = finish(&store, &spec("evaluate", Some(&unlearn), 1));
        let other = finish(&store, &spec("train", None, 2));
        for suite in ["quick", "slow"] {
            let mut index = SuiteIndex::new(suite, "a test");
            index.rows.push(SuiteRow {
                dataset: "d".to_owned(),
                arch: "a".to_owned(),
                scenario: "class".to_owned(),
                forget: "class 0".to_owned(),
                sparsity: 0.955,
                pruning: "omp".to_owned(),
                method: "ft".to_owned(),
                seed: 1,
                unlearn: unlearn.clone(),
                evaluate: evaluate.clone(),
                turn: None,
            });
            store.write_suite(&index).unwrap();
        }
        let labels = store.labels().unwrap();
        let of = |key: &StageKey| {
            labels[key].iter().map(|label| format!("{}: {}", label.suite, label.label)).collect::<Vec<_>>()
        };
        assert_eq!(of(&train), ["quick: train · seed 1", "slow: train · seed 1"]);
        assert_eq!(of(&prune)[0], "quick: prune omp 95.5000 % · seed 1");
        assert_eq!(of(&unlearn)[0], "quick: unlearn ft · class 0 · omp 95.5000 % · seed 1");
        assert_eq!(of(&evaluate)[1], "slow: evaluate ft · class 0 · omp 95.5000 % · seed 1");
        assert!(!labels.contains_key(&other));
    }
}
