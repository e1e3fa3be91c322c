//! Medians and ratios of measurements taken side by side, and the page that shows them.

use super::{machine::Machine, measurement::Measurement, peak::Peak, spread::Spread};

/// A case that both programs measure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    pub(super) model: String,
    pub(super) batch: usize,
    pub(super) threads: usize,
    pub(super) mask: Mask,
}

/// The weights that both programs keep.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mask {
    /// This share of the weights of every convolution, drawn at random. 1 is dense.
    Uniform(f64),
    /// The weights in the mask file at this path.
    File(String),
}

/// Both measurements of one round.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) ours: Measurement,
    pub(super) peer: Measurement,
}

/// A case with its rounds, at least one.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) case: Case,
    pub(super) rounds: Vec<Round>,
}

/// The circumstances of the measurements.
pub(super) struct Circumstances {
    pub(super) machine: Machine,
    /// Channels, height and width of the images, as typed.
    pub(super) input: String,
    /// The peak rate for each number of threads.
    pub(super) peaks: Vec<(usize, Peak)>,
    pub(super) rounds: usize,
    pub(super) steps: usize,
    pub(super) command: String,
}

const UNKNOWN: &str = "—";

impl Measured {
    /// The peer's figure ÷ ours, round by round. `None` if a round lacks one of them.
    fn ratio(&self, figure: impl Fn(&Measurement) -> Option<f64>) -> Option<Spread> {
        let ratios = self.rounds.iter().map(|round| Some(figure(&round.peer)? / figure(&round.ours)?));
        Spread::of(ratios.collect::<Option<Vec<_>>>()?)
    }

    /// The median of a figure over the rounds.
    fn median(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        Some(Spread::of(self.rounds.iter().map(figure).collect::<Option<Vec<_>>>()?)?.median)
    }

    fn row(&self) -> String {
        let Case { model, batch, threads, mask } = &self.case;
        let number = |value: Option<f64>, unit: &str| value.map_or(UNKNOWN.to_owned(), |v| format!("{v:.0}{unit}"));
        let ratio = |spread: Option<Spread>| spread.map_or(UNKNOWN.to_owned(), |spread| spread.to_string());
        let kept = match self.rounds.first().map(|round| &round.ours) {
            Some(ours) if ours.density < 1.0 => {
                let share = |share: f64| format!("{:.1} %", 100.0 * share);
                let kept = format!("{} / {}", share(ours.density), ours.flop_density.map_or(UNKNOWN.to_owned(), share));
                if let Mask::File(_) = mask { format!("{kept}, mask file") } else { kept }
            }
            _ => "dense".to_owned(),
        };
        let cells = [
            model.clone(),
            batch.to_string(),
            threads.to_string(),
            kept,
            number(self.median(|round| Some(round.ours.train_ms)), ""),
            number(self.median(|round| Some(round.peer.train_ms)), ""),
            ratio(self.ratio(|m| Some(m.train_ms))),
            number(self.median(|round| Some(round.ours.eval_ms)), ""),
            number(self.median(|round| Some(round.peer.eval_ms)), ""),
            ratio(self.ratio(|m| Some(m.eval_ms))),
            ratio(self.ratio(|m| m.peak_rss_mib)),
            number(self.median(|round| round.ours.percent_of_peak_flops), " %"),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

/// The page, in Markdown.
pub(super) fn page(circumstances: &Circumstances, measured: &[Measured]) -> String {
    let Circumstances { machine, input, peaks, rounds, steps, command } = circumstances;
    let Machine { cpu, cores, rustc, commit, date } = machine;
    let instruction_set = peaks.first().map_or(UNKNOWN, |(_, peak)| &peak.instruction_set);
    let peaks: Vec<_> =
        peaks.iter().map(|(threads, peak)| format!("{:.0} with {threads} threads", peak.gflops)).collect();
    let peer = measured.first().and_then(|measured| measured.rounds.first()).map(|round| &round.peer);
    let name = peer.and_then(|peer| peer.peer.as_deref()).unwrap_or(UNKNOWN);
    let dtype = peer.and_then(|peer| peer.dtype.as_deref()).unwrap_or(UNKNOWN);
    let mut page = format!(
        "# A training step and an evaluation pass beside {name}\n\n\
         - Hardware: {cpu}, {cores} cores, {instruction_set}; peak rate of fused multiply-adds, in GFLOP/s: {}\n\
         - Versions: {rustc}; {name} in {dtype}; commit {commit}\n\
         - Data: random images of {}, 10 classes\n\
         - n: {rounds} rounds. A round measures both programs, one after the other, in alternating order. The time of a round is the \
         median of {steps} steps.\n\
         - Date: {date}\n\
         - Command: `{command}`\n\n\
         `peer` is {name}, in the fastest of its memory layouts. A ratio is the peer's figure divided by ours: above 1, this project is \
         faster or needs less memory. The median over the rounds is shown, with the smallest and the largest ratio in brackets. `kept` is \
         the share of the convolutions' weights that are kept, and the share of their operations. `of peak` is the arithmetic of a training \
         step on the kept weights, as a share of the peak rate.\n\n",
        peaks.join(", "),
        input.replace(',', "×")
    );
    page += "| model | batch | threads | kept | train ms | peer | train ratio | eval ms | peer | eval ratio | memory ratio \
             | of peak |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    for case in measured {
        page += &case.row();
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(train_ms: f64, eval_ms: f64) -> Measurement {
        Measurement {
            peer: None,
            dtype: None,
            density: 0.05,
            flop_density: None,
            train_gflop: None,
            train_ms,
            eval_ms,
            peak_rss_mib: None,
            percent_of_peak_flops: None,
        }
    }

    fn measured(rounds: Vec<Round>) -> Measured {
        let case = Case { model: "resnet20s".to_owned(), batch: 128, threads: 2, mask: Mask::Uniform(0.05) };
        Measured { case, rounds }
    }

    fn rounds() -> Vec<Round> {
        [(100.0, 300.0, 40.0), (200.0, 400.0, 20.0), (100.0, 250.0, 30.0)]
            .map(|(ours, peer, eval)| Round {
                ours: Measurement {
                    flop_density: Some(0.161),
                    peak_rss_mib: Some(250.0),
                    percent_of_peak_flops: Some(61.4),
                    ..measurement(ours, 10.0)
                },
                peer: Measurement {
                    peer: Some("torch 2.15.0".to_owned()),
                    dtype: Some("f32".to_owned()),
                    peak_rss_mib: Some(1000.0),
                    ..measurement(peer, eval)
                },
            })
            .to_vec()
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The medians of each side would give 300 ÷ 100 = 3. Side by side, the ratios of the rounds are 3, 2 and 2.5.
        let ratio = measured(rounds()).ratio(|m| Some(m.train_ms));
        assert_eq!(ratio, Some(Spread { median: 2.5, least: 2.0, greatest: 3.0 }));
    }

    #[test]
    fn a_row_is_read_from_left_to_right() {
        assert_eq!(
            measured(rounds()).row(),
            "| resnet20s | 128 | 2 | 5.0 % / 16.1 % | 100 | 300 | 2.50 (2.00–3.00) | 10 | 30 | 3.00 (2.00–4.00) \
             | 4.00 (4.00–4.00) | 61 % |"
        );
    }

    #[test]
    fn a_mask_file_is_told_from_a_uniform_mask() {
        let mut measured = measured(rounds());
        measured.case.mask = Mask::File("/masks/omp.safetensors".to_owned());
        let row = measured.row();
        assert!(row.contains("| 5.0 % / 16.1 %, mask file |"), "{row}");
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let mut rounds = rounds();
        rounds[1].ours.peak_rss_mib = None;
        rounds[2].ours.percent_of_peak_flops = None;
        rounds[0].ours.density = 1.0;
        let row = measured(rounds).row();
        assert!(row.contains("| dense |") && row.ends_with("| — | — |"), "{row}");
    }

    #[test]
    fn the_page_says_where_when_and_how() {
        let machine = Machine {
            cpu: "A CPU".to_owned(),
            cores: 2,
            rustc: "rustc 1.95.0".to_owned(),
            commit: "abc1234".to_owned(),
            date: "2026-01-31".to_owned(),
        };
        let peak = |gflops| Peak { instruction_set: "avx2".to_owned(), gflops };
        let circumstances = Circumstances {
            machine,
            input: "1,28,28".to_owned(),
            peaks: vec![(1, peak(99.6)), (2, peak(199.0))],
            rounds: 3,
            steps: 5,
            command: "cargo xtask bench peer --rounds 3".to_owned(),
        };
        let page = page(&circumstances, &[measured(rounds())]);
        for expected in [
            "A CPU, 2 cores, avx2",
            "100 with 1 threads, 199 with 2 threads",
            "rustc 1.95.0; torch 2.15.0 in f32; commit abc1234",
            "random images of 1×28×28",
            "3 rounds",
            "median of 5 steps",
            "Date: 2026-01-31",
            "`cargo xtask bench peer --rounds 3`",
        ] {
            assert!(page.contains(expected), "{expected} in\n{page}");
        }
        let columns: Vec<_> = page.lines().filter(|l| l.starts_with('|')).map(|l| l.matches('|').count()).collect();
        assert_eq!(columns, [13, 13, 13]);
    }
}
