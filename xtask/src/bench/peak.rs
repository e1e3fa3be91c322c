//! The processor's peak rate, measured by the example `throughput` of `unlearn-kernels`.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::child;
use crate::process;

/// This machine's peak rate of fused multiply-adds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Peak {
    /// The instruction set that the kernels chose, for example `avx2`.
    pub(super) instruction_set: String,
    /// Rate over all requested threads, in GF/s.
    pub(super) gflops: f64,
}

impl Peak {
    pub(super) fn measure(root: &Path, threads: usize) -> Result<Self> {
        // The smallest batch and side, because only the example's first line is used.
        let example = ["run", "--quiet", "--release", "--package", "unlearn-kernels", "--example", "throughput", "--"];
        let mut command = process::cargo(root, &example);
        command.args(["1", "4", &threads.to_string()]);
        parse(&child::output(command)?)
    }
}

/// Reads the first line, `INSTRUCTION SET, …, peak N GF/s`.
fn parse(output: &str) -> Result<Peak> {
    let line = output.lines().next().unwrap_or_default();
    let parts = || line.split(',').map(str::trim);
    let peak = parts().find_map(|part| part.strip_prefix("peak ")?.strip_suffix(" GF/s")?.parse::<f64>().ok());
    let instruction_set = parts().next().unwrap_or_default().to_owned();
    let gflops = peak.filter(|peak| peak.is_finite() && *peak > 0.0).with_context(|| {
        format!("the example `throughput` began with `{line}`, not with `INSTRUCTION SET, …, peak N GF/s`")
    })?;
    Ok(Peak { instruction_set, gflops })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_read() -> Result<()> {
        let peak = parse("avx2, 2 threads, batch 1, peak 199 GF/s\n   layer   GFLOP\n")?;
        assert_eq!(peak, Peak { instruction_set: "avx2".to_owned(), gflops: 199.0 });
        Ok(())
    }

    #[test]
    fn anything_else_is_an_error_that_shows_it() {
        for output in ["", "avx2, 2 threads", "avx2, peak fast GF/s", "avx2, peak 0 GF/s"] {
            let message = parse(output).unwrap_err().to_string();
            assert!(message.contains(&format!("`{output}`")), "{message}");
        }
    }
}
