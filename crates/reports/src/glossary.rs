//! Explains the terms of a report to a new reader.

use crate::results::{RETRAIN, Results};

/// Terms that every report uses.
const TERMS: &[(&str, &str)] = &[
    ("Request", "the training images that a model is asked to forget: a class, a random share, or a list"),
    ("Forget set", "the training images of the request"),
    ("Retain set", "the training images that are kept"),
    ("Model", "dense, or pruned; `95 % omp` was pruned by the method `omp` until 95 % of its weights were zero"),
    ("Sparsity", "the share of weights that pruning set to zero"),
    (
        "Claim",
        "a sentence of the paper that this page decides: it holds, it fails, or it is undecided with so few seeds",
    ),
    ("Gap", "the distance of a figure to that of Retrain; 0 is exact unlearning"),
    (
        "±",
        "the half width of a 95 % confidence interval: over seeds by Student's t; with one seed, over the draws of an attack's members",
    ),
];

/// Rows that are not unlearning methods, but the ends of the scale.
const ENDS: &[(&str, &str)] = &[
    (
        RETRAIN,
        "a model trained anew, with the same mask, without the forget set: the gold standard that other methods are compared with",
    ),
    ("raw", "the model as it was before unlearning"),
];

/// Terms with their meanings: general ones, figures, then the pruning and unlearning methods of the suite.
pub(crate) fn entries(results: &Results) -> Vec<(String, String)> {
    let pair = |(term, meaning): &(&str, &str)| ((*term).to_owned(), (*meaning).to_owned());
    let mut entries: Vec<(String, String)> = TERMS.iter().map(pair).collect();
    let has = |name: &str| results.rows.iter().any(|row| row.figures.contains_key(name));
    let figures = results.figures.iter().filter(|figure| has(&figure.name));
    entries.extend(figures.map(|figure| (figure.label.to_string(), figure.meaning.to_string())));
    let runs = |name: &str| results.rows.iter().any(|row| row.method == name);
    entries.extend(ENDS.iter().filter(|(name, _)| runs(name)).map(pair));
    for part in results.configured.iter().filter(|part| !part.name.is_empty() && !part.summary.is_empty()) {
        let known = entries.iter().any(|(term, _)| *term == part.name);
        if !known {
            let source = if part.source.is_empty() { String::new() } else { format!(" ({})", part.source) };
            entries.push((part.name.clone(), format!("{}{source}", part.summary)));
        }
    }
    entries
}
