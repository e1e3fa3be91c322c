//! Two clusters of points, and how separate they are.

/// Lloyd's algorithm ends by itself. This bound, scikit-learn's, stops cycles that rounding may cause.
const ROUNDS: usize = 300;

/// Divides points by 2-means: tells whether each is in the second cluster. The means start from the two sides of 0 in each coordinate in
/// turn. The division with the least sum of squared distances is returned; of equal ones, the first. `None` if no coordinate divides the
/// points, as for one point or for equal points.
pub(crate) fn two_means(points: &[Vec<f64>]) -> Option<Vec<bool>> {
    let mut best: Option<(f64, Vec<bool>)> = None;
    for coordinate in 0..points.first().map_or(0, Vec::len) {
        let side = points.iter().map(|point| point[coordinate] > 0.0).collect();
        let Some((spread, second)) = lloyd(points, side) else { continue };
        if best.as_ref().is_none_or(|(least, _)| spread < least * (1.0 - 1e-9)) {
            best = Some((spread, second));
        }
    }
    best.map(|(_, second)| second)
}

/// Lloyd's algorithm from one division: the sum of squared distances to the means, and the division. `None` if a
/// cluster is empty.
fn lloyd(points: &[Vec<f64>], mut second: Vec<bool>) -> Option<(f64, Vec<bool>)> {
    let mut spread = 0.0;
    for _ in 0..ROUNDS {
        let means = [mean_of(points, &second, false)?, mean_of(points, &second, true)?];
        let distances: Vec<[f64; 2]> =
            points.iter().map(|point| [squared(point, &means[0]), squared(point, &means[1])]).collect();
        spread = distances.iter().map(|[first, second]| first.min(*second)).sum();
        let next: Vec<bool> = distances.iter().map(|[first, second]| second < first).collect();
        if next == second {
            break;
        }
        second = next;
    }
    (second.contains(&true) && second.contains(&false)).then_some((spread, second))
}

/// The mean silhouette of two clusters (Rousseeuw 1987), from −1 to 1. Let a be the mean distance of a point to the other points of its
/// own cluster, and b the mean distance to the points of the other cluster. Then its silhouette is (b − a) / max(a, b). A point alone in
/// its cluster has 0.
pub(crate) fn silhouette(points: &[Vec<f64>], second: &[bool]) -> f64 {
    let count = |cluster: bool| second.iter().filter(|it| **it == cluster).count() as f64;
    let counts = [count(false), count(true)];
    let of = |(i, own): (usize, &bool)| {
        let mut sums = [0.0; 2];
        for (other, cluster) in points.iter().zip(second) {
            sums[usize::from(*cluster)] += squared(&points[i], other).sqrt();
        }
        let (own, other) = (usize::from(*own), usize::from(!*own));
        if counts[own] <= 1.0 {
            return 0.0;
        }
        let (a, b) = (sums[own] / (counts[own] - 1.0), sums[other] / counts[other]);
        if a.max(b) > 0.0 { (b - a) / a.max(b) } else { 0.0 }
    };
    second.iter().enumerate().map(of).sum::<f64>() / points.len() as f64
}

fn mean_of(points: &[Vec<f64>], second: &[bool], cluster: bool) -> Option<Vec<f64>> {
    let mut members = points.iter().zip(second).filter(|(_, it)| **it == cluster).map(|(point, _)| point);
    let mut sum = members.next()?.clone();
    let mut count = 1.0;
    for point in members {
        sum.iter_mut().zip(point).for_each(|(sum, value)| *sum += value);
        count += 1.0;
    }
    for value in &mut sum {
        *value /= count;
    }
    Some(sum)
}

fn squared(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| (left - right) * (left - right)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|value| vec![*value]).collect()
    }

    #[test]
    fn points_go_to_the_nearer_mean() {
        // The start by sign puts 1 in one cluster with 9 and 10. But 1 is nearer to the mean of the negative points.
        let points = line(&[-3.0, -2.0, -1.0, 1.0, 9.0, 10.0]);
        assert_eq!(two_means(&points).unwrap(), [false, false, false, false, true, true]);
    }

    #[test]
    fn the_start_with_the_least_spread_stays() {
        // If 2-means starts from the sides of the first coordinate, it ends with the long sides of a rectangle. From the sides of the
        // second coordinate, it ends with the short sides, whose points are nearer together.
        let points = [[1.0, 4.0], [-1.0, 4.0], [1.0, -4.0], [-1.0, -4.0]].map(|point| point.to_vec());
        assert_eq!(two_means(&points).unwrap(), [true, true, false, false]);
    }

    #[test]
    fn what_cannot_be_divided_is_none() {
        assert_eq!(two_means(&line(&[0.0])), None);
        assert_eq!(two_means(&line(&[0.0, 0.0, 0.0])), None);
        assert_eq!(two_means(&[]), None);
        assert_eq!(two_means(&line(&[-1.0, 1.0])), Some(vec![false, true]));
    }

    #[test]
    fn the_silhouette_is_computed_by_its_definition() {
        // The point 0 has a = 1 and b = 5.5, and so on; the point alone in its cluster has 0.
        let value = silhouette(&line(&[0.0, 1.0, 6.0]), &[false, false, true]);
        assert!((value - ((6.0 - 1.0) / 6.0 + (5.0 - 1.0) / 5.0) / 3.0).abs() < 1e-12);
        assert_eq!(silhouette(&line(&[2.0, 2.0, 2.0, 2.0]), &[false, false, true, true]), 0.0);
    }
}
