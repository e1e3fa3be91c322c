//! `ci`: every check of a submission, in order, with its time.
//!
//! `.ci/run` installs the tools and then calls this command, so the steps are written only here.

use std::{fs, ops::ControlFlow, time::Instant};

use anyhow::{Context as _, Result};

use crate::{check_cuda, check_results, features, process, release, reproduce, wheel, workspace};

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
    /// Whether tests share compiled crates with the command line.
    Features,
    /// The CUDA build, if its sources are others than those that passed last time.
    Cuda,
    /// The quick suite in an empty run store, and a check of its results.
    Reproduce,
    /// The archive of a release, made of the program that was built before, unpacked and tried.
    Release,
    /// A Python wheel with the program that was built before, installed and run.
    Wheel,
}

const SUITE: &str = "quick";

const STEPS: &[Step] = &[
    Step { name: "fmt", what: What::Cargo(&["fmt", "--all", "--check"], &[]) },
    Step {
        name: "clippy",
        what: What::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
    },
    Step { name: "deny", what: What::Cargo(&["deny", "check", "licenses", "bans", "sources"], &[]) },
    Step { name: "features", what: What::Features },
    Step { name: "doc", what: What::Cargo(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]) },
    Step { name: "test", what: What::Cargo(&["test", "--workspace"], &[]) },
    Step { name: "cuda", what: What::Cuda },
    Step { name: "reproduce", what: What::Reproduce },
    Step { name: "wheel", what: What::Wheel },
    Step { name: "release", what: What::Release },
];

pub(crate) fn run(args: &Args) -> Result<u8> {
    let mut times = Vec::new();
    let mut worst = 0;
    for step in STEPS.iter().filter(|step| args.steps.is_empty() || args.steps.iter().any(|name| name == step.name)) {
        note!("── {}", step.name);
        let start = Instant::now();
        let code = step.run().with_context(|| format!("step `{}` could not run", step.name))?;
        times.push((step.name, start.elapsed().as_secs_f64(), code));
        worst = worst.max(code.unwrap_or(0));
        if code.unwrap_or(0) != 0 && !args.keep_going {
            break;
        }
    }
    for (name, seconds, code) in &times {
        let verdict = match code {
            Some(0) => "ok",
            Some(_) => "FAILED",
            None => "left out",
        };
        say!("{name:<10} {seconds:>7.1} s  {verdict}");
    }
    say!("{:<10} {:>7.1} s", "total", times.iter().map(|(_, seconds, _)| seconds).sum::<f64>());
    Ok(worst)
}

impl Step {
    /// The exit code, or none if the step needs what this machine does not have.
    fn run(&self) -> Result<Option<u8>> {
        let root = workspace::root()?;
        Ok(Some(match &self.what {
            What::Cargo(args, variables) => process::run(process::cargo(&root, args).envs(variables.iter().copied()))?,
            What::Cuda => check_cuda::run(&check_cuda::Args::if_changed())?,
            What::Features => features::run(&features::Args {})?,
            What::Wheel => return wheel::check(),
            What::Release => release::check()?,
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
                    return Ok(Some(code));
                }
                check_results::run(&check_results::Args { dir: out, suite: SUITE.to_owned() })?
            }
        }))
    }
}
