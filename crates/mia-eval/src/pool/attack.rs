//! The description of an attack with a pool: its name, the models that it needs, and its implementation.

use serde::Serialize;

use super::{Attacked, Comparison, ModelPool, Outcome, Pair, PoolSettings, SampleScores, Seen};
use crate::{Error, Result};

/// One attack with a pool.
#[derive(Clone)]
pub struct PoolAttack {
    /// Name in configs and reports.
    pub name: &'static str,
    /// Description in one line.
    pub summary: &'static str,
    /// Publication that defines it.
    pub source: &'static str,
    /// The models that it needs, for every sample.
    pub needs: &'static [PoolNeed],
    /// Whether it needs samples of the population.
    pub population: bool,
    /// Its implementation.
    pub run: PoolRun,
}

/// A number of models that an attack needs for every sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PoolNeed {
    /// What the models had of the sample.
    pub seen: Seen,
    /// The least number with which the attack is defined.
    pub least: usize,
    /// The number from which it is as published.
    pub wanted: usize,
}

/// What an attack tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Name in configs and reports.
    pub name: &'static str,
    /// A great score says that the attacked model had this of the sample.
    pub positive: Seen,
    /// A small score says that it had this.
    pub negative: Seen,
}

/// The implementation of an attack with a pool.
#[derive(Clone, Copy)]
pub enum PoolRun {
    /// Scores every sample of an attacked model, for each of these questions.
    Scores(&'static [Question], fn(&Attacked<'_>, Question, &PoolSettings) -> Result<SampleScores>),
    /// Compares unlearned with retrained models, sample by sample.
    Compares(fn(&Pair<'_>) -> Result<Comparison>),
}

impl Question {
    /// Was the model trained with the sample?
    pub const MEMBERSHIP: Self = Self { name: "membership", positive: Seen::Trained, negative: Seen::Never };
    /// Did the model unlearn the sample, or did it never see it?
    pub const UNLEARNING: Self = Self { name: "unlearning", positive: Seen::Unlearned, negative: Seen::Never };
}

impl PoolAttack {
    /// The questions that it answers. Attacks that compare models answer none.
    pub fn questions(&self) -> &'static [Question] {
        match self.run {
            PoolRun::Scores(questions, _) => questions,
            PoolRun::Compares(_) => &[],
        }
    }

    /// Scores every sample of an attacked model. The greater, the more it looks like the question's positive.
    ///
    /// # Errors
    /// If the attack does not answer the question, a sample has too few models, the population is missing, a setting is out
    /// of range, or the pool's scores do not vary.
    pub fn scores(&self, attacked: &Attacked<'_>, question: Question, settings: &PoolSettings) -> Result<SampleScores> {
        let found = || match self.run {
            PoolRun::Scores(questions, run) if questions.contains(&question) => {
                self.suits(&attacked.pool, question)?;
                if self.population && attacked.population.is_none() {
                    return Err(Error::NoPopulation);
                }
                run(attacked, question, settings)
            }
            _ => Err(Error::NoSuchQuestion { question: question.name }),
        };
        found().map_err(|source| Error::in_attack(self.name, source))
    }

    /// Attacks every model of a pool with the others, and judges all scores together. `population` holds the scores of
    /// the same models for samples of the population.
    ///
    /// Where the attacked model is missing on one side of the question, a model is left out on the other side too.
    /// Otherwise the likelihood of its own side would rest on fewer models, be lower for that alone, and give an AUC below
    /// 0.5 where there is nothing to find.
    ///
    /// # Errors
    /// As [`PoolAttack::scores`]. A sample needs one model more of each kind, because one is left out.
    pub fn leave_one_out(
        &self,
        pool: ModelPool<'_>,
        population: Option<ModelPool<'_>>,
        question: Question,
        settings: &PoolSettings,
    ) -> Result<Outcome> {
        let parts = self.each_left_out(pool, population, question, settings)?;
        Outcome::of(&parts.iter().map(|(scores, truth)| (scores, *truth)).collect::<Vec<_>>(), question, |_| true)
            .map_err(|source| Error::in_attack(self.name, source))
    }

    /// The scores behind [`PoolAttack::leave_one_out`], with what each attacked model had of every sample. [`Outcome::of`] judges them,
    /// for all samples or for some.
    ///
    /// # Errors
    /// As [`PoolAttack::scores`]. A sample needs one model more of each kind, because one is left out.
    pub fn each_left_out<'p>(
        &self,
        pool: ModelPool<'p>,
        population: Option<ModelPool<'_>>,
        question: Question,
        settings: &PoolSettings,
    ) -> Result<Vec<(SampleScores, &'p [Seen])>> {
        let mut parts = Vec::with_capacity(pool.models());
        for model in 0..pool.table().models() {
            let partners = pool.partners(model, [question.positive, question.negative]);
            let attacked = Attacked::within(pool, population, model)?;
            let attacked = Attacked { pool: attacked.pool.without_partners(&partners), ..attacked };
            parts.push((self.scores(&attacked, question, settings)?, pool.seen_by(model)));
        }
        Ok(parts)
    }

    /// Compares unlearned with retrained models.
    ///
    /// # Errors
    /// If the attack does not compare models, or there are too few of them.
    pub fn compare(&self, pair: &Pair<'_>) -> Result<Comparison> {
        let PoolRun::Compares(run) = self.run else {
            return Err(Error::in_attack(self.name, Error::NoSuchQuestion { question: "a comparison of models" }));
        };
        run(pair).map_err(|source| Error::in_attack(self.name, source))
    }

    /// Checks that every sample has enough models of the kinds that the question is about, or that the attack needs
    /// whatever the question.
    fn suits(&self, pool: &ModelPool<'_>, question: Question) -> Result<()> {
        for need in self.needs {
            if need.seen != question.positive && need.seen != question.negative {
                continue;
            }
            let (sample, found) = pool.least(need.seen);
            if found < need.least {
                let (seen, needed) = (need.seen.words(), need.least);
                return Err(Error::TooFewModels { sample, found, seen, needed });
            }
        }
        Ok(())
    }
}
