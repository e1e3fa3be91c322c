//! `ci`: every check of a submission, in order, with its time.
//!
//! `.ci/run` installs the tools and then calls this command, so the steps are written only here.

use std::{fs, ops::ControlFlow, time::Instant};

use anyhow::{Context as _, Result};

use crate::{check_cuda, check_results, process, reproduce, workspace};

/// Run every check that a submission must pass.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these steps, in the usual order.
    #[arg(value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    steps: Vec<String>,
    /// Continue after a step that failed.
    #[arg(long)]
    keep_going: bool,
}

struct Step {
    name: &'static str,
    what: What,
}

enum What {
    /// A Cargo command, with environment variables.
    Cargo(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// The CUDA build, if its sources are others than those that passed last time.
    Cuda,
    /// The quick suite in an empty run store, and a check of its results.
    Reproduce,
}

const SUITE: &str = "quick";

const STEPS: &[Step] = &[
    Step { name: "fmt", what: What::Cargo(&["fmt", "--all", "--check"], &[]) },
    Step {
        name: "clippy",
        what: What::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
    },
    Step { name: "deny", what: What::Cargo(&["deny", "check", "licenses", "bans", "sources"], &[]) },
    Step { name: "doc", what: What::Cargo(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]) },
    Step { name: "test", what: What::Cargo(&["test", "--workspace"], &[]) },
    Step { name: "cuda", what: What::Cuda },
    Step { name: "reproduce", what: What::Reproduce },
];

pub(crate) fn run(args: &Args) -> Result<u8> {
    let mut times = Vec::new();
    let mut worst = 0;
    for step in STEPS.iter().filter(|step| args.steps.is_empty() || args.steps.iter().any(|name| name == step.name)) {
        note!("── {}", step.name);
        let start = Instant::now();
        let code = step.run().with_context(|| format!("step `{}` could not run", step.name))?;
        times.push((step.name, start.elapsed().as_secs_f64(), code));
        worst = worst.max(code);
        if code != 0 && !args.keep_going {
            break;
        }
    }
    for (name, seconds, code) in &times {
        let verdict = if *code == 0 { "ok" } else { "FAILED" };
        say!("{name:<10} {seconds:>7.1} s  {verdict}");
    }
    say!("{:<10} {:>7.1} s", "total", times.iter().map(|(_, seconds, _)| seconds).sum::<f64>());
    Ok(worst)
}

impl Step {
    fn run(&self) -> Result<u8> {
        let root = workspace::root()?;
        match &self.what {
            What::Cargo(args, variables) => process::run(process::cargo(&root, args).envs(variables.iter().copied())),
            What::Cuda => check_cuda::run(&check_cuda::Args::if_changed()),
            What::Reproduce => {
                let folder = workspace::target(&root)?.join("ci");
                if folder.exists() {
                    // Stages of an earlier run must not replace those of the current code.
                    fs::remove_dir_all(&folder).with_context(|| format!("failed to clear {}", folder.display()))?;
                }
                let (out, runs) = (folder.join(SUITE), folder.join("runs"));
                let args = reproduce::Args {
                    suite: SUITE.to_owned(),
                    seeds: None,
                    out: Some(out.clone()),
                    runs: Some(runs),
                    extra: Vec::new(),
                };
                let code = match reproduce::command(&args)? {
                    ControlFlow::Continue(mut unlearn) => process::run(&mut unlearn)?,
                    ControlFlow::Break(code) => code,
                };
                if code != 0 {
                    return Ok(code);
                }
                check_results::run(&check_results::Args { dir: out, suite: SUITE.to_owned() })
            }
        }
    }
}
