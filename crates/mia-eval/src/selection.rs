//! Selection of the samples that an attack is fitted on.

use std::collections::BTreeMap;
use std::str::FromStr;

use rand::seq::index;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Selection of the samples that an attack is fitted on, if there are more than it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberSelection {
    /// Drawn by seed, with every class in proportion to its share.
    #[default]
    Stratified,
    /// The first rows, as in the sparsity paper's code (`compat`). The seed is ignored.
    FirstRows,
}

impl FromStr for MemberSelection {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "stratified" => Ok(Self::Stratified),
            "first-rows" => Ok(Self::FirstRows),
            _ => Err(Error::unknown_name("selection of members", name, &["stratified", "first-rows"])),
        }
    }
}

impl MemberSelection {
    /// `count` of the rows with these labels, ascending. Returns all rows if there are no more than `count`.
    ///
    /// Different values of `stream` give independent draws for one seed. The shares of classes are rounded by largest
    /// remainder; among equal remainders, the lower class comes first.
    pub(crate) fn choose(self, labels: &[u32], count: usize, seed: u64, stream: u128) -> Vec<usize> {
        if count >= labels.len() || self == Self::FirstRows {
            return (0..count.min(labels.len())).collect();
        }
        let mut rows_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (row, &label) in labels.iter().enumerate() {
            rows_of.entry(label).or_default().push(row);
        }
        let exact = |rows: &Vec<usize>| rows.len() as u128 * count as u128;
        let mut quotas: Vec<usize> = rows_of.values().map(|r| (exact(r) / labels.len() as u128) as usize).collect();
        let remainders: Vec<u128> = rows_of.values().map(|r| exact(r) % labels.len() as u128).collect();
        let mut by_remainder: Vec<usize> = (0..quotas.len()).collect();
        by_remainder.sort_by_key(|&class| std::cmp::Reverse(remainders[class]));
        let missing = count - quotas.iter().sum::<usize>();
        by_remainder.iter().take(missing).for_each(|&class| quotas[class] += 1);

        let mut rng = Pcg64::new(u128::from(seed), stream);
        let mut chosen: Vec<usize> = rows_of
            .values()
            .zip(quotas)
            .flat_map(|(rows, quota)| index::sample(&mut rng, rows.len(), quota).into_iter().map(|i| rows[i]))
            .collect();
        chosen.sort_unstable();
        chosen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count_of(labels: &[u32], rows: &[usize], class: u32) -> usize {
        rows.iter().filter(|&&row| labels[row] == class).count()
    }

    #[test]
    fn is_named_as_it_is_written() {
        for selection in [MemberSelection::Stratified, MemberSelection::FirstRows] {
            let written = serde_json::to_value(selection).unwrap();
            assert_eq!(written.as_str().unwrap().parse(), Ok(selection));
        }
        let message = "first_rows".parse::<MemberSelection>().unwrap_err().to_string();
        assert!(message.contains("did you mean `first-rows`"), "{message}");
    }

    #[test]
    fn first_rows_are_the_first_rows() {
        assert_eq!(MemberSelection::FirstRows.choose(&[3, 1, 2], 2, 9, 0), [0, 1]);
        assert_eq!(MemberSelection::FirstRows.choose(&[3, 1, 2], 5, 9, 0), [0, 1, 2]);
    }

    #[test]
    fn a_seed_and_a_stream_decide() {
        let labels = vec![0; 1000];
        let draw = |seed, stream| MemberSelection::Stratified.choose(&labels, 50, seed, stream);
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }

    proptest! {
        #[test]
        fn every_class_keeps_its_share(labels in prop::collection::vec(0_u32..5, 1..200), part in 0.0..1.2_f64, seed: u64) {
            let count = (labels.len() as f64 * part) as usize;
            let rows = MemberSelection::Stratified.choose(&labels, count, seed, 0);
            prop_assert_eq!(rows.len(), count.min(labels.len()));
            prop_assert!(rows.is_sorted_by(|a, b| a < b));
            let all: Vec<usize> = (0..labels.len()).collect();
            for class in 0..5 {
                let share = count_of(&labels, &all, class) as f64 * rows.len() as f64 / labels.len() as f64;
                prop_assert!((count_of(&labels, &rows, class) as f64 - share).abs() < 1.0);
            }
        }
    }
}
