//! Silhouettes by centroids: how clearly each sample lies with its own class in a space of features.

use crate::rows::{Rows, squared_distance_to};
use crate::{Error, Result};

/// The simplified silhouette of each sample: `(b − a) / max(a, b)`, where `a` is the Euclidean distance of its features to the mean of its
/// own class, and `b` that to the nearest mean of another class. It lies in −1..1. A sample with a low value lies among the samples of
/// another class. If both distances are 0, the value is 0.
///
/// Source: Rousseeuw 1987, "Silhouettes", Journal of Computational and Applied Mathematics 20, with distances to means in place of mean
/// distances (Hruschka, de Castro and Campello 2004, "Evolutionary algorithms for clustering gene-expression data").
///
/// # Errors
/// If the numbers of rows and labels differ, or the labels name fewer than two classes.
pub fn silhouettes(rows: Rows<'_>, labels: &[u32]) -> Result<Vec<f64>> {
    if rows.len() != labels.len() {
        return Err(Error::Lengths {
            what: "features and labels",
            left: rows.len(),
            right: labels.len(),
            of: "samples",
        });
    }
    let classes = labels.iter().max().map_or(0, |label| *label as usize + 1);
    let mut sums = vec![(0.0_f64, vec![0.0_f64; rows.columns()]); classes];
    for (row, &label) in rows.iter().zip(labels) {
        let (count, sum) = &mut sums[label as usize];
        *count += 1.0;
        sum.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let mean = |(count, sum): &(f64, Vec<f64>)| (*count > 0.0).then(|| sum.iter().map(|sum| sum / count).collect());
    let means: Vec<Option<Vec<f64>>> = sums.iter().map(mean).collect();
    let found = means.iter().flatten().count();
    if found < 2 {
        return Err(Error::TooFew { what: "classes", found, needed: 2 });
    }
    let silhouette = |(row, &label): (&[f32], &u32)| {
        let (mut own, mut other) = (0.0, f64::INFINITY);
        for (class, mean) in means.iter().enumerate() {
            let Some(mean) = mean else { continue };
            let distance = squared_distance_to(row, mean).sqrt();
            if class == label as usize {
                own = distance;
            } else {
                other = f64::min(other, distance);
            }
        }
        let greater = f64::max(own, other);
        if greater == 0.0 { 0.0 } else { (other - own) / greater }
    };
    Ok(rows.iter().zip(labels).map(silhouette).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn equals_numpys() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/representations.json")).unwrap();
        for case in golden["silhouettes"].as_array().unwrap() {
            let floats: Vec<f32> = serde_json::from_value(case["x"].clone()).unwrap();
            let labels: Vec<u32> = serde_json::from_value(case["labels"].clone()).unwrap();
            let expected: Vec<f64> = serde_json::from_value(case["silhouettes"].clone()).unwrap();
            let rows = Rows::new(&floats, case["columns"].as_u64().unwrap() as usize).unwrap();
            let found = silhouettes(rows, &labels).unwrap();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_sample_among_another_class_has_the_lowest() {
        // Two clusters on a line; the last sample of class 0 lies in the cluster of class 3. There is no class 1 or 2.
        let rows = [0.0, 1.0, 0.5, 10.0, 11.0, 10.5, 10.2];
        let found = silhouettes(Rows::new(&rows, 1).unwrap(), &[0, 0, 0, 3, 3, 3, 0]).unwrap();
        let lowest = (0..7).min_by(|a, b| found[*a].total_cmp(&found[*b])).unwrap();
        assert!(lowest == 6 && found[6] < 0.0 && found[4] > 0.8, "{found:?}");
        let same = silhouettes(Rows::new(&[2.0, 2.0], 1).unwrap(), &[0, 1]).unwrap();
        assert_eq!(same, [0.0, 0.0]);
        assert!(silhouettes(Rows::new(&[2.0, 3.0], 1).unwrap(), &[1, 1]).is_err());
        assert!(silhouettes(Rows::new(&[2.0], 1).unwrap(), &[0, 1]).is_err());
    }
}
