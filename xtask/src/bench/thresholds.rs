//! `bench thresholds`: measures which algorithm is fastest for which convolution, and writes the tables of the kernels.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{at_least_one, child, machine::Machine};
use crate::{process, workspace};

/// Measure when which algorithm of a convolution is fastest, and write the table of each instruction set.
///
/// The tables lie in `crates/kernels/src/conv/thresholds`. Let the machine do nothing else meanwhile. A new table gives
/// `--arithmetic native` other bits.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Instruction sets [default: avx2 and avx512, or neon, as far as the processor has them].
    #[arg(long, value_name = "SET,…", value_delimiter = ',')]
    sets: Vec<String>,
    /// Number of rounds. The fastest counts.
    #[arg(long, value_name = "R", default_value = "15", value_parser = at_least_one())]
    rounds: usize,
    /// Print the tables instead of writing them.
    #[arg(long)]
    print: bool,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let example = ["run", "--quiet", "--release", "--package", "unlearn-kernels", "--example", "thresholds", "--"];
    let mut list = process::cargo(&root, &example);
    list.arg("--sets");
    let available = child::output(list)?;
    let available: Vec<_> = available.split_whitespace().filter(|set| *set != "scalar").map(str::to_owned).collect();
    let sets = if args.sets.is_empty() { &available } else { &args.sets };
    if let Some(lacking) = sets.iter().find(|set| !available.contains(set)) {
        anyhow::bail!("this processor lacks instruction set `{lacking}`; it has {}", available.join(" and "));
    }
    let machine = Machine::this(&root);
    for set in sets {
        let mut command = process::cargo(&root, &example);
        command.arg(args.rounds.to_string()).env("UNLEARN_SIMD", set);
        let page = page(set, &machine, args.rounds, &child::output(command)?)?;
        let path: PathBuf = root.join(format!("crates/kernels/src/conv/thresholds/{set}.rs"));
        if args.print {
            say!("{}", page.trim_end());
        } else {
            fs::write(&path, page).with_context(|| format!("failed to write {}", path.display()))?;
            note!("wrote {}", path.display());
        }
    }
    Ok(0)
}

/// The source of a table.
fn page(set: &str, machine: &Machine, rounds: usize, table: &str) -> Result<String> {
    ensure!(table.starts_with("pub(super) const TABLE"), "the example `thresholds` printed no table, but `{table}`");
    let Machine { cpu, cores, rustc, date, .. } = machine;
    Ok(format!(
        "//! The choices for the instruction set `{set}`. `cargo xtask bench thresholds` measured them:\n\
         //! {cpu}, {cores} cores, one thread, fastest of {rounds} rounds,\n\
         //! {rustc}, {date}.\n\n\
         use super::{{Row, pass}};\n\n{table}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_measured_it() -> Result<()> {
        let [cpu, rustc, commit, date] = ["a cpu", "rustc 1", "abc", "2026-01-02"].map(str::to_owned);
        let machine = Machine { cpu, cores: 2, rustc, commit, date };
        let page = page("avx2", &machine, 3, "pub(super) const TABLE: &[Row] = &[];\n")?;
        assert!(
            page.starts_with("//! ")
                && page.ends_with("use super::{Row, pass};\n\npub(super) const TABLE: &[Row] = &[];\n")
        );
        for part in ["`avx2`", "a cpu", "2 cores", "fastest of 3", "2026-01-02"] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(super::page("avx2", &machine, 3, "error").is_err());
        Ok(())
    }
}
