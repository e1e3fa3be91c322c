//! GF/s of every convolution of ResNet-20s, forward and both gradients, beside this machine's fused multiply-add peak.
//!
//! `cargo run --release -p unlearn-kernels --example throughput [BATCH] [SIDE] [THREADS] [DENSITY]`
//! With a density in percent, that share of the weights is kept, and the times are of the direct and the sparse algorithm in
//! turns; then those of squared and of dotted per-sample gradients in units of the direct weight gradient, for all weights and
//! for those kept. Times are minima over repetitions; taps outside the image are not counted.
#![expect(clippy::inline_always, reason = "only what is inlined into a dispatched function gets its instructions")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use unlearn_kernels::{Algorithm, Algorithms, ConvShape, Convolution, Epilogue, Maps, instruction_set};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a whole number"));
    let batch = arguments.next().unwrap_or(128);
    let side = arguments.next().unwrap_or(32);
    let threads = arguments.next().unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("the first pool of this process");
    let percent = arguments.next();
    if let Some(percent) = percent {
        println!("{}, {threads} threads, batch {batch}, {percent} % of the weights", instruction_set());
        println!(
            "{:>26} {:>27} {:>27} {:>27}",
            "direct/sparse ms = times", "forward", "input gradient", "weight gradient"
        );
    } else {
        println!("{}, {threads} threads, batch {batch}", instruction_set());
        println!("{:>26} {:>8} {:>17} {:>17} {:>17}", "layer", "GFLOP", "forward", "input gradient", "weight gradient");
    }
    let peak = if percent.is_none() { fma_peak(threads) } else { 0.0 };
    for (times, in_channels, out_channels, side, stride) in [
        (1, 3, 16, side, 1),
        (6, 16, 16, side, 1),
        (1, 16, 32, side, 2),
        (5, 32, 32, side / 2, 1),
        (1, 32, 64, side / 2, 2),
        (5, 64, 64, side / 4, 1),
    ] {
        let shape = ConvShape { in_channels, out_channels, kernel: 3, stride, padding: 1, groups: 1 };
        print!("{:>26} ", format!("{times}× {in_channels}→{out_channels}, {side}², stride {stride}"));
        match percent {
            Some(percent) => compare(shape, side, batch, percent),
            None => layer(shape, side, batch, peak),
        }
    }
}

/// Direct and sparse times of each pass, taken in turns.
fn compare(shape: ConvShape, side: usize, batch: usize, percent: usize) {
    let Buffers { input, output, x, dy, w, mut y, mut dx, mut dw } = Buffers::new(&shape, side, batch);
    let kept: Vec<bool> = (0..w.len()).map(|i| i * 7919 % 1000 < percent * 10).collect();
    let direct = Convolution::with_algorithms(shape, Algorithms::all(Algorithm::Direct));
    let sparse = Convolution::with_kept(shape, Algorithms::all(Algorithm::Sparse), &kept);
    let of = |first: bool| if first { &direct } else { &sparse };
    let report = |[direct, sparse]: [Duration; 2]| {
        let (direct, sparse) = (direct.as_secs_f64() * 1e3, sparse.as_secs_f64() * 1e3);
        print!(" {:>26}", format!("{direct:.2}/{sparse:.2} = {:.1}", direct / sparse));
    };
    report(fastest_in_turns(|first| drop(of(first).forward(&w, &x, &input, &mut y, &output, Epilogue::None))));
    report(fastest_in_turns(|first| of(first).input_gradient(&w, &dy, &output, &mut dx, &input, false)));
    report(fastest_in_turns(|first| of(first).weight_gradient(&x, &input, &dy, &output, &mut dw)));
    let (mut squares, mut dots) = (vec![0.0; w.len()], vec![0.0; batch]);
    for conv in [&direct, &sparse] {
        let [gradient, squared] = fastest_in_turns(|first| {
            if first {
                direct.weight_gradient(&x, &input, &dy, &output, &mut dw);
            } else {
                conv.add_squared_gradients(&x, &input, &dy, &output, &mut squares);
            }
        });
        let dotted = fastest(|| conv.add_gradient_dots(&w, &x, &input, &dy, &output, &mut dots));
        let [squared, dotted] = [squared, dotted].map(|time| time.as_secs_f64() / gradient.as_secs_f64());
        print!(" {:>13}", format!("{squared:.2} {dotted:.2}"));
    }
    println!();
}

/// What goes through a layer.
struct Buffers {
    input: Maps,
    output: Maps,
    x: Vec<f32>,
    dy: Vec<f32>,
    w: Vec<f32>,
    y: Vec<f32>,
    dx: Vec<f32>,
    dw: Vec<f32>,
}

impl Buffers {
    fn new(shape: &ConvShape, side: usize, batch: usize) -> Self {
        let values = |len: usize| -> Vec<f32> { (0..len).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect() };
        let input = Maps::new(shape.in_channels, side, side, batch);
        let output = shape.output(&input);
        let (x, dy, w) = (values(input.len()), values(output.len()), values(shape.weights()));
        let (y, dx, dw) = (values(output.len()), values(input.len()), values(shape.weights()));
        Self { input, output, x, dy, w, y, dx, dw }
    }
}

/// GF/s of each pass.
fn layer(shape: ConvShape, side: usize, batch: usize, peak: f64) {
    let Buffers { input, output, x, dy, w, mut y, mut dx, mut dw } = Buffers::new(&shape, side, batch);
    let conv = Convolution::with_algorithms(shape, Algorithms::all(Algorithm::Direct));
    // Not counted: the taps outside the image, one at the left and with stride 1 one at the right.
    let taps = 3 * output.width - if shape.stride == 1 { 2 } else { 1 };
    let gflop = 2e-9 * (taps * taps * shape.in_channels * shape.out_channels * batch) as f64;
    let rate = |time: Duration| {
        let rate = gflop / time.as_secs_f64();
        format!("{:.2} ms {rate:.0} {:.0}%", time.as_secs_f64() * 1e3, 100.0 * rate / peak)
    };
    let forward = rate(fastest(|| drop(conv.forward(&w, &x, &input, &mut y, &output, Epilogue::None))));
    let backward = rate(fastest(|| conv.input_gradient(&w, &dy, &output, &mut dx, &input, false)));
    let weight = rate(fastest(|| conv.weight_gradient(&x, &input, &dy, &output, &mut dw)));
    println!("{gflop:>8.2} {forward:>17} {backward:>17} {weight:>17}");
}

fn fastest(mut body: impl FnMut()) -> Duration {
    (0..100)
        .map(|_| {
            let start = Instant::now();
            body();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

/// The fastest of `body(true)` and of `body(false)`, run in turns so that whatever else runs slows both.
fn fastest_in_turns(mut body: impl FnMut(bool)) -> [Duration; 2] {
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..30 {
        for (fastest, first) in fastest.iter_mut().zip([true, false]) {
            let start = Instant::now();
            body(first);
            *fastest = start.elapsed().min(*fastest);
        }
    }
    fastest
}

/// GF/s of independent fused multiply-adds on registers.
fn fma_peak(threads: usize) -> f64 {
    const STEPS: usize = 1_000_000;
    const SUMS: usize = 12;
    struct Peak;
    impl WithSimd for Peak {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> usize {
            let factor = simd.splat_f32s(black_box(0.999));
            let mut sums = [simd.splat_f32s(1.0); SUMS];
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = simd.mul_add_e_f32s(*sum, factor, factor);
                }
            }
            black_box(sums);
            S::F32_LANES
        }
    }
    let arch = Arch::new();
    let lanes = arch.dispatch(Peak);
    let time = fastest(|| {
        (0..threads).into_par_iter().for_each(|_| {
            black_box(arch.dispatch(Peak));
        });
    });
    2e-9 * (STEPS * SUMS * lanes * threads) as f64 / time.as_secs_f64()
}
