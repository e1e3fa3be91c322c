//! A linear probe: multinomial logistic regression on frozen features.
//!
//! If a probe on the features of an unlearned model names the classes of forgotten samples as well as one on the
//! original's, the knowledge is still there, and only the last layer hides it.
//!
//! The objective is scikit-learn's `LogisticRegression(C=c)` with all classes in one softmax:
//! c Σ cross-entropy + ½‖W‖²; the biases are not penalised. (For two classes, scikit-learn has one vector of weights
//! instead of two, so its C is twice this one.) It is convex; L-BFGS finds its minimum in `f64`, with the same bits in
//! every run.

use std::collections::VecDeque;

use crate::rows::Rows;
use crate::{Error, Result};

/// Largest component of the gradient of the mean objective at the optimum.
const TOLERANCE: f64 = 1e-10;
const MOST_ITERATIONS: usize = 5000;
/// Steps that approximate the curvature.
const MEMORY: usize = 20;

/// A fitted probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    columns: usize,
    classes: usize,
    /// `[classes, columns]`, then `[classes]` biases.
    parameters: Vec<f64>,
}

impl Probe {
    /// Fits a probe to features and the labels of their samples, 0 to `classes` − 1. `c` > 0 is the inverse of the
    /// regularisation; scikit-learn's default is 1.
    ///
    /// Features of very different spread make the solver slow, as everywhere; divide each column by its deviation first.
    ///
    /// # Errors
    /// If there are no samples or fewer than two classes among the labels, numbers of rows and labels differ, a label is
    /// not below `classes`, `c` is not positive, or the solver did not reach the optimum.
    pub fn fit(features: Rows<'_>, labels: &[u32], classes: usize, c: f64) -> Result<Self> {
        check(features, labels, classes)?;
        if labels.iter().all(|label| *label == labels[0]) {
            return Err(Error::Undefined { figure: "a linear probe", why: "all samples are of one class" });
        }
        if !(c > 0.0 && c.is_finite()) {
            return Err(Error::Undefined { figure: "a linear probe", why: "C is not a positive number" });
        }
        let columns = features.columns();
        let penalty = 1.0 / (c * features.len() as f64);
        let problem = Problem { features, labels, classes, penalty };
        let parameters = problem.minimise(vec![0.0; classes * (columns + 1)])?;
        Ok(Self { columns, classes, parameters })
    }

    /// The predicted class of every sample. Among equal classes, the lowest one wins.
    ///
    /// # Errors
    /// If the features have another number of columns.
    pub fn predict(&self, features: Rows<'_>) -> Result<Vec<u32>> {
        let greatest = |row: &[f64]| (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best }) as u32;
        Ok(self.logits(features)?.chunks_exact(self.classes).map(greatest).collect())
    }

    /// The logits of every sample, `[features.len(), classes]`, row-major.
    ///
    /// # Errors
    /// If the features have another number of columns.
    pub fn logits(&self, features: Rows<'_>) -> Result<Vec<f64>> {
        if features.columns() != self.columns {
            let [left, right] = [self.columns, features.columns()];
            return Err(Error::Lengths { what: "features", left, right, of: "number of columns" });
        }
        let mut logits = Vec::with_capacity(features.len() * self.classes);
        let mut row = vec![0.0; self.classes];
        for sample in &features {
            logits_of(&self.parameters, sample, &mut row);
            logits.extend_from_slice(&row);
        }
        Ok(logits)
    }

    /// The share of samples, in percent, whose class is predicted.
    ///
    /// # Errors
    /// If there are no samples, numbers of rows and labels differ, or the features have another number of columns.
    pub fn accuracy(&self, features: Rows<'_>, labels: &[u32]) -> Result<f64> {
        check(features, labels, self.classes)?;
        let right = self.predict(features)?.iter().zip(labels).filter(|(a, b)| a == b).count();
        Ok(100.0 * right as f64 / labels.len() as f64)
    }
}

fn check(features: Rows<'_>, labels: &[u32], classes: usize) -> Result<()> {
    if features.is_empty() {
        return Err(Error::Empty { what: "samples" });
    }
    if features.len() != labels.len() {
        let [left, right] = [features.len(), labels.len()];
        return Err(Error::Lengths { what: "features and labels", left, right, of: "samples" });
    }
    if classes < 2 {
        return Err(Error::TooFewClasses { classes });
    }
    match labels.iter().position(|label| *label as usize >= classes) {
        Some(row) => Err(Error::Label { row, label: labels[row], classes }),
        None => Ok(()),
    }
}

/// W x + b.
fn logits_of(parameters: &[f64], sample: &[f32], to: &mut [f64]) {
    let columns = sample.len();
    let (weights, biases) = parameters.split_at(columns * to.len());
    for ((logit, weights), bias) in to.iter_mut().zip(weights.chunks_exact(columns)).zip(biases) {
        *logit = bias + weights.iter().zip(sample).map(|(w, &x)| w * f64::from(x)).sum::<f64>();
    }
}

struct Problem<'a> {
    features: Rows<'a>,
    labels: &'a [u32],
    classes: usize,
    /// 1 / (C n).
    penalty: f64,
}

impl Problem<'_> {
    /// The mean cross-entropy with the penalty, and its gradient.
    fn value(&self, parameters: &[f64], gradient: &mut [f64]) -> f64 {
        let (columns, n) = (self.features.columns(), self.features.len() as f64);
        gradient.fill(0.0);
        let (weights, biases) = gradient.split_at_mut(self.classes * columns);
        let mut row = vec![0.0; self.classes];
        let mut loss = 0.0;
        for (sample, &label) in self.features.iter().zip(self.labels) {
            logits_of(parameters, sample, &mut row);
            let greatest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let at_label = row[label as usize] - greatest;
            for v in &mut row {
                *v = (*v - greatest).exp();
            }
            let sum: f64 = row.iter().sum();
            loss += sum.ln() - at_label;
            for v in &mut row {
                *v /= sum;
            }
            row[label as usize] -= 1.0;
            for ((to, bias), &slope) in weights.chunks_exact_mut(columns).zip(biases.iter_mut()).zip(&row) {
                *bias += slope;
                to.iter_mut().zip(sample).for_each(|(to, &x)| *to += slope * f64::from(x));
            }
        }
        for g in gradient.iter_mut() {
            *g /= n;
        }
        let penalised = self.classes * columns;
        let mut squares = 0.0;
        for (g, w) in gradient[..penalised].iter_mut().zip(parameters) {
            *g += self.penalty * w;
            squares += w * w;
        }
        loss / n + 0.5 * self.penalty * squares
    }

    /// L-BFGS (Nocedal & Wright, algorithms 7.4 and 7.5) with steps that decrease the objective sufficiently.
    fn minimise(&self, mut at: Vec<f64>) -> Result<Vec<f64>> {
        let mut gradient = vec![0.0; at.len()];
        let mut value = self.value(&at, &mut gradient);
        let mut past: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::with_capacity(MEMORY);
        let mut next_gradient = vec![0.0; at.len()];
        for _ in 0..MOST_ITERATIONS {
            if largest(&gradient) <= TOLERANCE {
                return Ok(at);
            }
            let mut direction = descent(&gradient, &past);
            let mut slope = dot(&direction, &gradient);
            if slope >= 0.0 {
                past.clear();
                direction = gradient.iter().map(|g| -g).collect();
                slope = -dot(&gradient, &gradient);
            }
            let mut step = if past.is_empty() { (1.0 / slope.abs().sqrt()).min(1.0) } else { 1.0 };
            let (next, next_value) = loop {
                let next: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
                let next_value = self.value(&next, &mut next_gradient);
                // Near the optimum, values differ by less than they are rounded by.
                let rounding = 1e-15 * value.abs().max(1.0);
                if next_value <= value + 1e-4 * step * slope + rounding {
                    break (next, next_value);
                }
                step *= 0.5;
                if step < 1e-20 {
                    return Self::stopped(&gradient, at);
                }
            };
            let moved: Vec<f64> = next.iter().zip(&at).map(|(a, b)| a - b).collect();
            let turned: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            if dot(&moved, &turned) > 1e-16 * dot(&turned, &turned) {
                if past.len() == MEMORY {
                    past.pop_front();
                }
                past.push_back((moved, turned));
            }
            (at, value) = (next, next_value);
            std::mem::swap(&mut gradient, &mut next_gradient);
        }
        Self::stopped(&gradient, at)
    }

    /// The point, if its gradient is small enough after all.
    fn stopped(gradient: &[f64], at: Vec<f64>) -> Result<Vec<f64>> {
        let gradient = largest(gradient);
        if gradient <= TOLERANCE {
            return Ok(at);
        }
        let (solver, iterations) = ("solver of the linear probe", MOST_ITERATIONS);
        Err(Error::NotConverged { solver, iterations, gradient, tolerance: TOLERANCE })
    }
}

/// −H g, with the inverse curvature H of past steps and changes of the gradient.
fn descent(gradient: &[f64], past: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut shares = Vec::with_capacity(past.len());
    for (moved, turned) in past.iter().rev() {
        let share = dot(moved, &q) / dot(moved, turned);
        q.iter_mut().zip(turned).for_each(|(q, y)| *q -= share * y);
        shares.push(share);
    }
    if let Some((moved, turned)) = past.back() {
        let scale = dot(moved, turned) / dot(turned, turned);
        for q in &mut q {
            *q *= scale;
        }
    }
    for ((moved, turned), share) in past.iter().zip(shares.into_iter().rev()) {
        let other = dot(turned, &q) / dot(moved, turned);
        q.iter_mut().zip(moved).for_each(|(q, s)| *q += (share - other) * s);
    }
    q.into_iter().map(|q| -q).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |greatest, v| greatest.max(v.abs()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn predicts_what_scikit_learn_predicts() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/representations.json")).unwrap();
        for case in golden["probe"].as_array().unwrap() {
            let of = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone()).unwrap();
            let number = |key: &str| case[key].as_u64().unwrap() as usize;
            let (train, test) = (of("train"), of("test"));
            let labels: Vec<u32> = serde_json::from_value(case["labels"].clone()).unwrap();
            let [train, test] = [&train, &test].map(|values| Rows::new(values, number("columns")).unwrap());
            let classes = number("classes");
            let probe = Probe::fit(train, &labels, classes, case["c"].as_f64().unwrap()).unwrap();
            let expected: Vec<f64> = serde_json::from_value(case["probabilities"].clone()).unwrap();
            let mut found = probe.logits(test).unwrap();
            for row in found.chunks_exact_mut(classes) {
                let greatest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|v| (v - greatest).exp()).sum();
                for v in row {
                    *v = (*v - greatest).exp() / sum;
                }
            }
            let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{worst} of {expected:?}");
            let theirs: Vec<u32> = serde_json::from_value(case["predicted"].clone()).unwrap();
            assert_eq!(probe.predict(test).unwrap(), theirs);
            assert_eq!(probe.accuracy(test, &theirs), Ok(100.0));
            assert_eq!(probe, Probe::fit(train, &labels, classes, case["c"].as_f64().unwrap()).unwrap());
        }
    }

    #[test]
    fn refuses_what_cannot_be_fitted() {
        let rows = Rows::new(&[0.0, 1.0, 2.0], 1).unwrap();
        let check = |labels: &[u32], classes, c, says: &str| {
            let message = Probe::fit(rows, labels, classes, c).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        };
        check(&[0, 1], 2, 1.0, "features and labels of 3 and of 2");
        check(&[1, 1, 1], 2, 1.0, "all samples are of one class");
        check(&[0, 1, 2], 2, 1.0, "label of row 2 is 2");
        check(&[0, 0, 0], 1, 1.0, "at least 2");
        check(&[0, 1, 0], 2, 0.0, "C is not a positive number");
        assert_eq!(Probe::fit(Rows::new(&[], 1).unwrap(), &[], 2, 1.0), Err(Error::Empty { what: "samples" }));
        let probe = Probe::fit(rows, &[0, 1, 1], 2, 1.0).unwrap();
        assert!(probe.predict(Rows::new(&[0.0, 1.0], 2).unwrap()).is_err());
        assert!(probe.accuracy(rows, &[0]).is_err());
    }
}
