//! A suite with a method, a figure and an attack that are not in the workspace, beside standard ones.
//!
//! ```sh
//! cargo run --release -p unlearn-experiment --example own_method
//! ```
//!
//! To do the same in your own crate, take these steps:
//! 1. Depend on `unlearn-experiment`, `unlearn-unlearning`, `unlearn-training`, `unlearn-metrics`,
//!    `unlearn-mia-eval`, `unlearn-run-store` and `unlearn-reports` by path or Git revision, and on `serde`.
//! 2. Implement [`Method`] and make an [`Entry`] of it with [`entry`].
//! 3. Put it, the figure and the attack into an [`Environment`] as [`environment`] does.
//! 4. Use their names in suites.
//!
//! Nothing in the workspace is changed. A program with its own registry must compute stages in its own process,
//! because the binary `unlearn`, also as a child process, knows only the standard names.

use std::{borrow::Cow, error::Error, path::Path};

use serde::{Deserialize, Serialize};
use unlearn_experiment::{Environment, Plan, RunOptions, Suite};
use unlearn_metrics::{Direction, Evidence, Figure, ModelScores, Need, Unit, Value};
use unlearn_mia_eval::{Attack, Draws, Pool, Registry, Run};
use unlearn_reports::Written;
use unlearn_run_store::Store;
use unlearn_unlearning::{
    Entry, Method, Methods, Origin, Outcome, Parameter, Prospect, Request, Search, entry, parameter::searched,
    range::share,
};

/// Shrinks the classifier's weights of the classes of the forget set.
struct DimHead;

/// Keys of `dim-head`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Dimming {
    /// The share of each weight that is removed.
    strength: f64,
}

impl Method for DimHead {
    const NAME: &'static str = "dim-head";
    const SUMMARY: &'static str = "shrinks the classifier's rows of the classes that the forget set has";
    const SOURCE: &'static str = "this example";
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[searched(
        "strength",
        "share of each weight that is taken away",
        Origin::Ours,
        Search::Linear { low: 0.1, high: 1.0 },
    )]];
    type Config = Dimming;

    fn defaults() -> Dimming {
        Dimming { strength: 0.5 }
    }

    fn check(config: &Dimming) -> Result<(), String> {
        share("strength", config.strength)
    }

    fn suits(_: &Dimming, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_forgotten()?;
        match prospect.graph.parameter(HEAD) {
            Some(_) => Ok(()),
            None => Err(format!("{} has no `{HEAD}`; use a residual network", prospect.graph.arch)),
        }
    }

    fn run(config: &Dimming, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let clock = std::time::Instant::now();
        let graph = request.network.graph().clone();
        let mut state = request.network.state().clone();
        // `suits` has checked that the parameter exists.
        if let Some(head) = graph.parameter(HEAD) {
            let inputs = graph.parameters[head].shape[1];
            let mut classes: Vec<u32> =
                request.forget.iter().map(|position| request.task.images.labels[*position as usize]).collect();
            classes.sort_unstable();
            classes.dedup();
            for class in classes {
                let row = class as usize * inputs..(class as usize + 1) * inputs;
                state.parameters_mut()[head][row].iter_mut().for_each(|theta| *theta *= (1.0 - config.strength) as f32);
            }
        }
        request.network.set_state(state);
        Ok(Outcome { epochs: Vec::new(), seconds: clock.elapsed().as_secs_f64() })
    }
}

/// The classifier's weight in residual networks, `[classes, features]`.
const HEAD: &str = "fc.weight";

static DIM_HEAD: Entry = entry::<DimHead>();

/// Difference between the accuracies on retained and forgotten images: a column of the table.
const SPLIT: Figure = Figure {
    name: Cow::Borrowed("split"),
    label: Cow::Borrowed("Split"),
    meaning: Cow::Borrowed("accuracy on the retain set less that on the forget set, points"),
    unit: Unit::Points,
    range: [-100.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget, Need::Retain],
    source: "this example",
    in_table: true,
    compute: split,
};

fn split(evidence: &Evidence<'_>) -> unlearn_metrics::Result<Option<Value>> {
    let Some(scores) = evidence.scores else { return Ok(None) };
    Ok(Some(Value::exact(scores.retain.accuracy()? - scores.forget.accuracy()?)))
}

/// An attack that needs no fit: it calls every misclassified sample a non-member.
const STRANGER: Attack = Attack {
    name: "stranger",
    summary: "calls a sample a member if it is classified correctly",
    source: "Yeom et al. 2018, arXiv 1709.01604, the gap attack",
    pool: Pool::Alone,
    figures: &[Figure {
        name: Cow::Borrowed("stranger_efficacy"),
        label: Cow::Borrowed("Stranger"),
        meaning: Cow::Borrowed("samples of the forget set that are called no members, %"),
        unit: Unit::Percent,
        range: [0.0, 100.0],
        needs: &[Need::Forget, Need::Attack],
        in_table: false,
        // The attack gives the value.
        compute: |_| Ok(None),
        ..SPLIT
    }],
    run: Run::Once(stranger),
};

fn stranger(scores: &ModelScores, _: &Draws) -> unlearn_mia_eval::Result<Vec<Value>> {
    Ok(vec![Value::exact(100.0 - scores.forget.accuracy()?)])
}

/// The standard registries, extended by the entries of this example.
fn environment() -> Environment {
    Environment {
        methods: Methods::standard().with(&DIM_HEAD),
        registry: Registry::standard().with_figure(SPLIT).with_attack(STRANGER),
        offline: true,
        ..Environment::default()
    }
}

const SUITE: &str = r#"
forget = [{ kind = "class", class = 0 }]
unlearn = [{ method = "retrain" }, { method = "raw" }, { method = "dim-head", strength = 0.8 }]
[suite]
name = "own-method"
seeds = [1]
[data]
name = "fashion-mnist-mini"
train-limit = 200
[model]
arch = "resnet8s"
[train]
epochs = 1
batch-size = 32
[evaluate]
attacks = ["mia-efficacy", "stranger"]
"#;

/// Runs the suite in a folder, and writes the report there.
pub(crate) fn run(folder: &Path) -> Result<Written, Box<dyn Error>> {
    let environment = environment();
    let suite = Suite::parse(SUITE, Path::new("own-method.toml"), &[])?;
    let plan = Plan::resolve(&suite, &environment)?;
    let store = Store::open(folder.join("runs"))?;
    let options = RunOptions::unattended("cargo run -p unlearn-experiment --example own_method");
    let finished = unlearn_experiment::run(&plan, &store, &options)?;
    let figures = environment.registry.figures();
    Ok(unlearn_reports::write(&store, &finished.index, &folder.join("report"), &figures)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let written = run(folder.path())?;
    println!("{}", written.summary);
    println!("report: {}, deleted with its temporary folder", written.html.display());
    Ok(())
}
