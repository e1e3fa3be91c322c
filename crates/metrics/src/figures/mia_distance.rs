//! Distance of the MIA-efficacy to Retrain's, in units of its standard deviation over draws. Below about 2, the
//! distance is no larger than that between two draws of one model.

use std::borrow::Cow;

use super::mia_efficacy;
use crate::interval::sample_variance;
use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "mia_distance";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("MIA distance"),
    meaning: Cow::Borrowed("distance of the MIA-efficacy to Retrain's, in standard deviations of one draw"),
    unit: Unit::None,
    range: [0.0, f64::MAX],
    direction: Direction::Lower,
    needs: &[Need::Forget, Need::Retain, Need::Test, Need::Attack, Need::RetrainFigures],
    source: "this project; the standard deviation is pooled over both models' draws",
    in_table: false,
    compute: |evidence| {
        let ours = evidence.figures.get(mia_efficacy::NAME);
        let theirs = evidence.retrain.and_then(|retrain| retrain.figures.get(mia_efficacy::NAME));
        let defined = ours.zip(theirs).filter(|(ours, theirs)| ours.number().and(theirs.number()).is_some());
        Ok(defined.and_then(|(ours, theirs)| distance(ours, theirs)).map(Value::exact))
    },
};

/// Returns `None` for fewer than two draws. Also returns `None` if draws do not differ but the models do, because the
/// unit would be zero.
fn distance(ours: &Value, theirs: &Value) -> Option<f64> {
    let apart = (ours.value - theirs.value).abs();
    let pooled = f64::midpoint(sample_variance(&ours.draws)?, sample_variance(&theirs.draws)?).sqrt();
    if apart == 0.0 { Some(0.0) } else { (pooled > 0.0).then(|| apart / pooled) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_counted_in_deviations_of_one_draw() {
        let drawn = |draws: &[f64]| Value::over_draws(draws.to_vec()).unwrap();
        // The variances are 2 and 8, so the pooled deviation is √5.
        assert_eq!(distance(&drawn(&[49.0, 51.0]), &drawn(&[58.0, 62.0])), Some(10.0 / 5.0_f64.sqrt()));
        assert_eq!(distance(&drawn(&[50.0, 50.0]), &drawn(&[50.0, 50.0])), Some(0.0));
        assert_eq!(distance(&drawn(&[50.0, 50.0]), &drawn(&[60.0, 60.0])), None);
        assert_eq!(distance(&drawn(&[50.0]), &drawn(&[60.0])), None);
    }
}
