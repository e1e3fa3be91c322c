//! Attained rate of every kernel beside its roof: the lesser of what the machine's arithmetic and its memory allow.
//!
//! `cargo run --release -p unlearn-kernels --example roofline [BATCH] [THREADS]` prints Markdown.
//!
//! A kernel does F operations and must move at least B bytes (everything it reads and writes, counted once). So it
//! takes at least max(F / peak, B / bandwidth), and its roof is min(peak, F / B · bandwidth) (Williams et al. 2009,
//! doi 10.1145/1498765.1498785). Operations are those of the definition on kept weights, without taps outside the
//! image. Winograd's algorithm needs fewer and may exceed its roof. The bandwidth is the greater of reading and of
//! copying. Caches are flushed before each repetition, and the fastest repetition counts.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]

mod peak;

use std::{hint::black_box, time::Duration};

use peak::{fma_peak, time};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use unlearn_kernels::{
    Algorithm, Algorithms, ConvShape, Convolution, Epilogue, InstructionSet, Maps, NormInput, add, global_avg_pool,
    norm_apply, norm_backward, norm_statistics, relu_backward, shortcut_a,
};

/// Number of repetitions. The fastest counts.
const ROUNDS: usize = 10;
/// Values of each buffer for measuring the bandwidth: 128 MiB, more than any cache holds.
const STREAMED: usize = 32 << 20;
/// Kept weights of the sparse algorithm, per thousand.
const KEPT: usize = 50;
const VALUE: f64 = size_of::<f32>() as f64;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a whole number"));
    let batch = arguments.next().unwrap_or(128);
    let threads = arguments.next().unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("the first pool of this process");
    let machine = Machine::measure(threads);
    println!(
        "{}, {threads} threads, batch {batch}: {:.0} GF/s; memory {:.1} GB/s read, {:.1} GB/s copied (both ways together)\n",
        InstructionSet::in_use(),
        machine.peak,
        machine.read,
        machine.copy
    );
    convolutions(&machine, batch);
    println!();
    others(&machine, batch);
}

/// Limits of the machine.
struct Machine {
    /// Rate of fused multiply-adds on registers, GF/s.
    peak: f64,
    /// Bandwidth of reading memory, GB/s.
    read: f64,
    /// Bandwidth of copying, GB/s; reads and writes both count.
    copy: f64,
    memory: Vec<f32>,
}

impl Machine {
    fn measure(threads: usize) -> Self {
        let memory = vec![1.0f32; STREAMED];
        let mut copied = vec![0.0f32; STREAMED];
        let part = STREAMED / threads / 8;
        let best = |body: &mut dyn FnMut()| (0..5 * ROUNDS).map(|_| time(&mut *body)).min().unwrap_or_default();
        let read = best(&mut || sweep(&memory));
        let copy = best(&mut || {
            copied.par_chunks_mut(part).zip(memory.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
        });
        let rate = |passes: f64, time: Duration| 1e-9 * passes * VALUE * STREAMED as f64 / time.as_secs_f64();
        Self { peak: fma_peak(threads), read: rate(1.0, read), copy: rate(2.0, copy), memory }
    }

    /// Roof in GF/s for a kernel that does `intensity` operations per byte.
    fn roof(&self, intensity: f64) -> f64 {
        self.peak.min(intensity * self.read.max(self.copy))
    }

    /// Time of the fastest run. Every run finds its data in memory, not in a cache.
    fn fastest(&self, mut body: impl FnMut()) -> f64 {
        let cold = |_| {
            sweep(&self.memory);
            time(&mut body)
        };
        (0..ROUNDS).map(cold).min().unwrap_or_default().as_secs_f64()
    }

    /// Attained GF/s, and its share of the roof.
    fn attained(&self, operations: f64, roof: f64, body: impl FnMut()) -> String {
        let rate = 1e-9 * operations / self.fastest(body);
        format!("{rate:.1}, {:.0} %", 100.0 * rate / roof)
    }
}

/// Reads the values on all threads, which evicts other data from the caches.
fn sweep(values: &[f32]) {
    struct Sum<'a>(&'a [f32]);
    impl WithSimd for Sum<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let mut sums = [simd.splat_f32s(0.0); 8];
            for values in S::as_simd_f32s(self.0).0.as_chunks::<8>().0 {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = simd.add_f32s(*sum, *value);
                }
            }
            black_box(sums);
        }
    }
    let arch = Arch::new();
    values.par_chunks(1 << 20).for_each(|part| arch.dispatch(Sum(part)));
}

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect()
}

fn convolutions(machine: &Machine, batch: usize) {
    println!("| layer (3×3) | algorithm | FLOP/byte | roof, GF/s | forward | input gradient | weight gradient |");
    println!("|---|---|---|---|---|---|---|");
    for (in_channels, out_channels, side, stride) in
        [(3, 16, 32, 1), (16, 16, 32, 1), (16, 32, 32, 2), (32, 32, 16, 1), (32, 64, 16, 2), (64, 64, 8, 1)]
    {
        let shape = ConvShape { in_channels, out_channels, kernel: 3, stride, padding: 1, groups: 1 };
        for algorithm in [Algorithm::Direct, Algorithm::Winograd, Algorithm::Sparse] {
            if algorithm != Algorithm::Winograd || stride == 1 {
                convolution(machine, shape, algorithm, &Maps::new(in_channels, side, side, batch));
            }
        }
    }
}

fn convolution(machine: &Machine, shape: ConvShape, algorithm: Algorithm, input: &Maps) {
    let output = shape.output(input);
    let share = if algorithm == Algorithm::Sparse { KEPT } else { 1000 };
    let kept: Vec<bool> = (0..shape.weights()).map(|i| i * 7919 % 1000 < share).collect();
    let conv = Convolution::with_kept(shape, Algorithms::all(algorithm), &kept);
    let density = kept.iter().filter(|kept| **kept).count() as f64 / kept.len() as f64;
    // Taps outside the image do not count: one on the left and, with stride 1, one on the right.
    let taps = 3 * output.width - if shape.stride == 1 { 2 } else { 1 };
    let operations = 2.0 * density * (taps * taps * shape.in_channels * shape.out_channels * input.batch) as f64;
    let values_moved = input.channels * input.samples_per_channel() + output.channels * output.samples_per_channel();
    let intensity = operations / VALUE / (values_moved as f64 + density * kept.len() as f64);
    let roof = machine.roof(intensity);

    let (x, dy, w) = (values(input.len()), values(output.len()), values(shape.weights()));
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    let forward =
        machine.attained(operations, roof, || drop(conv.forward(&w, &x, input, &mut y, &output, Epilogue::None)));
    let into_input =
        machine.attained(operations, roof, || conv.input_gradient(&w, &dy, &output, &mut dx, input, false));
    let into_weights = machine.attained(operations, roof, || conv.weight_gradient(&x, input, &dy, &output, &mut dw));
    let ConvShape { in_channels, out_channels, stride, .. } = shape;
    let strided = if stride == 1 { String::new() } else { format!(", stride {stride}") };
    println!(
        "| {in_channels}→{out_channels}{strided}, {}² | {} | {intensity:.1} | {roof:.0} \
         | {forward} | {into_input} | {into_weights} |",
        input.width,
        format!("{algorithm:?}").to_lowercase()
    );
}

/// Kernels that do a few operations per value, on the network's first and largest maps.
fn others(machine: &Machine, batch: usize) {
    let maps = Maps::new(16, 32, 32, batch);
    let (pooled, halved) = (Maps::new(16, 1, 1, batch), Maps::new(32, 16, 16, batch));
    let count = (maps.channels * maps.samples_per_channel()) as f64;
    let x = values(maps.len());
    let (residual, z, mut y, mut dz) = (x.clone(), x.clone(), x.clone(), x.clone());
    let (weight, statistics) = (values(maps.channels), norm_statistics(&x, &maps));
    let (mut dweight, mut dbias) = (weight.clone(), weight.clone());
    let input = NormInput { x: &x, statistics: &statistics, weight: &weight, bias: &weight };
    println!("| kernel, 16 channels of 32² | FLOP/byte | roof, GF/s | attained |\n|---|---|---|---|");
    let row = |name: &str, operations: f64, values_moved: f64, body: &mut dyn FnMut()| {
        let intensity = operations / values_moved / VALUE;
        let roof = machine.roof(intensity);
        println!("| {name} | {intensity:.2} | {roof:.1} | {} |", machine.attained(operations * count, roof, body));
    };
    // Arguments: operations per value, and values read or written per value.
    row("statistics", 4.0, 1.0, &mut || drop(norm_statistics(&x, &maps)));
    row("normalise, add, ReLU", 4.0, 3.0, &mut || norm_apply(input, Some(&residual), true, &mut y, &maps));
    row("backward pass", 8.0, 5.0, &mut || {
        norm_backward(input, Some(&z), true, &mut dz, &mut y, &mut dweight, &mut dbias, &maps);
    });
    row("add", 1.0, 3.0, &mut || add(&x, &dz, &mut y, &maps));
    row("ReLU, backward", 1.0, 3.0, &mut || relu_backward(&x, &dz, &mut y, &maps));
    row("global average", 1.0, 1.0, &mut || global_avg_pool(&x, &maps, &mut y, &pooled));
    // Half of the output's channels are zeros, and the output has a quarter of the pixels. So the kernel reads a
    // quarter of the input and writes twice that.
    row("option-A shortcut (a copy is one operation)", 0.25, 0.75, &mut || shortcut_a(&x, &maps, 2, &mut y, &halved));
}
