//! The live page of a suite that is being run: which stages are done, and an estimate of what is left.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::duration;
use crate::remaining::Guess;

const SCRIPT: &str = include_str!("live.js");

/// A run, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Name of the suite.
    pub suite: String,
    /// Title of the suite.
    pub title: Option<String>,
    /// Its stages, each after its inputs.
    pub stages: Vec<LiveStage>,
    /// Whether there are rows to report.
    pub has_rows: bool,
    /// The processors that the estimates are from.
    pub machines: Vec<String>,
}

/// A stage of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveStage {
    /// Its label.
    pub label: String,
    /// Its state.
    pub state: LiveState,
    /// How long it takes in all. `None` if nothing is known.
    pub guess: Option<Guess>,
}

/// The state of a stage.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveState {
    /// Finished, after this many seconds of wall time.
    Done(f64),
    /// Begun.
    Begun {
        /// Seconds that it took so far.
        so_far: f64,
        /// Seconds since it last wrote something.
        quiet: f64,
        /// Number of rows of metrics, most often epochs.
        rows: usize,
    },
    /// Not begun.
    ToDo,
    /// It cannot be read.
    Damaged(String),
}

impl LiveStage {
    /// Seconds that are left. `None` if nothing is known.
    fn left(&self) -> Option<f64> {
        match self.state {
            LiveState::Done(_) => Some(0.0),
            LiveState::Begun { so_far, .. } => self.guess.map(|guess| (guess.seconds - so_far).max(0.0)),
            LiveState::ToDo | LiveState::Damaged(_) => self.guess.map(|guess| guess.seconds),
        }
    }
}

impl Live {
    fn done(&self) -> usize {
        self.stages.iter().filter(|stage| matches!(stage.state, LiveState::Done(_))).count()
    }

    /// Whether every stage is done.
    pub fn is_done(&self) -> bool {
        self.done() == self.stages.len()
    }

    /// What is done and what is left, in words.
    pub fn headline(&self) -> String {
        let (done, all) = (self.done(), self.stages.len());
        if self.is_done() {
            return if all == 1 { "The stage is done.".to_owned() } else { format!("All {all} stages are done.") };
        }
        let known: Vec<f64> = self.stages.iter().filter_map(LiveStage::left).collect();
        let unknown = all - known.len();
        let without = match unknown {
            0 => String::new(),
            1 => ", without one stage of a kind that never ran".to_owned(),
            unknown => format!(", without {unknown} stages of kinds that never ran"),
        };
        let left = if known.len() == done {
            "Nothing is known of how long the others take.".to_owned()
        } else {
            format!("About {} of work are left{without}.", duration(known.iter().sum()))
        };
        format!("{done} of {all} stages are done. {left}")
    }

    /// The content security policy of the page: its own script, and requests to the program that served it.
    pub fn policy() -> String {
        let hash = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
        format!(
            "default-src 'none'; script-src 'sha256-{hash}'; connect-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        )
    }

    /// The part of the page that changes.
    pub fn state(&self) -> String {
        self.body().into_string()
    }

    /// The page.
    pub fn page(&self) -> String {
        let title = self.title.as_deref().unwrap_or(&self.suite);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "Running: " (title) " – unlearn" }
                    noscript { meta http-equiv="refresh" content="10"; }
                    style { (PreEscaped(include_str!("style.css"))) (PreEscaped(include_str!("live.css"))) }
                }
                body {
                    a.skip href="#state" { "Skip to the stages" }
                    header {
                        p.kicker { "Machine unlearning after pruning · suite " (self.suite) ", while it runs" }
                        h1 { (title) }
                        p #spoken .sr role="status" {}
                    }
                    main #state tabindex="-1" { (self.body()) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }

    fn body(&self) -> Markup {
        html! {
            p #headline .headline { (self.headline()) }
            progress max=(self.stages.len()) value=(self.done()) aria-label="Stages done" {}
            @for stage in &self.stages {
                @if matches!(stage.state, LiveState::Begun { .. }) { p { b { "Now: " } (stage.label) ", " (begun(stage)) } }
            }
            @if self.has_rows {
                p { a href="/report" { @if self.is_done() { "The report" } @else { "The report of what is done so far" } } }
            }
            p.note {
                "Expected is the median wall time of finished stages in this run store: with the same settings if there are any, else with the \
                 same method, else of the same kind. What is left is the sum over the stages; with several at a time it takes less. "
                @if self.machines.len() > 1 { "The times are from " (self.machines.len()) " kinds of processors. " }
                "A stage that is begun may belong to a run that has ended: look at how long it has been quiet."
            }
            div.scroll {
                table {
                    caption { "Stages of the suite" }
                    thead {
                        tr {
                            th.left scope="col" { "Stage" } th.left scope="col" { "State" } th scope="col" { "Took" }
                            th scope="col" { "Expected" } th.left scope="col" { "From" }
                        }
                    }
                    tbody { @for stage in &self.stages { (row(stage)) } }
                }
            }
        }
    }
}

/// How far a stage is: "2 epochs, quiet for 3 s".
fn begun(stage: &LiveStage) -> String {
    let LiveState::Begun { quiet, rows, .. } = &stage.state else { return String::new() };
    let epochs = match rows {
        0 => String::new(),
        1 => "1 epoch, ".to_owned(),
        rows => format!("{rows} epochs, "),
    };
    format!("{epochs}quiet for {}", duration(*quiet))
}

fn row(stage: &LiveStage) -> Markup {
    let took = match &stage.state {
        LiveState::Done(seconds) | LiveState::Begun { so_far: seconds, .. } => duration(*seconds),
        LiveState::ToDo | LiveState::Damaged(_) => "–".to_owned(),
    };
    let guess = stage.guess.filter(|_| !matches!(stage.state, LiveState::Done(_)));
    html! {
        tr {
            th scope="row" { (stage.label) }
            @match &stage.state {
                LiveState::Done(_) => td.left.state-done { "done" },
                LiveState::Begun { .. } => td.left.state-begun { "begun, " (begun(stage)) },
                LiveState::ToDo => td.left { "to do" },
                LiveState::Damaged(problem) => td.left { "damaged: " (problem) },
            }
            td { (took) }
            td { (guess.map_or_else(|| "–".to_owned(), |guess| duration(guess.seconds))) }
            td.left { @if let Some(guess) = guess { (guess.stages) " " (guess.basis.words()) } @else { "–" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remaining::Basis;

    fn live(states: Vec<(LiveState, Option<f64>)>) -> Live {
        let stage = |(state, seconds): (LiveState, Option<f64>)| LiveStage {
            label: "train <1>".to_owned(),
            state,
            guess: seconds.map(|seconds| Guess { seconds, basis: Basis::Settings, stages: 3 }),
        };
        let stages = states.into_iter().map(stage).collect();
        Live { suite: "s".to_owned(), title: None, stages, has_rows: true, machines: Vec::new() }
    }

    #[test]
    fn what_is_left_is_what_is_expected_less_what_was_done() {
        let begun = |so_far| LiveState::Begun { so_far, quiet: 2.0, rows: 1 };
        let run = live(vec![
            (LiveState::Done(9.0), Some(90.0)),
            (begun(30.0), Some(90.0)),
            (begun(99.0), Some(90.0)),
            (LiveState::ToDo, Some(65.0)),
        ]);
        assert_eq!(run.headline(), "1 of 4 stages are done. About 2 min 5 s of work are left.");
        let run = live(vec![(LiveState::Done(9.0), None), (LiveState::ToDo, Some(5.0)), (LiveState::ToDo, None)]);
        assert!(
            run.headline().ends_with("About 5 s of work are left, without one stage of a kind that never ran."),
            "{}",
            run.headline()
        );
        let run = live(vec![(LiveState::ToDo, None)]);
        assert!(run.headline().contains("Nothing is known"), "{}", run.headline());
        assert_eq!(live(vec![(LiveState::Done(1.0), None)]).headline(), "The stage is done.");
    }

    #[test]
    fn labels_are_escaped() {
        let page = live(vec![(LiveState::ToDo, None)]).page();
        assert!(page.contains("train &lt;1&gt;") && !page.contains("<1>"));
    }
}
