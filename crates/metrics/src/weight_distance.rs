//! How far the weights of two models of one architecture are apart, layer by layer.

use serde::{Deserialize, Serialize};

use crate::error::check_finite;
use crate::{Error, Result};

/// The distance of the weights of two models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightDistance {
    /// The distance over all layers together.
    pub total: Distance,
    /// The distance of each layer, in the order given.
    pub layers: Vec<(String, Distance)>,
}

/// A distance, and what it is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distance {
    /// ‖θ − θ′‖, the Euclidean distance.
    pub distance: f64,
    /// ‖θ′‖, the norm of the other model's weights.
    pub norm: f64,
}

impl Distance {
    /// ‖θ − θ′‖ / ‖θ′‖. `None` if all weights of the other model are 0.
    pub fn relative(&self) -> Option<f64> {
        (self.norm > 0.0).then(|| self.distance / self.norm)
    }

    fn of_squares([apart, norm]: [f64; 2]) -> Self {
        Self { distance: apart.sqrt(), norm: norm.sqrt() }
    }
}

/// The distance of a model's weights from another's. `layers` are the name of a layer, its weights, and the other model's.
///
/// # Errors
/// If there are no layers, a layer's numbers of weights differ, or a weight is not finite.
pub fn weight_distance<'a>(
    layers: impl IntoIterator<Item = (&'a str, &'a [f32], &'a [f32])>,
) -> Result<WeightDistance> {
    let mut totals = [0.0; 2];
    let mut found = Vec::new();
    for (name, weights, others) in layers {
        if weights.len() != others.len() {
            let [left, right] = [weights.len(), others.len()];
            return Err(Error::Lengths { what: "weights of a layer", left, right, of: "architecture" });
        }
        let mut squares = [0.0; 2];
        for (&a, &b) in weights.iter().zip(others) {
            let (a, b) = (f64::from(a), f64::from(b));
            squares[0] += (a - b).powi(2);
            squares[1] += b.powi(2);
        }
        if squares.iter().any(|sum| !sum.is_finite()) {
            check_finite("weights", weights.iter().chain(others).map(|&v| f64::from(v)))?;
        }
        totals.iter_mut().zip(squares).for_each(|(total, sum)| *total += sum);
        found.push((name.to_owned(), Distance::of_squares(squares)));
    }
    if found.is_empty() {
        return Err(Error::Empty { what: "layers" });
    }
    Ok(WeightDistance { total: Distance::of_squares(totals), layers: found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_euclidean_by_layer_and_in_all() {
        let layers = [("a", &[3.0, 0.0][..], &[0.0, 4.0][..]), ("b", &[0.0][..], &[12.0][..]), ("c", &[1.0], &[0.0])];
        let found = weight_distance(layers).unwrap();
        let of = |at: usize| (found.layers[at].1.distance, found.layers[at].1.norm);
        assert_eq!((of(0), of(1)), ((5.0, 4.0), (12.0, 12.0)));
        assert_eq!((found.layers[0].1.relative(), found.layers[2].1.relative()), (Some(1.25), None));
        assert_eq!((found.total.distance, found.total.norm), (170.0_f64.sqrt(), 160.0_f64.sqrt()));
        assert!(weight_distance([("a", &[1.0][..], &[][..])]).is_err() && weight_distance([]).is_err());
        assert!(weight_distance([("a", &[f32::NAN][..], &[1.0][..])]).is_err());
    }
}
