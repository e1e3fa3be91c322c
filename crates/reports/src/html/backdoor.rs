//! The poison in the training sets, and what detectors found of it.

use maud::{Markup, html};
use unlearn_metrics::Estimate;

use super::Section;
use crate::backdoors::{Backdoor, Detection};
use crate::results::distinct;
use crate::table::figure;

/// Pictures of the poison, the number of images, and one line per detector.
pub(super) fn section(backdoors: &[Backdoor]) -> Option<Section> {
    let first = backdoors.first()?;
    let unchanged: usize = backdoors.iter().map(|backdoor| backdoor.unchanged).sum();
    let body = html! {
        p {
            "The training set of each seed holds " (first.images) " poisoned images: " (first.label) ". A model that learns the backdoor \
             assigns images with the trigger to class " (first.target) ". ASR (attack success rate) counts the test images of other classes \
             for which this succeeds. TA is the accuracy on the test set without the trigger, which the literature on backdoors calls SA. \
             The method `clean` was trained on the same images without the poison."
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
    };
    Some(Section { title: "The backdoor".to_owned(), body })
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
                    thead { tr { th.left { "Detector" } th { "Poison found, %" } th { "False alarms, %" } th { "Suspected, %" } } }
                    tbody {
                        @for detector in detectors {
                            tr {
                                td.left { (detector) }
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
