//! Makes the suite of trials from a suite.

use std::collections::HashMap;

use rand::{Rng, RngExt};
use serde_json::{Value, json};
use unlearn_random::stream;
use unlearn_run_store::Searched;
use unlearn_unlearning::{Methods, Search};

use super::{Objective, RAW, RETRAIN, SearchedSuite, TuneOptions, plain};
use crate::{Suite, suite::MethodSection};

/// Name of a trial's method in the suite of trials.
fn trial_name(method: &str, number: usize) -> String {
    format!("{method} · trial {number}")
}

/// The suite of trials, on the first seed.
pub(super) fn of(suite: &Suite, methods: &Methods, options: &TuneOptions) -> Result<SearchedSuite, String> {
    if let Some(unknown) = options.methods.iter().find(|name| !suite.unlearn.iter().any(|table| table.name() == **name))
    {
        let valid: Vec<&str> = suite.unlearn.iter().map(MethodSection::name).collect();
        return Err(format!("no [[unlearn]] table is called `{unknown}`; there are: {}", valid.join(", ")));
    }
    let mut searched = SearchedSuite { suite: suite.clone(), space: Vec::new(), trials: HashMap::new() };
    searched.suite.suite.seeds.truncate(1);
    searched.suite.suite.tuned = None;
    // The references use the suite's own settings.
    let reference = |method: &str| {
        let own = suite.unlearn.iter().find(|table| table.method == method && table.name() == method);
        own.cloned().unwrap_or_else(|| plain(method))
    };
    searched.suite.unlearn = match options.objective {
        Objective::Gap => vec![reference(RETRAIN)],
        Objective::OracleFree => vec![reference(RAW)],
    };
    for table in &suite.unlearn {
        let wanted = options.methods.is_empty() || options.methods.iter().any(|name| name == table.name());
        let entry = methods.find(&table.method).map_err(|error| error.to_string())?;
        let searchable: Vec<(&str, Search)> =
            entry.parameters().filter_map(|parameter| Some((parameter.key, parameter.search?))).collect();
        if wanted && searchable.is_empty() && !options.methods.is_empty() {
            return Err(format!("`{}` has no setting to search", table.name()));
        }
        if !wanted || searchable.is_empty() {
            continue;
        }
        for (key, search) in &searchable {
            let (method, key) = (table.name().to_owned(), (*key).to_owned());
            searched.space.push(Searched { method, key, search: json!(search) });
        }
        for number in 0..options.trials {
            let name = trial_name(table.name(), number);
            let mut config = table.config.clone();
            if number > 0 {
                for (key, search) in &searchable {
                    let purpose = format!("tuning/{}/{key}", table.method);
                    config[*key] = draw(search, &mut stream(&purpose, &[options.seed, number as u64]));
                }
            }
            searched.trials.insert(name.clone(), (table.name().to_owned(), number));
            searched.suite.unlearn.push(MethodSection { method: table.method.clone(), name: Some(name), config });
        }
    }
    if searched.trials.is_empty() {
        return Err(
            "no method of this suite has a setting to search; see `unlearn methods show NAME --defaults`".into()
        );
    }
    Ok(searched)
}

/// A value of a setting with two digits. More digits would suggest a precision that a search does not have.
fn draw(search: &Search, random: &mut impl Rng) -> Value {
    match *search {
        Search::Log { low, high } => json!(two_digits((low.ln() + random.random::<f64>() * (high / low).ln()).exp())),
        Search::Linear { low, high } => json!(two_digits(low + random.random::<f64>() * (high - low))),
        Search::Whole { low, high } => json!(random.random_range(low..=high)),
        Search::OneOf(values) => json!(values[random.random_range(0..values.len())]),
    }
}

fn two_digits(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: &str = r#"
        forget = [{ kind = "class", class = 0 }]
        [suite]
        name = "tiny"
        seeds = [3, 4]
        [data]
        name = "fashion-mnist-mini"
        [model]
        arch = "resnet8s"
        [[unlearn]]
        method = "raw"
        [[unlearn]]
        method = "ft"
        epochs = 2
        lr = 0.5
        [[unlearn]]
        method = "l1-sparse"
        name = "sparse"
        epochs = 3
    "#;

    fn options(trials: usize, objective: Objective, methods: &[&str], seed: u64) -> TuneOptions {
        TuneOptions { trials, objective, methods: methods.iter().map(|name| (*name).to_owned()).collect(), seed }
    }

    fn search(options: &TuneOptions) -> Result<SearchedSuite, String> {
        of(&Suite::parse(SUITE, std::path::Path::new("suite.toml"), &[]).unwrap(), &Methods::standard(), options)
    }

    fn table<'a>(searched: &'a SearchedSuite, name: &str) -> &'a MethodSection {
        searched.suite.unlearn.iter().find(|table| table.name() == name).unwrap()
    }

    #[test]
    fn every_method_has_as_many_trials_and_the_first_is_the_suites_own() {
        let searched = search(&options(4, Objective::Gap, &[], 1)).unwrap();
        assert_eq!(searched.suite.suite.seeds, [3]);
        let names: Vec<&str> = searched.suite.unlearn.iter().map(MethodSection::name).collect();
        assert_eq!(
            names[..3],
            ["retrain", "ft · trial 0", "ft · trial 1"],
            "Retrain is the reference, `raw` has nothing to tune"
        );
        assert_eq!(names.len(), 1 + 2 * 4);
        assert_eq!(table(&searched, "ft · trial 0").config, json!({ "epochs": 2, "lr": 0.5 }));
        for number in 1..4 {
            let config = &table(&searched, &format!("ft · trial {number}")).config;
            assert_eq!(config["epochs"], 2, "the budget stays the suite's");
            assert!((1e-3..=1e-1).contains(&config["lr"].as_f64().unwrap()), "{config}");
            let sparse = &table(&searched, &format!("sparse · trial {number}")).config;
            assert!(sparse["gamma"].is_f64() && sparse["epochs"] == 3, "{sparse}");
        }
        assert!(searched.space.iter().any(|key| key.method == "sparse" && key.key == "gamma"));
        let oracle_free = search(&options(1, Objective::OracleFree, &[], 1)).unwrap();
        assert_eq!(oracle_free.suite.unlearn[0].name(), "raw");
    }

    #[test]
    fn draws_follow_the_seed_and_do_not_change_with_the_budget() {
        let rate = |trials, seed| {
            let searched = search(&options(trials, Objective::Gap, &["ft"], seed)).unwrap();
            table(&searched, "ft · trial 2").config["lr"].as_f64().unwrap()
        };
        assert_eq!(rate(3, 1), rate(9, 1));
        assert_ne!(rate(3, 1), rate(3, 2));
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut random = stream("test", &[]);
        for _ in 0..200 {
            let value = |search: Search, random: &mut _| draw(&search, random).as_f64().unwrap();
            assert!((1e-6..=1e-3).contains(&value(Search::Log { low: 1e-6, high: 1e-3 }, &mut random)));
            assert!((0.5..=1.0).contains(&value(Search::Linear { low: 0.5, high: 1.0 }, &mut random)));
            assert!([1.0, 2.0, 3.0].contains(&value(Search::Whole { low: 1, high: 3 }, &mut random)));
        }
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let refused = |methods: &[&str]| search(&options(2, Objective::Gap, methods, 1)).map(|_| ()).unwrap_err();
        assert!(refused(&["ftt"]).contains("there are: raw, ft, sparse"), "{}", refused(&["ftt"]));
        assert!(refused(&["raw"]).contains("`raw` has no setting to search"));
    }
}
