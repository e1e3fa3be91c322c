//! `unlearn attack`: trains a pool of models as a suite says, and attacks it.

use std::path::Path;

use unlearn_run_store::{Store, SuiteIndex};

use crate::{
    args::AttackArguments,
    exit::Usage,
    report::write_report,
    run::{complete, load},
};

pub(crate) fn attack(arguments: &AttackArguments) -> anyhow::Result<()> {
    if arguments.run.chosen.seeds.is_some() {
        return Err(
            Usage("`--seeds` does not apply to a pool, which has one seed per model; use `--pool`".into()).into()
        );
    }
    let suite = load(&arguments.run.chosen)?;
    suite.check_complete()?;
    complete(&suite.pool(arguments.pool)?, &arguments.run, &write)
}

/// The suite's ordinary report, and the attacks beside it.
fn write(store: &Store, index: &SuiteIndex, out: &Path) -> anyhow::Result<()> {
    write_report(store, index, out)?;
    let written = unlearn_reports::pool::write(store, index, out)?;
    say!("{}", written.summary);
    say!("attacks: {}", written.markdown.display());
    Ok(())
}
