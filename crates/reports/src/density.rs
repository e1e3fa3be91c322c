//! Pictures of density by layer: one panel per pruning method, one line per sparsity, layers in the network's order.

use unlearn_metrics::Estimate;

use crate::canvas::{Align, Axis, Canvas, INK, MUTED, RULE, apart};
use crate::error::Result;
use crate::plots::colour;
use crate::prunings::Pruning;
use crate::results::distinct;
use crate::summary::{Variant, percent};
use crate::table::Grid;

const SIZE: (u32, u32) = (400, 250);
const LEFT: i32 = 44;
const RIGHT: i32 = 346;
const TOP: i32 = 12;
const BOTTOM: i32 = 222;

/// Prunings of one model, gathered over seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Densities {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Names of the layers, in the network's order.
    pub layers: Vec<String>,
    /// The result of each pruning, by method in the order of the suite and by ascending sparsity.
    pub lines: Vec<Density>,
}

/// The result of one pruning, over seeds. Densities are in percent.
#[derive(Debug, Clone, PartialEq)]
pub struct Density {
    /// The pruning.
    pub variant: Variant,
    /// Share of parameters kept.
    pub parameters: Estimate,
    /// Share of operations kept.
    pub operations: Estimate,
    /// Mean share of parameters kept, by layer. `None` for a layer that the pruning does not cover.
    pub layers: Vec<Option<f64>>,
}

/// Gathers prunings over seeds, one group per model, in the order of the suite.
pub fn densities(prunings: &[Pruning]) -> Vec<Densities> {
    let model = |pruning: &Pruning| (pruning.dataset.clone(), pruning.arch.clone());
    let gathered = distinct(prunings.iter().map(model)).into_iter().map(|(dataset, arch)| {
        let members: Vec<&Pruning> = prunings.iter().filter(|one| one.dataset == dataset && one.arch == arch).collect();
        Densities::new(dataset, arch, &members)
    });
    gathered.collect()
}

impl Densities {
    fn new(dataset: String, arch: String, prunings: &[&Pruning]) -> Self {
        // A pruning may cover fewer layers than another. The order comes from the one that covers the most.
        let mut widest = prunings.to_vec();
        widest.sort_by_key(|pruning| std::cmp::Reverse(pruning.layers.len()));
        let layers = distinct(widest.iter().flat_map(|pruning| &pruning.layers).map(|layer| layer.name.clone()));
        let methods = distinct(prunings.iter().map(|pruning| pruning.pruning.as_str()));
        let mut lines = Vec::new();
        for method in methods {
            let of_method = || prunings.iter().filter(|pruning| pruning.pruning == method);
            let mut sparsities = distinct(of_method().map(|pruning| pruning.sparsity));
            sparsities.sort_by(f64::total_cmp);
            lines.extend(sparsities.into_iter().filter_map(|sparsity| {
                let seeds: Vec<&Pruning> =
                    of_method().filter(|pruning| pruning.sparsity == sparsity).copied().collect();
                Density::new(Variant { sparsity, pruning: method.to_owned() }, &layers, &seeds)
            }));
        }
        Self { dataset, arch, layers, lines }
    }

    /// Names of the pruning methods, in the order of the suite.
    pub fn methods(&self) -> Vec<&str> {
        distinct(self.lines.iter().map(|line| line.variant.pruning.as_str()))
    }

    /// Density by layer of one pruning method as SVG. Each sparsity is a line. All panels share a logarithmic axis.
    ///
    /// # Errors
    /// [`crate::ReportError::Plot`].
    pub fn picture(&self, method: &str) -> Result<String> {
        let scale = Scale::new(self.lines.iter().flat_map(|line| &line.layers).flatten().copied());
        let position = self.methods().iter().position(|known| *known == method).unwrap_or(0);
        let spacing = f64::from(RIGHT - LEFT) / self.layers.len() as f64;
        let middle = |layer: usize| LEFT + (spacing * (layer as f64 + 0.5)).round() as i32;

        Canvas::draw(&format!("density by layer of {method}"), SIZE, |canvas| {
            for (height, label) in scale.ticks() {
                canvas.line(vec![(LEFT, height), (RIGHT, height)], RULE, 1)?;
                canvas.text(&label, (LEFT - 6, height), 12, MUTED, Align::End)?;
            }
            let mut free = 0;
            for (name, from, to) in stages(&self.layers) {
                let [from, to] = [from, to].map(|layer| LEFT + (spacing * layer as f64).round() as i32);
                if from > LEFT {
                    canvas.line(vec![(from, TOP), (from, BOTTOM)], RULE, 1)?;
                }
                // A name is drawn only if it does not touch the previous one. A character is about 6 pixels wide.
                let (centre, half) = (from.midpoint(to), name.chars().count() as i32 * 3 + 3);
                if centre - half >= free {
                    canvas.text(name, (centre, BOTTOM + 14), 12, MUTED, Align::Middle)?;
                    free = centre + half;
                }
            }
            let mut ends = Vec::new();
            for line in self.lines.iter().filter(|line| line.variant.pruning == method) {
                let places: Vec<(i32, i32)> = line
                    .layers
                    .iter()
                    .enumerate()
                    .filter_map(|(layer, density)| Some((middle(layer), scale.at((*density)?))))
                    .collect();
                ends.extend(places.last().map(|(_, y)| (percent(line.variant.sparsity), *y)));
                canvas.line(places.clone(), colour(position), 2)?;
                for place in places {
                    canvas.dot(place, 2, colour(position))?;
                }
            }
            for (label, y) in apart(ends, BOTTOM) {
                canvas.text(&label, (RIGHT + 6, y), 12, INK, Align::Start)?;
            }
            Ok(())
        })
    }
}

impl Densities {
    /// The numbers of a [`picture`](Self::picture): a line per layer, a column per sparsity.
    pub(crate) fn numbers(&self, method: &str) -> Grid {
        let lines: Vec<&Density> = self.lines.iter().filter(|line| line.variant.pruning == method).collect();
        let head = std::iter::once("Layer".to_owned());
        let head = head.chain(lines.iter().map(|line| format!("{}, % kept", percent(line.variant.sparsity)))).collect();
        let kept = |density: Option<f64>| density.map_or_else(|| "–".to_owned(), |density| format!("{density:.2}"));
        let row = |(layer, name): (usize, &String)| {
            std::iter::once(name.clone()).chain(lines.iter().map(|line| kept(line.layers[layer]))).collect()
        };
        Grid { head, names: 1, lines: self.layers.iter().enumerate().map(row).collect() }
    }
}

impl Density {
    /// `None` without seeds.
    fn new(variant: Variant, layers: &[String], seeds: &[&Pruning]) -> Option<Self> {
        let over_seeds = |of: fn(&Pruning) -> f64| {
            let values: Vec<f64> = seeds.iter().map(|pruning| 100.0 * of(pruning)).collect();
            Estimate::over_seeds(&values).ok()
        };
        let of_layer = |name: &String| {
            let covered = seeds.iter().flat_map(|pruning| &pruning.layers).filter(|layer| layer.name == *name);
            let values: Vec<f64> = covered.map(|layer| 100.0 * layer.parameter_density).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let parameters = over_seeds(|pruning| pruning.parameter_density)?;
        let operations = over_seeds(|pruning| pruning.operation_density)?;
        Some(Self { variant, parameters, operations, layers: layers.iter().map(of_layer).collect() })
    }
}

/// Runs of layers whose names begin with the same part, as (part, first layer, layer after the last).
fn stages(layers: &[String]) -> Vec<(&str, usize, usize)> {
    let mut stages: Vec<(&str, usize, usize)> = Vec::new();
    for (position, layer) in layers.iter().enumerate() {
        let stage = layer.split('.').next().unwrap_or_default();
        match stages.last_mut() {
            Some((name, _, end)) if *name == stage => *end = position + 1,
            _ => stages.push((stage, position, position + 1)),
        }
    }
    stages
}

/// A logarithmic axis of densities in percent up to 100, with a separate place for layers without any kept
/// parameters.
struct Scale {
    decades: Axis,
    lowest: f64,
    with_zero: bool,
}

impl Scale {
    fn new(densities: impl Iterator<Item = f64>) -> Self {
        let (mut lowest, mut with_zero) = (50.0_f64, false);
        for density in densities {
            if density > 0.0 {
                lowest = lowest.min(density);
            } else {
                with_zero = true;
            }
        }
        let lowest = 0.9 * lowest;
        let bottom = if with_zero { BOTTOM - 20 } else { BOTTOM };
        Self { decades: Axis::new((lowest.log10(), 2.0), (bottom, TOP), 1), lowest, with_zero }
    }

    fn at(&self, density: f64) -> i32 {
        if density > 0.0 { self.decades.at(density.log10()) } else { BOTTOM }
    }

    /// Heights and labels.
    fn ticks(&self) -> Vec<(i32, String)> {
        let mut ticks: Vec<(i32, String)> = Vec::new();
        let first = self.lowest.log10().floor() as i32;
        let round = (first..=2).flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(power)));
        for density in round.filter(|density| (self.lowest..=100.5).contains(density)) {
            ticks.push((self.at(density), percent(density / 100.0)));
        }
        if self.with_zero {
            ticks.push((BOTTOM, percent(0.0)));
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prunings::LayerDensity;

    fn pruning(pruning: &str, sparsity: f64, seed: u64, layers: &[(&str, f64)]) -> Pruning {
        let layer = |(name, density): &(&str, f64)| LayerDensity {
            name: (*name).to_owned(),
            parameter_density: *density,
            operation_density: *density,
        };
        Pruning {
            dataset: "d".to_owned(),
            arch: "a".to_owned(),
            pruning: pruning.to_owned(),
            sparsity,
            seed,
            parameter_density: 1.0 - sparsity,
            operation_density: (1.0 - sparsity) * (1.0 + 0.1 * seed as f64),
            layers: layers.iter().map(layer).collect(),
        }
    }

    #[test]
    fn seeds_are_averaged_and_layers_keep_the_networks_order() {
        let prunings = [
            pruning("omp", 0.9, 1, &[("conv1", 0.5), ("layer1.0", 0.2)]),
            pruning("omp", 0.9, 2, &[("conv1", 0.7), ("layer1.0", 0.4)]),
            pruning("synflow", 0.5, 1, &[("conv1", 0.9), ("layer1.0", 0.8), ("fc", 0.7)]),
            pruning("omp", 0.5, 1, &[("conv1", 0.9), ("layer1.0", 0.8)]),
        ];
        let gathered = densities(&prunings).swap_remove(0);
        assert_eq!(gathered.layers, ["conv1", "layer1.0", "fc"]);
        let labels: Vec<String> = gathered.lines.iter().map(|line| line.variant.label()).collect();
        assert_eq!(labels, ["50 % omp", "90 % omp", "50 % synflow"]);
        let line = &gathered.lines[1];
        assert_eq!(line.layers.last(), Some(&None), "omp does not cover fc");
        for (layer, expected) in line.layers.iter().flatten().zip([60.0, 30.0]) {
            assert!((layer - expected).abs() < 1e-9, "{layer}");
        }
        assert!((line.parameters.mean - 10.0).abs() < 1e-9);
        assert!((line.operations.mean - 11.5).abs() < 1e-9 && line.operations.half_width.is_some());
    }

    #[test]
    fn models_are_kept_apart() {
        let one = pruning("omp", 0.9, 1, &[("conv1", 0.5)]);
        let other = Pruning { arch: "b".to_owned(), ..one.clone() };
        let arches: Vec<String> = densities(&[one, other]).into_iter().map(|densities| densities.arch).collect();
        assert_eq!(arches, ["a", "b"]);
    }

    #[test]
    fn an_empty_layer_has_a_place_below_the_logarithm() {
        let with_zero = Scale::new([0.0, 0.5, 40.0].into_iter());
        assert_eq!((with_zero.at(0.0), with_zero.at(100.0)), (BOTTOM, TOP));
        assert!(with_zero.at(0.5) < BOTTOM - 10, "{}", with_zero.at(0.5));
        let labels: Vec<String> = with_zero.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.5 %", "1 %", "2 %", "5 %", "10 %", "20 %", "50 %", "100 %", "0 %"]);
        let without = Scale::new([0.5, 40.0].into_iter());
        assert!(without.ticks().iter().all(|(_, label)| label != "0 %"));
        // Equal ratios have equal distances.
        let steps = [1.0, 10.0, 100.0].map(|density| without.at(density));
        assert!(((steps[0] - steps[1]) - (steps[1] - steps[2])).abs() <= 1, "{steps:?}");
    }

    #[test]
    fn stages_are_runs_of_layers() {
        let layers = ["conv1.weight", "layer1.0.conv1.weight", "layer1.1.conv1.weight", "fc.weight"];
        assert_eq!(stages(&layers.map(str::to_owned)), [("conv1", 0, 1), ("layer1", 1, 3), ("fc", 3, 4)]);
    }

    #[test]
    fn a_panel_has_a_line_per_sparsity_of_its_method() {
        let layers = [("conv1", 0.5), ("layer1.0", 0.2)];
        let prunings = [("omp", 0.5), ("omp", 0.9), ("imp", 0.9)].map(|(name, at)| pruning(name, at, 1, &layers));
        let gathered = densities(&prunings).swap_remove(0);
        assert_eq!(gathered.methods(), ["omp", "imp"]);
        let lines = |method: &str, colour: &str| {
            let svg = gathered.picture(method).unwrap();
            svg.matches(&format!("stroke=\"{colour}\" stroke-width=\"2\"")).count()
        };
        assert_eq!((lines("omp", "#0072B2"), lines("imp", "#D55E00")), (2, 1));
    }
}
