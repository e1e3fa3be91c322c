//! The poison in the training sets, and what detectors found of it.

use maud::{Markup, html};
use unlearn_metrics::Estimate;

use super::Section;
use super::tables::filtered;
use crate::backdoors::{Backdoor, ClassRates, Detection};
use crate::results::{Results, distinct};
use crate::summary::{Block, Variant};
use crate::table::{Grid, figure};

/// Pictures of the poison, the number of images, and one line per detector.
pub(super) fn section(results: &Results, blocks: &[Block]) -> Option<Section> {
    let backdoors = &results.backdoors;
    let first = backdoors.first()?;
    let unchanged: usize = backdoors.iter().map(|backdoor| backdoor.unchanged).sum();
    let body = html! {
        p {
            "The training set of each seed holds " (first.images) " poisoned images: " (first.label) ". A model that learns the backdoor \
             assigns images with the trigger to class " (first.target) ". ASR (attack success rate) counts the test images of other classes \
             for which this succeeds. TA is the accuracy on the test set without the trigger, which the literature on backdoors calls SA. \
             The row " code { "clean" } " was trained on the same images without the poison."
        }
        @if unchanged > 0 {
            p.note { "In " (unchanged) " images over all seeds the trigger changes no pixel. They are only mislabelled." }
        }
        @if let Some(samples) = &first.samples {
            figure {
                figcaption { b { "Poisoned images" } small { "above as they were, below with the trigger" } }
                img.pixels src={ "data:image/png;base64," (samples) } alt="Ten training images, above without and below with the trigger";
            }
        }
        (detections(backdoors))
        @if let Some(block) = blocks.first() { (by_class(&results.class_rates, block)) }
    };
    Some(Section { title: "The backdoor".to_owned(), body })
}

/// The ASR of every true class, for the first request: each method on the dense model, and on the one nearest 95 % sparsity.
fn by_class(rates: &[ClassRates], block: &Block) -> Markup {
    let variants: Vec<&Variant> =
        [block.dense(), block.sparse()].into_iter().flatten().map(|at| &block.variants[at]).collect();
    let classes = rates.first().map_or(0, |rates| rates.asr.len());
    let cell = |method: &str, variant: &Variant, class: usize| {
        let is_meant = |rates: &&ClassRates| {
            rates.forget == block.forget
                && rates.method == method
                && rates.sparsity == variant.sparsity
                && rates.pruning == variant.pruning
        };
        let values: Vec<f64> = rates.iter().filter(is_meant).filter_map(|rates| rates.asr[class]).collect();
        Estimate::over_seeds(&values).map_or_else(|_| "–".to_owned(), |estimate| format!("{:.1}", estimate.mean))
    };
    let head = ["Method", "Model"].map(str::to_owned).into_iter();
    let head = head.chain((0..classes).map(|class| format!("class {class}"))).collect();
    let mut lines = Vec::new();
    for line in &block.lines {
        for variant in &variants {
            let names = [line.method.clone(), variant.label()].into_iter();
            lines.push(names.chain((0..classes).map(|class| cell(&line.method, variant, class))).collect());
        }
    }
    let grid = Grid { head, names: 2, lines };
    html! {
        h3 { "ASR by true class" }
        (filtered(&grid, "ASR by true class", &["Method", "Model"], |row| row > 0 && row % variants.len() == 0))
        p.note {
            "Share of the triggered test images of each true class that are classified as the target, %, mean over seeds, for "
            (block.forget) ". The target's own class does not count in ASR. results.json has every model, and SA by class."
        }
    }
}

fn detections(backdoors: &[Backdoor]) -> Markup {
    let all = || backdoors.iter().flat_map(|backdoor| &backdoor.detections);
    let detectors = distinct(all().map(|found| found.detector.as_str()));
    let cell = |detector: &str, value: fn(&Detection) -> Option<f64>| {
        let values: Vec<f64> = all().filter(|found| found.detector == detector).filter_map(value).collect();
        Estimate::over_seeds(&values).map_or_else(|_| "–".to_owned(), |estimate| figure(&estimate))
    };
    html! {
        @if !detectors.is_empty() {
            h3 { "What detectors found" }
            div.scroll {
                table.narrow {
                    caption { "What detectors found" }
                    thead {
                        tr {
                            th.left scope="col" { "Detector" }
                            @for name in ["Poison found, %", "False alarms, %", "Suspected, %"] { th scope="col" { (name) } }
                        }
                    }
                    tbody {
                        @for detector in detectors {
                            tr {
                                th scope="row" { (detector) }
                                td { (cell(detector, |found| found.recall)) }
                                td { (cell(detector, |found| found.false_alarms)) }
                                td { (cell(detector, |found| Some(100.0 * found.suspicious as f64 / found.samples as f64))) }
                            }
                        }
                    }
                }
            }
            p.note {
                "Detectors look at the dense model's features and are not told where the poison is. Poison found is the share of the poison \
                 that a detector suspects; false alarms are the share of the clean samples. Means over seeds, with 95 % intervals."
            }
        }
    }
}
