//! The `unlearn` command line: parses arguments, prints progress and tables, and sets the exit code.
//!
//! Exit codes: 0 done, 1 failed, 2 bad usage or config, 130 interrupted with state saved.

#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;

mod args;
mod attack;
mod backdoors;
mod compare;
mod complete;
mod convert;
mod datasets;
mod doctor;
mod evaluate;
mod exit;
mod explain;
mod export;
mod forget;
mod inspect;
mod judge;
mod launches;
mod lists;
mod models;
mod outputs;
mod predict;
mod progress;
mod push;
mod reference;
mod report;
mod run;
mod runs;
mod show;
mod signals;
mod stage;
mod tune;
mod verify;
mod watch;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use crate::{
    args::{Arguments, Command, ListArguments, ListCommand, LogFormat, MethodsCommand},
    output::Manner,
    show::List,
};

fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    output::begin(Manner::of(&typed));
    output::tell_panics();
    signals::survive_file_size_limit();
    let arguments = match Arguments::try_parse_from(typed) {
        Ok(arguments) => arguments,
        Err(said) => {
            let code = output::command_line(&said);
            return if code == 0 { exit::code(Ok(())) } else { ExitCode::from(code) };
        }
    };
    start_logging(arguments.log_format);
    if let Err(error) = if saves_state(&arguments.command) { Ok(()) } else { signals::end_on_signals() } {
        return exit::code(Err(error));
    }
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Train(arguments) => models::train(&arguments),
        Command::Prune(arguments) => models::prune(&arguments),
        Command::Stage(arguments) => stage::stage(&arguments),
        Command::Attack(arguments) => attack::attack(&arguments),
        Command::Tune(arguments) => tune::tune(&arguments),
        Command::Forget(arguments) => forget::forget(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Predict(arguments) => predict::predict(&arguments),
        Command::Evaluate(arguments) => evaluate::evaluate(&arguments),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Convert(arguments) => convert::convert(&arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Push(arguments) => push::push(&arguments),
        Command::Datasets(arguments) => datasets::datasets(&arguments),
        Command::Models(arguments) => listed(arguments, lists::models, List::Models),
        Command::Methods(arguments) => match arguments.command {
            None => lists::methods(),
            Some(MethodsCommand::Show { name, defaults }) => show::show(List::Methods, &name, defaults),
        },
        Command::Attacks(arguments) => listed(arguments, lists::attacks, List::Attacks),
        Command::Figures(arguments) => listed(arguments, lists::figures, List::Figures),
        Command::Backdoors(arguments) => backdoors::backdoors(&arguments),
        Command::Suite(arguments) => explain::suite(&arguments),
        Command::Runs(arguments) => runs::runs(&arguments),
        Command::Launches(arguments) => launches::launches(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Completions(arguments) => {
            complete::completions(&arguments);
            Ok(())
        }
        Command::Manual(arguments) => complete::manual(&arguments),
    };
    exit::code(result)
}

/// Whether a command answers signals itself: it stops after a step, with its state saved.
fn saves_state(command: &Command) -> bool {
    matches!(
        command,
        Command::Run(_)
            | Command::Train(_)
            | Command::Prune(_)
            | Command::Stage(_)
            | Command::Tune(_)
            | Command::Attack(_)
            | Command::Forget(_)
    )
}

/// Prints a whole list, or one entry of it.
fn listed(arguments: ListArguments, all: fn(), list: List) -> anyhow::Result<()> {
    match arguments.command {
        None => {
            all();
            Ok(())
        }
        Some(ListCommand::Show { name }) => show::show(list, &name, false),
    }
}

fn start_logging(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,unlearn=info"));
    // A failure to write to standard error is not reported anywhere.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(output::Log)
        .with_ansi(output::has_colors())
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.without_time().with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}
