//! Scores of many models for the same samples, and what each model had of each sample.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What a model had of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// The model was trained without the sample ("out").
    Never,
    /// The model was trained with the sample ("in").
    Trained,
    /// The model was trained with the sample and then unlearned it.
    Unlearned,
}

impl Seen {
    /// The models in a message: "models that … the sample".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Never => "never saw",
            Self::Trained => "were trained with",
            Self::Unlearned => "unlearned",
        }
    }
}

/// `true` is [`Seen::Trained`], `false` is [`Seen::Never`].
impl From<bool> for Seen {
    fn from(trained: bool) -> Self {
        if trained { Self::Trained } else { Self::Never }
    }
}

/// Scores of several models for the same samples: φ (log-odds of the true class), `[models, samples]`, row-major. All are
/// finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreTable<'a> {
    scores: &'a [f64],
    samples: usize,
}

impl<'a> ScoreTable<'a> {
    /// A table of `models` rows of `samples` scores.
    ///
    /// # Errors
    /// If there are no models or no samples, the scores do not make the table, or a score is not finite.
    pub fn new(scores: &'a [f64], models: usize, samples: usize) -> Result<Self> {
        check_size("scores", scores.len(), models, samples)?;
        if let Some(at) = scores.iter().position(|v| !v.is_finite()) {
            return Err(Error::PoolScore { model: at / samples, sample: at % samples, value: scores[at] });
        }
        Ok(Self { scores, samples })
    }

    /// Number of models.
    pub const fn models(&self) -> usize {
        self.scores.len() / self.samples
    }

    /// Number of samples.
    pub const fn samples(&self) -> usize {
        self.samples
    }

    /// The scores of one model.
    pub fn of_model(&self, model: usize) -> &'a [f64] {
        &self.scores[model * self.samples..(model + 1) * self.samples]
    }

    /// The scores of all models for one sample.
    pub(crate) fn of_sample(&self, sample: usize) -> impl Iterator<Item = f64> + 'a {
        self.scores[sample..].iter().step_by(self.samples).copied()
    }
}

/// Scores of several models, and what each had of each sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelPool<'a> {
    table: ScoreTable<'a>,
    /// `[models, samples]`, row-major.
    seen: &'a [Seen],
    /// Models that are attacked, and so are not in the pool.
    left_out: [Option<usize>; 2],
    /// For every sample, one more model that is left out, if there is such a row.
    partners: Option<&'a [usize]>,
}

impl<'a> ModelPool<'a> {
    /// A pool of models. `seen` is `[models, samples]`, row-major, as the scores are.
    ///
    /// # Errors
    /// If `seen` has another size than the scores.
    pub fn new(table: ScoreTable<'a>, seen: &'a [Seen]) -> Result<Self> {
        check_size("entries of what models saw", seen.len(), table.models(), table.samples())?;
        Ok(Self { table, seen, left_out: [None; 2], partners: None })
    }

    /// The pool without one of its models. Two can be left out.
    ///
    /// # Errors
    /// If there is no such model, or two were left out already.
    pub fn without(self, model: usize) -> Result<Self> {
        let left_out = match self.left_out {
            [None, _] => [Some(model), None],
            [first, None] => [first, Some(model)],
            _ => self.left_out,
        };
        if !self.inside().any(|known| known == model) || left_out == self.left_out {
            return Err(Error::NoSuchModel { model, models: self.models() });
        }
        Ok(Self { left_out, ..self })
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.table.models() - self.left_out.iter().flatten().count()
    }

    /// For every sample, the model after `model` that had the other one of `sides` of it than `model` had. A row beyond the
    /// table if there is none, or if `model` had neither.
    pub(crate) fn partners(&self, model: usize, sides: [Seen; 2]) -> Vec<usize> {
        let (models, samples) = (self.table.models(), self.samples());
        let of_sample = |sample: usize| {
            let had = |model: usize| self.seen[model * samples + sample];
            let other = match sides {
                [one, other] if had(model) == one => other,
                [other, one] if had(model) == one => other,
                _ => return models,
            };
            (1..models).map(|step| (model + step) % models).find(|&at| had(at) == other).unwrap_or(models)
        };
        (0..samples).map(of_sample).collect()
    }

    /// The pool without one more model for every sample.
    pub(crate) fn without_partners<'b>(self, partners: &'b [usize]) -> ModelPool<'b>
    where
        'a: 'b,
    {
        ModelPool { partners: Some(partners), ..self }
    }

    /// The models, as rows of the table.
    pub(crate) fn inside(&self) -> impl Iterator<Item = usize> + use<> {
        let left_out = self.left_out;
        (0..self.table.models()).filter(move |model| !left_out.contains(&Some(*model)))
    }

    /// Number of samples.
    pub const fn samples(&self) -> usize {
        self.table.samples
    }

    /// The scores of a sample from the models that had this of it.
    pub fn of(&self, sample: usize, seen: Seen) -> impl Iterator<Item = f64> + 'a {
        let (samples, left_out) = (self.table.samples, self.left_out);
        let partner = self.partners.map(|partners| partners[sample]);
        let had = self.seen[sample..].iter().step_by(samples);
        let rows = self.table.of_sample(sample).zip(had).enumerate();
        let inside = move |model: usize| !left_out.contains(&Some(model)) && Some(model) != partner;
        rows.filter(move |(model, (_, had))| **had == seen && inside(*model)).map(|(_, (score, _))| score)
    }

    /// The sample with the fewest models that had this of it, and their number.
    pub fn least(&self, seen: Seen) -> (usize, usize) {
        let counts = (0..self.samples()).map(|sample| (sample, self.of(sample, seen).count()));
        counts.min_by_key(|(_, count)| *count).unwrap_or((0, 0))
    }

    /// What a model had of every sample, `[samples]`.
    pub(crate) fn seen_by(&self, model: usize) -> &'a [Seen] {
        &self.seen[model * self.samples()..(model + 1) * self.samples()]
    }

    pub(crate) const fn table(&self) -> ScoreTable<'a> {
        self.table
    }
}

/// Samples of the population, which attacks by ratio compare with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Population<'a> {
    /// Scores of the pool's models for these samples. The models are those of the pool, in the same order.
    pub pool: ModelPool<'a>,
    /// Scores of the attacked model.
    pub target: &'a [f64],
}

/// An attacked model with everything that the attacker has. What the model saw is not among it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attacked<'a> {
    /// The attacker's models.
    pub pool: ModelPool<'a>,
    /// Scores of the attacked model, `[samples]`.
    pub target: &'a [f64],
    /// Samples of the population.
    pub population: Option<Population<'a>>,
}

impl<'a> Attacked<'a> {
    /// A model attacked with a pool that it is not part of.
    ///
    /// # Errors
    /// If the numbers of samples or of models differ, or a score is not finite.
    pub fn new(pool: ModelPool<'a>, target: &'a [f64], population: Option<Population<'a>>) -> Result<Self> {
        check_target(pool, target)?;
        if let Some(population) = population {
            check_target(population.pool, population.target)?;
            let [models, found] = [pool.table.models(), population.pool.table.models()];
            if models != found || pool.left_out != population.pool.left_out {
                return Err(Error::PopulationModels { models, found });
            }
        }
        Ok(Self { pool, target, population })
    }

    /// A model of a pool, attacked with the other models.
    ///
    /// # Errors
    /// If there is no such model, or as [`Attacked::new`].
    pub fn within(pool: ModelPool<'a>, population: Option<ModelPool<'a>>, model: usize) -> Result<Self> {
        let (others, target) = outside(pool, model)?;
        let population = population.map(|pool| outside(pool, model)).transpose()?;
        Self::new(others, target, population.map(|(pool, target)| Population { pool, target }))
    }

    /// A model of the pool in place of the attacked one, which stays out.
    pub(crate) fn in_place(&self, model: usize) -> Result<Self> {
        Self::within(self.pool, self.population.map(|population| population.pool), model)
    }
}

/// The pool without a model, and that model's scores.
fn outside(pool: ModelPool<'_>, model: usize) -> Result<(ModelPool<'_>, &[f64])> {
    Ok((pool.without(model)?, pool.table.of_model(model)))
}

fn check_target(pool: ModelPool<'_>, target: &[f64]) -> Result<()> {
    check_size("scores of the attacked model", target.len(), 1, pool.samples())?;
    match target.iter().position(|v| !v.is_finite()) {
        Some(sample) => Err(Error::TargetScore { sample, value: target[sample] }),
        None => Ok(()),
    }
}

fn check_size(what: &'static str, values: usize, models: usize, samples: usize) -> Result<()> {
    if models == 0 || samples == 0 || models.checked_mul(samples) != Some(values) {
        return Err(Error::PoolSize { what, values, models, samples });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use Seen::{Never, Trained, Unlearned};

    #[test]
    fn groups_are_by_sample_and_leave_the_attacked_model_out() {
        let scores = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let seen = [Trained, Never, Never, Trained, Never, Unlearned];
        let pool = ModelPool::new(ScoreTable::new(&scores, 3, 2).unwrap(), &seen).unwrap();
        let of = |pool: &ModelPool<'_>, sample, seen| pool.of(sample, seen).collect::<Vec<_>>();
        assert_eq!(of(&pool, 0, Never), [3.0, 5.0]);
        assert_eq!([of(&pool, 1, Trained), of(&pool, 1, Unlearned)], [[4.0], [6.0]]);
        assert_eq!((pool.least(Never), pool.least(Trained), pool.models()), ((1, 1), (0, 1), 3));
        let attacked = Attacked::within(pool, None, 1).unwrap();
        assert_eq!(attacked.target, [3.0, 4.0]);
        assert_eq!((of(&attacked.pool, 0, Never), attacked.pool.models()), (vec![5.0], 2));
        assert!(of(&attacked.pool, 1, Trained).is_empty());
    }

    #[test]
    fn refuses_what_is_no_table_and_names_the_place() {
        let check = |found: Error, says: &str| assert!(found.to_string().contains(says), "{found}");
        check(ScoreTable::new(&[1.0; 5], 2, 3).unwrap_err(), "5 scores do not make 2 models × 3 samples");
        check(ScoreTable::new(&[], 0, 3).unwrap_err(), "0 scores do not make 0 models");
        check(ScoreTable::new(&[1.0, 1.0, 1.0, f64::NAN], 2, 2).unwrap_err(), "model 1 for sample 1 is NaN");
        let table = ScoreTable::new(&[1.0; 4], 2, 2).unwrap();
        check(ModelPool::new(table, &[Never; 3]).unwrap_err(), "3 entries of what models saw");
        let pool = ModelPool::new(table, &[Never; 4]).unwrap();
        check(pool.without(2).unwrap_err(), "no model 2; the pool has 2 models");
        let one_left = pool.without(0).unwrap();
        check(one_left.without(0).unwrap_err(), "no model 0; the pool has 1 models");
        check(Attacked::new(pool, &[1.0], None).unwrap_err(), "1 scores of the attacked model");
        check(Attacked::new(pool, &[1.0, f64::INFINITY], None).unwrap_err(), "attacked model for sample 1 is inf");
        let one = ModelPool::new(ScoreTable::new(&[1.0; 2], 1, 2).unwrap(), &[Never; 2]).unwrap();
        let population = Some(Population { pool: one, target: &[1.0; 2] });
        check(Attacked::new(pool, &[1.0; 2], population).unwrap_err(), "population was scored by 1 models");
    }
}
