//! Every stage that the suite rests on, with its manifest.

use maud::{Markup, html};
use unlearn_run_store::Manifest;

use super::Section;
use super::tables::filtered;
use crate::duration;
use crate::table::Grid;

/// Most stages whose manifests are written out.
const MOST: usize = 400;

/// A table of the stages, and the manifest of each, collapsed.
pub(super) fn section(stages: &[Manifest]) -> Option<Section> {
    if stages.is_empty() {
        return None;
    }
    let seconds: f64 = stages.iter().map(|stage| stage.wall_seconds).sum();
    let body = html! {
        p.note {
            (stages.len()) " stages made these results, in " (duration(seconds)) " of wall time together. A key is the hash of everything that \
             decides a stage's result. Inputs stand before what was made of them."
        }
        details.listing {
            summary { "The stages" }
            (filtered(&grid(stages), "Stages of the suite", &["Kind", "What", "Seed"], |_| false))
        }
        @if stages.len() <= MOST {
            details.listing {
                summary { "Their manifests" }
                @for stage in stages { (manifest(stage)) }
            }
        } @else {
            p.note { "With more than " (MOST) " stages the manifests are not written out here; they lie in the run store, one a stage." }
        }
    };
    Some(Section { title: "How each model came about".to_owned(), body })
}

fn grid(stages: &[Manifest]) -> Grid {
    let head =
        ["Key", "Kind", "What", "Seed", "Started", "Wall time (s)", "CPU time (s)", "Memory (MiB)"].map(str::to_owned);
    let line = |stage: &Manifest| {
        let measured = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"));
        vec![
            stage.key.short().to_owned(),
            stage.kind.clone(),
            what(stage),
            stage.seed.to_string(),
            stage.started.clone(),
            format!("{:.1}", stage.wall_seconds),
            measured(stage.cpu_seconds),
            measured(stage.peak_rss_mib),
        ]
    };
    Grid { head: head.to_vec(), names: 5, lines: stages.iter().map(line).collect() }
}

/// The method that the stage's configuration names, if it names one.
fn what(stage: &Manifest) -> String {
    let setting = |name: &str| stage.config.get(name).or_else(|| stage.config.get("config")?.get(name));
    let method = setting("method").and_then(|method| method.as_str().or_else(|| method.get("name")?.as_str()));
    method.unwrap_or("–").to_owned()
}

fn manifest(stage: &Manifest) -> Markup {
    let text = serde_json::to_string_pretty(stage).unwrap_or_else(|error| error.to_string());
    html! {
        details id={ "stage-" (stage.key) } {
            summary { (stage.kind) " " (what(stage)) ", seed " (stage.seed) ", " (stage.key.short()) }
            pre tabindex="0" { (text) }
        }
    }
}
