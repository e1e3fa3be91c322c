//! `unlearn export`: a trained model as the file that is deployed: dense, sparse, or narrowed to the channels that count.
//!
//! What is written is read back and compared with the original on noise first, so that no file is left whose outputs differ.

use std::{sync::Arc, time::Instant};

use anyhow::ensure;
use unlearn_experiment::OpenedModel;
use unlearn_models::{ImportOptions, ModelFile, Target as Written};
use unlearn_network::{DeviceChoice, Graph, Mode, Network};
use unlearn_run_store::write_atomic;
use unlearn_training::apply_mask;

use crate::{args::ExportArguments, convert::options, exit::Usage, inspect::source};

/// Images that outputs are compared on.
const COMPARED: usize = 16;
/// Largest difference of a logit, as a share of the largest logit.
const TOLERANCE: f32 = 1e-4;
/// Images a pass that is timed.
const TIMED: usize = 64;
/// Timed passes, of which the median counts.
const ROUNDS: usize = 7;

pub(crate) fn export(arguments: &ExportArguments) -> anyhow::Result<()> {
    let ExportArguments { model, output, form, mask, measure, foreign } = arguments;
    let opened = OpenedModel::open(model, mask.as_deref(), &options(foreign))?;
    let (original, bytes_read) = (opened.model, opened.read["model"].len());
    if form.sparse && original.mask.is_none() {
        return Err(
            Usage("the model has no mask, so there is nothing sparse to write; give one with `--mask`".into()).into()
        );
    }
    let dense = original.to_bytes(Written::Dense)?;
    let (what, bytes) = if form.structured {
        ("structured", original.structured()?.to_bytes(Written::Dense)?)
    } else if form.sparse {
        ("sparse", original.to_bytes(Written::Sparse)?)
    } else {
        ("dense", dense.clone())
    };
    let exported = ModelFile::read(&bytes, &ImportOptions::default(), output)?;
    let (mut before, mut after) = (network(&original)?, network(&exported)?);
    let difference = compare(&mut before, &mut after)?;
    ensure!(
        difference <= TOLERANCE,
        "{}: not written, because its logits would differ from the original's by {difference:.1e} of the largest",
        output.display()
    );
    write_atomic(output, &bytes)?;

    println!("{}: {}, {bytes_read} bytes", model.display(), source(original.source));
    let share = 100.0 * bytes.len() as f64 / dense.len() as f64;
    println!(
        "{}: {what}, {} bytes, {share:.1} % of a dense checkpoint's {}",
        output.display(),
        bytes.len(),
        dense.len()
    );
    let operations = |graph: &Graph| graph.conv_operations().iter().map(|(_, count)| count).sum::<usize>();
    for (what, count) in [
        ("parameters", Graph::parameter_count as fn(&Graph) -> usize),
        ("multiply-accumulates of convolutions, per image", operations),
    ] {
        println!("{what}: {} of {}", count(&exported.graph), count(&original.graph));
    }
    println!("logits differ by at most {difference:.1e} of the largest, on {COMPARED} images of noise");
    if *measure {
        let [before, after] = rates(&mut before, &mut after)?;
        println!(
            "evaluation: {after:.0} images/s after, {before:.0} before, {:.2} times as fast (median of {ROUNDS} alternating \
             passes over {TIMED} images)",
            after / before
        );
    }
    Ok(())
}

fn network(model: &ModelFile) -> anyhow::Result<Network> {
    let mut network = Network::new(Arc::clone(&model.graph), model.state.clone(), DeviceChoice::Cpu)?;
    if let Some(mask) = &model.mask {
        apply_mask(&mut network, mask)?;
    }
    Ok(network)
}

/// Values in 0..1 that look like nothing, the same every time.
fn noise(graph: &Graph, count: usize) -> Vec<f32> {
    let values = count * graph.input_shape().iter().product::<usize>();
    // The fractional parts of multiples of the golden ratio.
    (0..values).map(|i| ((i as f64 * 0.618_033_988_749_894_9).fract()) as f32).collect()
}

/// The largest difference between the logits of two networks, as a share of the largest logit.
fn compare(before: &mut Network, after: &mut Network) -> anyhow::Result<f32> {
    let images = noise(before.graph(), COMPARED);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    before.forward(&images, Mode::Evaluate, &mut one)?;
    after.forward(&images, Mode::Evaluate, &mut other)?;
    let largest = one.iter().fold(f32::MIN_POSITIVE, |largest, logit| largest.max(logit.abs()));
    Ok(one.iter().zip(&other).fold(0.0f32, |worst, (one, other)| worst.max((one - other).abs())) / largest)
}

/// Images a second of two networks, timed in turn.
fn rates(before: &mut Network, after: &mut Network) -> anyhow::Result<[f64; 2]> {
    let images = noise(before.graph(), TIMED);
    let mut logits = Vec::new();
    let mut seconds = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (network, seconds) in [&mut *before, &mut *after].into_iter().zip(&mut seconds) {
            let start = Instant::now();
            network.forward(&images, Mode::Evaluate, &mut logits)?;
            if round > 0 {
                seconds.push(start.elapsed().as_secs_f64()); // The first pass plans, folds and fills buffers.
            }
        }
    }
    Ok(seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        TIMED as f64 / seconds[ROUNDS / 2]
    }))
}
