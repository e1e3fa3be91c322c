//! `bench scaling`: how the time of a step grows with batch, depth, width and density, as ratios to one point each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{at_least_one, child, machine::Machine, measurement::Measurement, peak::Peak, peer, spread::Spread};
use crate::{process, workspace};

/// Time training steps over batches, depths, widths and densities, and print tables of ratios.
///
/// A round measures every point of a table, each in its own process. A ratio is taken within a round, so that other
/// load on the machine slows both of its sides.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Numbers of threads.
    #[arg(long, value_name = "T,…", value_delimiter = ',', default_value = "1,2", value_parser = at_least_one())]
    threads: Vec<usize>,
    /// Number of rounds.
    #[arg(long, value_name = "R", default_value = "5", value_parser = at_least_one())]
    rounds: usize,
    /// Number of timed steps per point and round. Two untimed steps come first.
    #[arg(long, value_name = "K", default_value = "5", value_parser = at_least_one())]
    steps: usize,
    /// Leave out the table of widths, whose models need several GiB and most of the time.
    #[arg(long)]
    no_width: bool,
    /// Also write the page to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    model: &'static str,
    batch: usize,
    /// Share of the weights that a uniform mask keeps. 1 is dense.
    density: f64,
}

/// One table.
#[derive(Debug)]
struct Series {
    title: &'static str,
    /// What the ratios are relative to: a place in `points`.
    base: usize,
    points: Vec<Point>,
}

const MODEL: &str = "resnet20s";
const BATCH: usize = 128;
/// Dense, and a density at which the sparse algorithm computes every pass.
const DENSITIES: [f64; 2] = [1.0, 0.05];

/// The tables.
fn series(width: bool) -> Vec<Series> {
    let mut all = Vec::new();
    for density in DENSITIES {
        let dense = density >= 1.0;
        let points = [32, 64, 128, 256].map(|batch| Point { model: MODEL, batch, density }).to_vec();
        all.push(Series { title: if dense { "Batch, dense" } else { "Batch, 5 % of the weights" }, base: 2, points });
        let points = ["resnet8s", "resnet20s", "resnet56s"].map(|model| Point { model, batch: BATCH, density });
        let title = if dense { "Depth, dense" } else { "Depth, 5 % of the weights" };
        all.push(Series { title, base: 1, points: points.to_vec() });
        if width {
            // The same network, with inner convolutions twice as wide.
            let points = ["resnet50", "wide_resnet50_2"].map(|model| Point { model, batch: 32, density });
            let title = if dense { "Width, dense" } else { "Width, 5 % of the weights" };
            all.push(Series { title, base: 0, points: points.to_vec() });
        }
    }
    let points = [1.0, 0.5, 0.2, 0.1, 0.05, 0.02].map(|density| Point { model: MODEL, batch: BATCH, density });
    all.push(Series { title: "Density", base: 0, points: points.to_vec() });
    all
}

/// A series with its measurements, `[round][point]`.
struct Measured {
    series: Series,
    threads: usize,
    rounds: Vec<Vec<Measurement>>,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let build = ["build", "--release", "--package", "unlearn-training", "--example", "step"];
    process::succeed(&mut process::cargo(&root, &build))?;
    let step = workspace::target(&root)?.join("release/examples/step");
    let instruction_set = Peak::measure(&root, 1)?.instruction_set;
    let mut measured = Vec::new();
    for &threads in &args.threads {
        for series in series(!args.no_width) {
            note!("{}, threads: {threads}", series.title);
            let round = |_| series.points.iter().map(|point| measure(&step, *point, threads, args.steps)).collect();
            let rounds = (0..args.rounds).map(round).collect::<Result<_>>()?;
            measured.push(Measured { series, threads, rounds });
        }
    }
    let page = page(&Machine::this(&root), &instruction_set, args, &measured);
    say!("{}", page.trim_end());
    if let Some(path) = &args.out {
        fs::write(path, page).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(0)
}

fn measure(step: &Path, point: Point, threads: usize, steps: usize) -> Result<Measurement> {
    let mut command = Command::new(step);
    command.args(arguments(point, threads, steps));
    Measurement::parse("the example `step`", &child::output(command)?)
}

/// The arguments of the example for one point.
fn arguments(point: Point, threads: usize, steps: usize) -> Vec<String> {
    let Point { model, batch, density } = point;
    let sizes = [("batch", batch), ("threads", threads), ("steps", steps)];
    let sizes = sizes.map(|(name, value)| format!("--{name}={value}"));
    [format!("--model={model}"), format!("--density={density}"), "--json".to_owned()].into_iter().chain(sizes).collect()
}

impl Measured {
    /// A figure of a point relative to the base, round by round.
    fn ratio(&self, point: usize, figure: impl Fn(&Measurement) -> Option<f64>) -> String {
        let of_round = |round: &Vec<Measurement>| Some(figure(&round[point])? / figure(&round[self.series.base])?);
        let ratios: Option<Vec<_>> = self.rounds.iter().map(of_round).collect();
        ratios.and_then(Spread::of).map_or_else(|| "—".to_owned(), |spread| spread.to_string())
    }

    fn table(&self) -> String {
        let threads = if self.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", self.threads) };
        let mut table = format!("\n## {}, {threads}\n\n", self.series.title);
        table += "| model | batch | weights kept | operations | training step | evaluation | training step, ms |\n\
                  |---|---|---|---|---|---|---|\n";
        let rows = self.series.points.iter().enumerate().map(|(place, point)| self.row(place, *point) + "\n");
        table.extend(rows);
        table
    }

    fn row(&self, place: usize, Point { model, batch, density }: Point) -> String {
        let gflop = |round: &Vec<Measurement>| Some(round[place].train_gflop? / round[self.series.base].train_gflop?);
        let operations =
            self.rounds.first().and_then(gflop).map_or_else(|| "—".to_owned(), |ratio| format!("{ratio:.2}"));
        let least = self.rounds.iter().map(|round| round[place].train_ms).fold(f64::INFINITY, f64::min);
        let (train, eval) = (self.ratio(place, |m| Some(m.train_ms)), self.ratio(place, |m| Some(m.eval_ms)));
        let kept = if density >= 1.0 { "all".to_owned() } else { format!("{} %", 100.0 * density) };
        format!("| {model} | {batch} | {kept} | {operations} | {train} | {eval} | {least:.1} |")
    }
}

/// The page, in Markdown.
fn page(machine: &Machine, instruction_set: &str, args: &Args, measured: &[Measured]) -> String {
    let Machine { cpu, cores, rustc, commit, date } = machine;
    let Args { rounds, steps, .. } = args;
    let mut page = format!(
        "# How the time of a step scales\n\n\
         - Hardware: {cpu}, {cores} cores, {instruction_set}\n\
         - Versions: {rustc}; commit {commit}\n\
         - Data: random images of 3×32×32, 10 classes\n\
         - n: {rounds} rounds. A round measures every point of a table, each in its own process. The time of a round is the median of \
         {steps} steps.\n\
         - Date: {date}\n\
         - Command: `{}`\n\n\
         Each cell is relative to the row of its table whose ratios are 1: the median of the ratios within rounds, with the smallest and \
         the largest in brackets. `operations` are those of a direct algorithm on the kept weights of the convolutions. The last column is \
         the fastest round.\n",
        peer::command()
    );
    for measured in measured {
        page += &measured.table();
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(train_ms: f64, gflop: Option<f64>) -> Measurement {
        Measurement {
            peer: None,
            dtype: None,
            density: 1.0,
            flop_density: None,
            train_gflop: gflop,
            train_ms,
            eval_ms: train_ms / 4.0,
            peak_rss_mib: None,
            percent_of_peak_flops: None,
        }
    }

    #[test]
    fn every_series_has_its_base_and_differs_in_one_thing() {
        for series in series(true) {
            let base = series.points[series.base];
            for point in &series.points {
                let differences = [point.model != base.model, point.batch != base.batch, point.density != base.density];
                assert!(differences.iter().filter(|differs| **differs).count() <= 1, "{series:?}");
            }
        }
        assert!(series(false).iter().all(|series| !series.title.starts_with("Width")));
    }

    #[test]
    fn the_example_is_told_a_point() {
        let told = arguments(Point { model: "resnet8s", batch: 32, density: 0.05 }, 2, 3).join(" ");
        assert_eq!(told, "--model=resnet8s --density=0.05 --json --batch=32 --threads=2 --steps=3");
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let rounds = [(10.0, 20.0), (20.0, 50.0), (10.0, 30.0)];
        let rounds = rounds.map(|(a, b)| vec![measurement(a, Some(2.0)), measurement(b, Some(4.0))]).to_vec();
        let points = [1.0, 0.5].map(|density| Point { model: MODEL, batch: BATCH, density }).to_vec();
        let measured = Measured { series: Series { title: "Density", base: 0, points }, threads: 2, rounds };
        let table = measured.table();
        let rows: Vec<_> = table.lines().skip(5).collect();
        assert_eq!(
            rows,
            [
                "| resnet20s | 128 | all | 1.00 | 1.00 (1.00–1.00) | 1.00 (1.00–1.00) | 10.0 |",
                "| resnet20s | 128 | 50 % | 2.00 | 2.50 (2.00–3.00) | 2.50 (2.00–3.00) | 20.0 |"
            ]
        );
        assert!(table.contains("## Density, 2 threads"), "{table}");
    }
}
