//! Pools of models for attacks: every model is trained on a part of the split, and asked to forget a part of that.
//!
//! The design is balanced. For every sample, a third of the models never see it, a third are trained with it, and a third are trained with
//! it and then unlearn it (as RULI, arXiv 2506.13009, section 4, needs them). Which models these are is drawn anew for each sample, so the
//! parts of two models are independent. One pool serves every attack, and its models are ordinary stages: they are trained once, survive a
//! kill, and are shared with any suite that needs the same ones.

use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unlearn_random::stream;

use crate::{
    Error, Result, Suite,
    suite::{ForgetSection, MethodSection},
    wanted::Wanted,
};

/// `[data.pool]`: the part of the split that one model of a pool is trained on. `unlearn attack` writes it; suites do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PoolSection {
    /// Number of models in the pool.
    pub models: u64,
    /// Number of this model, from 1. Default: the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Seed of the design. Default: the seed of the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// The least number of models with which every sample has three of each kind, so that two of each are left when the attacked model and its
/// counterpart of the other kind are left out.
pub const LEAST_MODELS: u64 = 9;
/// The greatest number of models.
pub const MOST_MODELS: u64 = 1024;

/// The samples of one model of a pool, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Those that it is never trained with.
    pub(crate) unseen: Vec<u32>,
    /// Those that it is trained with and then asked to forget.
    pub(crate) forget: Vec<u32>,
}

impl PoolSection {
    /// Refuses a pool that is too small, too large, or lacks this model. The error is a reason for users.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(LEAST_MODELS..=MOST_MODELS).contains(&self.models) {
            let found = self.models;
            return Err(format!(
                "a pool has {LEAST_MODELS} to {MOST_MODELS} models, found {found}; choose another number"
            ));
        }
        match self.number {
            Some(number) if !(1..=self.models).contains(&number) => {
                Err(format!("a pool of {} models has no model {number}; its models are 1 to {0}", self.models))
            }
            _ => Ok(()),
        }
    }

    /// Divides the split's samples, which must ascend.
    pub(crate) fn part(&self, samples: &[u32]) -> Part {
        let (models, number) = (self.models, self.number.unwrap_or(1));
        let mut part = Part { unseen: Vec::new(), forget: Vec::new() };
        let mut order: Vec<u64> = Vec::new();
        for &sample in samples {
            order.clear();
            order.extend(1..=models);
            order.shuffle(&mut stream("pool", &[self.seed.unwrap_or_default(), u64::from(sample)]));
            let rank = order.iter().position(|model| *model == number).unwrap_or_default() as u64;
            match 3 * rank / models {
                0 => part.unseen.push(sample),
                1 => part.forget.push(sample),
                _ => {}
            }
        }
        part
    }
}

impl Suite {
    /// The suite of a pool: the same data, model, prunings and methods; seeds 1 to `models`, each with a part of the split of the suite's
    /// first seed; and one request, the part that each model must forget. The methods `raw` (the models before unlearning) and `retrain`
    /// (the noise floor) are added if they are missing.
    ///
    /// # Errors
    /// If the number of models is too small or too large, or the suite has poison.
    pub fn pool(&self, models: u64) -> Result<Self> {
        let refuse = |reason: String| Error::Suite { path: self.path.clone(), reason };
        let section = PoolSection { models, number: None, seed: None };
        section.check().map_err(refuse)?;
        if self.data.poison.is_some() {
            return Err(refuse("a pool of a suite with [data.poison] is not supported; leave the poison out".into()));
        }
        let mut pool = self.clone();
        let first = self.suite.seeds.first().copied().unwrap_or(1);
        pool.suite.name = format!("{}-pool-{models}", self.suite.name);
        pool.suite.title = Some(format!("Attacks with {models} models: {}", self.title()));
        pool.suite.seeds = (1..=models).collect();
        pool.data.seed = Some(self.data.seed.unwrap_or(first.saturating_add(1)));
        pool.data.pool = Some(section);
        (pool.transfer, pool.audit) = (None, None);
        pool.forget = vec![ForgetSection { name: None, sequence: false, requests: vec![Wanted::Pool] }];
        for method in ["retrain", "raw"] {
            if !pool.unlearn.iter().any(|section| section.name() == method) {
                let config = Value::Object(Map::new());
                pool.unlearn.insert(0, MethodSection { method: method.into(), name: None, config });
            }
        }
        Ok(pool)
    }

    fn title(&self) -> &str {
        self.suite.title.as_deref().unwrap_or(&self.suite.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn part(models: u64, number: u64, samples: &[u32]) -> Part {
        PoolSection { models, number: Some(number), seed: Some(3) }.part(samples)
    }

    #[test]
    fn every_sample_is_unseen_trained_and_unlearned_by_a_third_of_the_models() {
        let samples: Vec<u32> = (0..200).map(|sample| 3 * sample + 1).collect();
        let parts: Vec<Part> = (1..=9).map(|number| part(9, number, &samples)).collect();
        for sample in &samples {
            let count = |of: fn(&Part) -> &Vec<u32>| parts.iter().filter(|part| of(part).contains(sample)).count();
            assert_eq!((count(|part| &part.unseen), count(|part| &part.forget)), (3, 3));
        }
        for Part { unseen, forget } in &parts {
            assert!((40..95).contains(&unseen.len()) && (40..95).contains(&forget.len()), "{}", unseen.len());
            assert!(unseen.is_sorted() && forget.is_sorted());
        }
        let distinct: BTreeSet<&Vec<u32>> = parts.iter().map(|part| &part.forget).collect();
        assert_eq!(distinct.len(), 9, "the parts are drawn independently");
        assert_eq!(part(9, 4, &samples), parts[3]);
        let fewer = part(9, 4, &samples[..50]);
        assert!(parts[3].forget.starts_with(&fewer.forget), "a sample's design does not depend on the others");
    }

    #[test]
    fn a_pool_that_cannot_be_is_refused() {
        let check = |models, number| PoolSection { models, number, seed: None }.check();
        assert_eq!(check(9, Some(9)), Ok(()));
        assert!(check(8, None).unwrap_err().contains("9 to 1024 models, found 8"));
        assert!(check(9, Some(10)).unwrap_err().contains("has no model 10; its models are 1 to 9"));
        assert!(check(9, Some(0)).is_err());
    }
}
