//! `bench peer`: the same training step here and in a peer, round by round in the same run.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread::available_parallelism,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    at_least_one, child,
    machine::Machine,
    measurement::Measurement,
    peak::Peak,
    step,
    table::{self, Case, Circumstances, Mask, Measured, Round},
};
use crate::{process, venv::Venv, workspace};

/// Time training steps here and in a peer side by side, and print a table of ratios.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The other program.
    #[arg(long, value_enum, default_value_t)]
    peer: Peer,
    /// Models, by names of the registry that the peer supports too.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "resnet20s")]
    model: Vec<String>,
    /// Channels, height and width of the images. A mask file needs the size that it was made for.
    #[arg(long, value_name = "C,H,W", default_value = "3,32,32")]
    input: String,
    /// Images per batch [default: 64 for resnet18, else 128].
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    batch: Option<usize>,
    /// Numbers of threads [default: one per core].
    #[arg(long, value_name = "T,…", value_delimiter = ',', value_parser = at_least_one())]
    threads: Vec<usize>,
    /// Densities of a uniform mask. 1 is dense.
    #[arg(long, value_name = "D,…", value_delimiter = ',', default_value = "1,0.05")]
    density: Vec<f64>,
    /// Use this mask file instead. Both programs apply it. The dense network is measured too.
    #[arg(long, value_name = "FILE", conflicts_with = "density")]
    mask: Option<String>,
    /// Number of rounds. Each round runs both programs.
    #[arg(long, value_name = "R", default_value = "5", value_parser = at_least_one())]
    rounds: usize,
    /// Number of timed steps per program and round. Two untimed steps come first.
    #[arg(long, value_name = "K", default_value = "5", value_parser = at_least_one())]
    steps: usize,
    /// What computes here: `cpu`, or `cpu-bf16` for activations stored in 16 bits.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    executor: String,
    /// Let the peer compute in bfloat16.
    #[arg(long)]
    bf16: bool,
    /// Also write the table to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A virtual environment with PyTorch, instead of one below `target/`.
    #[arg(long, value_name = "DIR")]
    venv: Option<PathBuf>,
}

/// What is measured beside our kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Peer {
    /// PyTorch. A mask is a multiplication.
    #[default]
    Torch,
    /// PyTorch with the sparse layers of `SparseProp` (arXiv 2302.04852) where these are faster.
    Sparseprop,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Torch => "torch",
            Self::Sparseprop => "sparseprop",
        }
    }
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    for density in &args.density {
        ensure!(*density > 0.0 && *density <= 1.0, "--density {density} is not in (0, 1]");
    }
    let target = workspace::target(&root)?;
    let script = root.join("xtask/peer/torch_step.py");
    // Steps that may fail come before steps that take long.
    let python = python(args.peer, args.venv.as_deref(), &target, &script)?;
    process::succeed(&mut process::cargo(
        &root,
        &["build", "--release", "--package", "unlearn-training", "--example", "step"],
    ))?;
    let programs = Programs { step: target.join("release/examples/step"), python, script, args };

    let threads = match args.threads.as_slice() {
        [] => vec![available_parallelism().map_or(1, usize::from)],
        given => given.to_vec(),
    };
    let mut peaks = Vec::new();
    let mut measured = Vec::new();
    for threads in threads {
        let peak = Peak::measure(&root, threads)?;
        for model in &args.model {
            for case in cases(args, model, threads)? {
                let rounds = (0..args.rounds).map(|round| programs.round(&case, &peak, round));
                measured.push(Measured { rounds: rounds.collect::<Result<_>>()?, case });
            }
        }
        peaks.push((threads, peak));
    }

    let machine = Machine::this(&root);
    let Args { input, rounds, steps, .. } = args;
    let circumstances =
        Circumstances { machine, input: input.clone(), peaks, rounds: *rounds, steps: *steps, command: command() };
    let page = table::page(&circumstances, &measured);
    say!("{}", page.trim_end());
    if let Some(path) = &args.out {
        fs::write(path, page).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(0)
}

/// The measurements for one model and one number of threads.
fn cases(args: &Args, model: &str, threads: usize) -> Result<Vec<Case>> {
    let batch = args.batch.unwrap_or(if model == "resnet18" { 64 } else { 128 });
    let masks = match &args.mask {
        Some(file) => vec![Mask::Uniform(1.0), Mask::File(step::mask(file)?)],
        None => args.density.iter().copied().map(Mask::Uniform).collect(),
    };
    Ok(masks.into_iter().map(|mask| Case { model: model.to_owned(), batch, threads, mask }).collect())
}

/// A Python interpreter with PyTorch.
fn python(peer: Peer, venv: Option<&Path>, target: &Path, script: &Path) -> Result<PathBuf> {
    if let Some(folder) = venv {
        let python = folder.join("bin/python");
        ensure!(
            python.exists(),
            "no bin/python in {}; --venv needs the folder of a virtual environment",
            folder.display()
        );
        return Ok(python);
    }
    let required = |file| {
        let path = script.with_file_name(file);
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let text = required("requirements.txt")?;
    let venv = Venv::with(target.join("bench/venv"), &text.split_whitespace().collect::<Vec<_>>()).context(
        "failed to make an environment with PyTorch, which needs `python3` with its module `venv`; \
         alternatively, name an existing one by --venv",
    )?;
    if peer == Peer::Sparseprop {
        venv.add(&["setuptools", "wheel", "pybind11"])?;
        venv.add(&required("requirements-sparseprop.txt")?.split_whitespace().collect::<Vec<_>>())
            .context("failed to build SparseProp, which needs a C++ compiler and Python's headers")?;
    }
    Ok(venv.python().get_program().into())
}

/// The two programs, built and installed.
struct Programs<'a> {
    step: PathBuf,
    python: PathBuf,
    script: PathBuf,
    args: &'a Args,
}

impl Programs<'_> {
    /// One round. The program that comes first alternates, so that neither always runs on a warmer machine.
    fn round(&self, case: &Case, peak: &Peak, round: usize) -> Result<Round> {
        let (ours, peer) = if round.is_multiple_of(2) {
            let ours = self.ours(case, peak)?;
            (ours, self.peer(case)?)
        } else {
            let peer = self.peer(case)?;
            (self.ours(case, peak)?, peer)
        };
        let (kept, by_peer) = (ours.density, peer.density);
        ensure!(
            (kept - by_peer).abs() < 1e-3,
            "{} keeps {kept} of the weights here and {by_peer} in the peer",
            case.model
        );
        Ok(Round { ours, peer })
    }

    fn ours(&self, case: &Case, peak: &Peak) -> Result<Measurement> {
        let mut command = Command::new(&self.step);
        command.args(self.arguments(case)).args(["--executor", &self.args.executor]);
        command.args(["--peak-gflops", &peak.gflops.to_string(), "--json"]);
        Measurement::parse("the example `step`", &child::output(command)?)
    }

    fn peer(&self, case: &Case) -> Result<Measurement> {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args(self.arguments(case)).args(["--backend", self.args.peer.name()]);
        if self.args.bf16 {
            command.arg("--bf16");
        }
        Measurement::parse("torch_step.py", &child::output(command)?)
    }

    /// The arguments for both programs.
    fn arguments(&self, case: &Case) -> Vec<String> {
        let Case { model, batch, threads, mask } = case;
        let mask = match mask {
            Mask::Uniform(density) => format!("--density={density}"),
            Mask::File(path) => format!("--mask={path}"),
        };
        let Args { input, steps, .. } = self.args;
        let sizes = [("input", input), ("batch", &batch.to_string()), ("threads", &threads.to_string())];
        let sizes = sizes.map(|(name, value)| format!("--{name}={value}"));
        [format!("--model={model}"), format!("--steps={steps}"), mask].into_iter().chain(sizes).collect()
    }
}

/// This command as it was typed.
pub(super) fn command() -> String {
    let words = ["cargo".to_owned(), "xtask".to_owned()].into_iter().chain(env::args().skip(1));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Result<Args> {
        Ok(Cli::try_parse_from(["peer"].iter().chain(words))?.args)
    }

    #[test]
    fn by_default_a_model_is_measured_dense_and_at_95_percent() -> Result<()> {
        for (model, batch) in [("resnet20s", 128), ("resnet18", 64)] {
            let expected = [1.0, 0.05].map(|density| Case {
                model: model.to_owned(),
                batch,
                threads: 2,
                mask: Mask::Uniform(density),
            });
            assert_eq!(cases(&args(&[])?, model, 2)?, expected);
        }
        Ok(())
    }

    #[test]
    fn a_mask_file_is_measured_beside_the_dense_network() -> Result<()> {
        let given = args(&["--mask", "/masks/omp.safetensors", "--batch", "32"])?;
        let cases = cases(&given, "resnet18", 1)?;
        let masks: Vec<_> = cases.iter().map(|case| case.mask.clone()).collect();
        assert_eq!(masks, [Mask::Uniform(1.0), Mask::File("/masks/omp.safetensors".to_owned())]);
        assert!(cases.iter().all(|case| case.batch == 32));
        assert!(args(&["--mask", "x", "--density", "0.1"]).is_err());
        Ok(())
    }

    #[test]
    fn both_programs_are_told_the_same() -> Result<()> {
        let args = args(&["--input", "1,28,28", "--steps", "3", "--mask", "/m"])?;
        let programs = Programs { step: PathBuf::new(), python: PathBuf::new(), script: PathBuf::new(), args: &args };
        let [dense, masked] = &cases(&args, "resnet8s", 2)?[..] else { anyhow::bail!("two cases") };
        let told = |case| programs.arguments(case).join(" ");
        assert_eq!(told(dense), "--model=resnet8s --steps=3 --density=1 --input=1,28,28 --batch=128 --threads=2");
        assert!(told(masked).contains(" --mask=/m ") && !told(masked).contains("density"));
        Ok(())
    }

    #[test]
    fn the_peer_is_pytorch_unless_another_is_named() -> Result<()> {
        assert_eq!(args(&[])?.peer, Peer::Torch);
        assert_eq!(args(&["--peer", "sparseprop"])?.peer, Peer::Sparseprop);
        assert!(args(&["--peer", "tensorflow"]).is_err());
        // The script knows the peers by the same names.
        let script = fs::read_to_string(workspace::root()?.join("xtask/peer/torch_step.py"))?;
        let known = r#"choices=["torch", "sparseprop"]"#;
        assert!(
            script.contains(known) && [Peer::Torch, Peer::Sparseprop].iter().all(|peer| known.contains(peer.name()))
        );
        Ok(())
    }

    #[test]
    fn lists_are_separated_by_commas_and_zero_is_refused() -> Result<()> {
        let given = args(&["--threads", "1,2", "--density", "0.5,0.1", "--model", "a,b"])?;
        assert_eq!((given.threads, given.density), (vec![1, 2], vec![0.5, 0.1]));
        assert_eq!(given.model, ["a", "b"]);
        for flag in ["--threads", "--batch", "--rounds", "--steps"] {
            assert!(args(&[flag, "0"]).is_err(), "{flag}");
        }
        Ok(())
    }

    #[test]
    fn an_environment_without_python_is_named() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let message = python(Peer::Torch, Some(folder.path()), folder.path(), folder.path()).unwrap_err().to_string();
        assert!(message.contains("no bin/python") && message.contains("--venv"), "{message}");
        Ok(())
    }
}
