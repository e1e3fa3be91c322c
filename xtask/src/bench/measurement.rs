//! The line of JSON that the example `step` and its peer print.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// The measurements of one of the two programs. Times are medians over its steps. Fields that are not used here are
/// ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Measurement {
    /// Name and version of the peer. `None` in this project's own line.
    pub(super) peer: Option<String>,
    /// Number format of the peer's arithmetic, `f32` or `bf16`. Ours is always `f32`, even if activations are stored in bf16.
    pub(super) dtype: Option<String>,
    /// Share of the convolutions' weights that is kept.
    pub(super) density: f64,
    /// Share of their operations that is kept. The peer does not count them.
    pub(super) flop_density: Option<f64>,
    /// Operations of a training step on kept weights, in GFLOP. The peer does not count them.
    pub(super) train_gflop: Option<f64>,
    pub(super) train_ms: f64,
    pub(super) eval_ms: f64,
    /// `None` if the system does not provide it.
    pub(super) peak_rss_mib: Option<f64>,
    pub(super) percent_of_peak_flops: Option<f64>,
}

impl Measurement {
    /// Reads the last line of a program's output.
    pub(super) fn parse(program: &str, output: &str) -> Result<Self> {
        let line = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let wrong = || format!("{program} ended with `{line}`, which is not a line of measurements");
        let measurement: Self = serde_json::from_str(line).with_context(wrong)?;
        let figures = [measurement.density, measurement.train_ms, measurement.eval_ms];
        let figures = figures.into_iter().chain(measurement.peak_rss_mib);
        for figure in figures {
            ensure!(figure.is_finite() && figure > 0.0, "{}: {figure} must be above 0", wrong());
        }
        Ok(measurement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_programs_are_understood() -> Result<()> {
        let ours = Measurement::parse(
            "step",
            r#"{"model":"resnet20s","density":0.05,"flop_density":0.06,"train_ms":200.5,"eval_ms":50,"peak_rss_mib":null,
            "percent_of_peak_flops":71.5}"#
                .replace('\n', "")
                .as_str(),
        )?;
        assert_eq!((ours.peer, ours.flop_density, ours.peak_rss_mib), (None, Some(0.06), None));
        let peer = Measurement::parse(
            "peer",
            "a warning first\n{\"peer\": \"torch 2.15.0\", \"density\": 1.0, \"train_ms\": 1.5, \"eval_ms\": 0.5, \"peak_rss_mib\": 9}\n\n",
        )?;
        assert_eq!((peer.peer.as_deref(), peer.train_ms, peer.peak_rss_mib), (Some("torch 2.15.0"), 1.5, Some(9.0)));
        Ok(())
    }

    #[test]
    fn broken_output_is_shown_with_its_program() {
        for output in [
            "",
            "Killed",
            r#"{"density": 1, "train_ms": 3}"#,
            r#"{"density": 1, "train_ms": NaN, "eval_ms": 1}"#,
            r#"{"density": 1, "train_ms": 0, "eval_ms": 1, "peak_rss_mib": 1}"#,
        ] {
            let message = Measurement::parse("torch_step.py", output).unwrap_err().to_string();
            assert!(message.starts_with(&format!("torch_step.py ended with `{output}`")), "{message}");
        }
    }
}
