//! Judges one model, stored scores, or files of scores of any program.

use std::path::{Path, PathBuf};

use unlearn::metrics::ModelScores;
use unlearn::mia_eval::{MemberSelection, Registry, Settings};
use unlearn::models::ImportOptions;
use unlearn::score_files::{Role, ScoreSets, SetScores, is_scores};
use unlearn_experiment::{
    AskedToForget, Folder, OtherData, Predictor, StoredJudgement, Suite, find_stage, stored_scores,
};
use unlearn_reports::judged::{Evidence, judge as judge_scores};
use unlearn_run_store::Store;

use crate::{
    args::EvaluateArguments,
    convert::{check, check_new},
    exit::Usage,
    outputs::Outputs,
    predict::named,
};

/// The features that attacks use unless others are asked for.
const FEATURES: [&str; 5] = ["confidence", "correctness", "entropy", "m-entropy", "prob"];

/// What is judged, and what it is compared with.
struct Given {
    model: Evidence,
    retrain: Option<Evidence>,
    /// The attacks with which a stored evaluation was made.
    stored: Option<Settings>,
    seed: Option<u64>,
}

pub(crate) fn judge(arguments: &EvaluateArguments) -> anyhow::Result<()> {
    check(&arguments.foreign)?;
    for path in [&arguments.json, &arguments.html, &arguments.csv].into_iter().flatten() {
        check_new(path, arguments.replace)?;
    }
    check_apart(arguments)?;
    let registry = Registry::standard();
    // A name that does not exist is refused before anything is read.
    let asked = settings(arguments, &registry, None, None)?;
    registry.measured(&asked).map_err(|error| Usage(error.to_string()))?;
    let Given { model, retrain, stored, seed } = given(arguments)?;
    let settings = settings(arguments, &registry, stored.as_ref(), seed)?;
    let judged = judge_scores(&model, retrain.as_ref(), &registry, &settings)?;
    let mut files = Vec::new();
    if let Some(path) = arguments.json.clone() {
        files.push((path, judged.to_json()?));
    }
    if let Some(path) = arguments.html.clone() {
        files.push((path, unlearn_reports::html::judged(&judged)?.into_bytes()));
    }
    if let Some(path) = arguments.csv.clone() {
        files.push((path, judged.to_csv()?));
    }
    unlearn::files::write_all_atomic(&files)
        .map_err(|(path, source)| anyhow::Error::new(unlearn::score_files::Error::Write { path, source }))?;
    say!("{}", judged.terminal());
    for (path, _) in &files {
        say!("{}", path.display());
    }
    Ok(())
}

/// Refuses files that are read and written, or written twice.
fn check_apart(arguments: &EvaluateArguments) -> Result<(), Usage> {
    let EvaluateArguments { what, forget_scores, retain_scores, test_scores, retrain, request, mask, .. } = arguments;
    let mut files = Outputs::default()
        .reads("`--forget`", forget_scores.as_deref())
        .reads("`--retain`", retain_scores.as_deref())
        .reads("`--test`", test_scores.as_deref())
        .reads("`--retrain`", retrain.as_deref())
        .reads("`--request`", request.as_deref())
        .reads("`--mask`", mask.as_deref())
        .reads_dataset(arguments.foreign.dataset.as_deref());
    for path in what {
        files = files.reads("what is judged", Some(path));
    }
    let EvaluateArguments { json, html, csv, .. } = arguments;
    files
        .writes("`--json`", json.as_deref())
        .writes("`--html`", html.as_deref())
        .writes("`--csv`", csv.as_deref())
        .check()
}

/// The attacks and their settings: what was asked for, or those of a stored evaluation, or the defaults.
fn settings(
    arguments: &EvaluateArguments,
    registry: &Registry,
    of_stored: Option<&Settings>,
    seed: Option<u64>,
) -> Result<Settings, Usage> {
    let EvaluateArguments { attacks, mia, draws, members, attack_seed, .. } = arguments;
    let or = |asked: &[String], stored: Option<&Vec<String>>, all: Vec<String>| match (asked, stored) {
        ([], Some(stored)) => stored.clone(),
        ([], None) => all,
        (asked, _) => asked.to_vec(),
    };
    let all = registry.attacks().iter().map(|attack| attack.name.to_owned()).collect();
    let selection = members.or(of_stored.map(|stored| stored.members)).unwrap_or(MemberSelection::Stratified);
    let kept = of_stored.map(|stored| stored.draws).filter(|_| members.is_none());
    let count = Settings::count(draws.or(kept), selection).map_err(|reason| Usage(format!("--draws: {reason}")))?;
    Ok(Settings {
        attacks: or(attacks, of_stored.map(|stored| &stored.attacks), all),
        mia: or(mia, of_stored.map(|stored| &stored.mia), FEATURES.map(str::to_owned).to_vec()),
        draws: count,
        members: selection,
        seed: attack_seed.or(of_stored.map(|stored| stored.seed)).or(seed).unwrap_or(1),
    })
}

fn given(arguments: &EvaluateArguments) -> anyhow::Result<Given> {
    let EvaluateArguments { what, forget_scores, retrain, .. } = arguments;
    if let Some(forget) = forget_scores {
        refuse_options_of_models(arguments, "files of scores")?;
        return apart(arguments, forget);
    }
    let what = match what.as_slice() {
        [one] => one,
        several => {
            return Err(Usage(format!(
                "{} things to judge, but one is judged at a time; names of suites need `--out DIR`",
                several.len()
            ))
            .into());
        }
    };
    refuse_suite_file(what)?;
    if is_scores(what) {
        refuse_options_of_models(arguments, "a file of scores")?;
        let model = evidence(ScoreSets::read(what)?);
        let retrain = retrain.as_deref().map(|path| whole_or_apart(path, &model.scores)).transpose()?;
        return Ok(Given { model, retrain, stored: None, seed: None });
    }
    if let Some(StoredJudgement { scores, settings: stored, .. }) = stored_scores(what)? {
        refuse_options_of_models(arguments, "stored scores")?;
        let model = of_model(what.display().to_string(), scores, None);
        let retrain = retrain.as_deref().map(of_stored).transpose()?;
        return Ok(Given { model, retrain, stored, seed: None });
    }
    refuse_suite(arguments, what)?;
    refuse_folder(arguments, what)?;
    of_models(arguments, what)
}

/// Refuses the file of a suite: a suite is judged by its name, after its run.
pub(crate) fn refuse_suite_file(what: &Path) -> Result<(), Usage> {
    if !(what.is_file() && what.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))) {
        return Ok(());
    }
    let place = what.display();
    let name = Suite::load(what, &[]).map_or_else(|_| "NAME".into(), |suite| suite.suite.name);
    Err(Usage(format!(
        "{place}: it is the file of a suite, which holds no scores; compute it with `unlearn run {place}`, then give `unlearn evaluate \
         {name} --out DIR`, or name one of its models (`unlearn runs list`)"
    )))
}

/// Refuses a name of a suite without `--out`.
fn refuse_suite(arguments: &EvaluateArguments, what: &Path) -> Result<(), Usage> {
    let Some(name) = what.to_str().filter(|_| what.symlink_metadata().is_err()) else { return Ok(()) };
    let known = Store::open_existing(&arguments.store.runs).is_ok_and(|store| store.suite(name).is_ok());
    if known {
        return Err(Usage(format!("`{name}` is a suite; give `--out DIR` for its report")));
    }
    // An address is left to the reader of models, which names what is near.
    let is_address = name.contains([':', '/', '·']);
    let is_stage = Store::open_existing(&arguments.store.runs).is_ok_and(|store| find_stage(&store, name).is_ok());
    if is_address || is_stage {
        return Ok(());
    }
    Err(Usage(format!("{name}: there is no such file; {}", to_name(arguments))))
}

/// Refuses a folder that holds nothing to judge.
fn refuse_folder(arguments: &EvaluateArguments, what: &Path) -> Result<(), Usage> {
    let folder = if what.is_dir() { Folder::of(what) } else { return Ok(()) };
    if !matches!(folder, Folder::Store | Folder::Kind | Folder::Indices | Folder::Report | Folder::Other) {
        return Ok(());
    }
    Err(Usage(format!(
        "{}: there is nothing to judge: the folder is {}; {}",
        what.display(),
        folder.describe(what),
        to_name(arguments)
    )))
}

/// What can be judged.
fn to_name(arguments: &EvaluateArguments) -> String {
    format!(
        "name a file of scores, a model, a stage (`unlearn:3f2a`), or with `--out DIR` a suite of the run store {}",
        arguments.store.runs.display()
    )
}

/// Refuses options that say what a model is, where there is none.
fn refuse_options_of_models(arguments: &EvaluateArguments, what: &str) -> Result<(), Usage> {
    let foreign = &arguments.foreign;
    let given = [
        ("--request", arguments.request.is_some()),
        ("--class", arguments.class.is_some()),
        ("--subclass", !arguments.subclasses.subclass.is_empty()),
        ("--mask", arguments.mask.is_some()),
        ("--dataset", foreign.dataset.is_some()),
        ("--arch", foreign.arch.is_some()),
        ("--side", foreign.side.is_some()),
        ("--mean", foreign.mean.is_some()),
        ("--key", foreign.key.is_some()),
        ("--retrain-key", arguments.retrain_key.is_some()),
        ("--data-dir", arguments.environment.data_dir.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(Usage(format!("`{option}` applies to models, and {what} is judged; leave it out"))),
    }
}

fn evidence(scores: ScoreSets) -> Evidence {
    Evidence { source: scores.place(), scores, triggered: None, rte_seconds: None }
}

/// Files of one set each.
fn apart(arguments: &EvaluateArguments, forget: &Path) -> anyhow::Result<Given> {
    let mut files = vec![(Role::Forget, forget)];
    files.extend(arguments.retain_scores.as_deref().map(|path| (Role::Retain, path)));
    files.extend(arguments.test_scores.as_deref().map(|path| (Role::Test, path)));
    let model = evidence(ScoreSets::read_apart(&files)?);
    let retrain = arguments.retrain.as_deref().map(|path| whole_or_apart(path, &model.scores)).transpose()?;
    Ok(Given { model, retrain, stored: None, seed: None })
}

/// A Retrain's scores: on all sets, or, if the arrays are without the sets' names, on the samples to forget.
fn whole_or_apart(path: &Path, model: &ScoreSets) -> anyhow::Result<Evidence> {
    if !is_scores(path) {
        let problem = format!(
            "{}: it is no file of scores; give the Retrain's scores, as the judged model's ({})",
            path.display(),
            model.place()
        );
        return Err(Usage(problem).into());
    }
    match ScoreSets::read(path) {
        Ok(scores) => Ok(evidence(scores)),
        Err(whole) => match ScoreSets::read_apart(&[(Role::Forget, path)]) {
            Ok(scores) => Ok(evidence(scores)),
            Err(alone) => Err(if alone.to_string().contains("it has no scores of") { whole } else { alone }.into()),
        },
    }
}

fn of_stored(path: &Path) -> anyhow::Result<Evidence> {
    match stored_scores(path)? {
        Some(stored) => {
            stored.check_retrain(path)?;
            Ok(of_model(path.display().to_string(), stored.scores, None))
        }
        None if is_scores(path) => Ok(evidence(ScoreSets::read(path)?)),
        None => Err(Usage(format!(
            "--retrain {}: stored scores are judged, so give the `evaluate` stage of Retrain, or a file with its scores",
            path.display()
        ))
        .into()),
    }
}

fn of_model(source: String, scores: ModelScores, rte_seconds: Option<f64>) -> Evidence {
    let ModelScores { forget, retain, test, validation, triggered, .. } = scores;
    let sets = [
        (Role::Forget, Some(forget)),
        (Role::Retain, Some(retain)),
        (Role::Test, Some(test)),
        (Role::Validation, validation),
    ];
    let sets = sets.into_iter().filter_map(|(role, scores)| Some((role, SetScores::of(scores?)))).collect();
    let scores = ScoreSets { sets, notes: Vec::new(), paths: vec![PathBuf::from(&source)] };
    Evidence { source, scores, triggered, rte_seconds }
}

/// A model on a dataset, and perhaps a Retrain on the same samples.
fn of_models(arguments: &EvaluateArguments, what: &Path) -> anyhow::Result<Given> {
    let EvaluateArguments { request, class, subclasses, mask, retrain, retrain_key, foreign, environment, .. } =
        arguments;
    let environment = environment.environment()?;
    let dataset = foreign.dataset.as_deref();
    let asked = match (request, class) {
        (Some(path), _) => Some(AskedToForget::List(path.clone())),
        (None, Some(class)) => Some(AskedToForget::Class(class.clone())),
        (None, None) => subclasses.request().map(AskedToForget::Subclass),
    };
    let mut predictor =
        Predictor::open(&named(what, mask.as_deref(), foreign), dataset, OtherData::Refused, &environment)?;
    let sets = predictor.sets(asked.as_ref())?;
    let mut other = match retrain {
        Some(path) if is_scores(path) => {
            let problem = format!("--retrain {}: a model is judged, so give Retrain's model too", path.display());
            return Err(Usage(problem).into());
        }
        Some(path) => {
            let mut of_retrain = named(path, None, foreign);
            of_retrain.import = ImportOptions { key: retrain_key.clone(), ..of_retrain.import };
            Some((path, predictor.retrain(&of_retrain, &sets)?))
        }
        None => None,
    };
    let source = format!("{} on {}", what.display(), predictor.dataset.name);
    let seconds = predictor.rte_seconds()?;
    let model = of_model(source, predictor.score(&sets)?, seconds);
    let retrain = match &mut other {
        Some((path, opened)) => {
            let seconds = opened.rte_seconds()?;
            Some(of_model(path.display().to_string(), opened.score(&sets)?, seconds))
        }
        None => None,
    };
    Ok(Given { model, retrain, stored: None, seed: predictor.attack_seed() })
}
