//! Plans a suite, runs it and prints the average gap to Retrain of each row: the README's library example.
//!
//! `cargo run --release -p unlearn-experiment --example run_suite`, in a folder with a suite `first.toml`.

use std::error::Error;
use std::path::Path;

use unlearn_experiment::{Environment, Plan, RunOptions, Suite};
use unlearn_reports::Results;
use unlearn_run_store::Store;

fn main() -> Result<(), Box<dyn Error>> {
    let environment = Environment::default();
    let suite = Suite::load(Path::new("first.toml"), &[])?;
    let plan = Plan::resolve(&suite, &environment)?;
    let store = Store::open("runs")?;
    let finished = unlearn_experiment::run(&plan, &store, &RunOptions::unattended("run_suite"))?;
    let results = Results::gather(&store, &finished.index, &environment.registry.figures())?;
    for row in &results.rows {
        println!("{} at {} sparsity: gap {:?}", row.method, row.sparsity, row.value("avg_gap"));
    }
    Ok(())
}
