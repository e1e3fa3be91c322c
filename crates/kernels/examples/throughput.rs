//! GF/s of every convolution of ResNet-20s (or ResNet-18), forward and both gradients, beside this machine's fused
//! multiply-add peak.
//!
//! `cargo run --release -p unlearn-kernels --example throughput [resnet18] [BATCH] [SIDE] [THREADS] [PERCENT]` runs
//! every algorithm that applies, in turns. With PERCENT, that share of the weights is kept and the sparse algorithm
//! takes part. Times are minima over repetitions. Rates are those of the dense definition without taps outside the
//! image. The column × is the speed-up over the direct algorithm. The last columns give the time of squared and of
//! dotted per-sample gradients in units of the direct weight gradient.

mod peak;

use std::time::Duration;

use peak::{fma_peak, time};
use unlearn_kernels::{Algorithm, Algorithms, ConvShape, Convolution, Epilogue, InstructionSet, Maps};

/// Number of repetitions. The fastest counts.
const ROUNDS: usize = 15;

/// Number of such layers, channels read, channels written, side of the kernel, divisor of the image's side, and
/// stride.
type Layer = (usize, usize, usize, usize, usize, usize);
const RESNET20S: &[Layer] = &[
    (1, 3, 16, 3, 1, 1),
    (6, 16, 16, 3, 1, 1),
    (1, 16, 32, 3, 1, 2),
    (5, 32, 32, 3, 2, 1),
    (1, 32, 64, 3, 2, 2),
    (5, 64, 64, 3, 4, 1),
];
const RESNET18: &[Layer] = &[
    (1, 3, 64, 3, 1, 1),
    (4, 64, 64, 3, 1, 1),
    (1, 64, 128, 3, 1, 2),
    (1, 64, 128, 1, 1, 2),
    (3, 128, 128, 3, 2, 1),
    (1, 128, 256, 3, 2, 2),
    (1, 128, 256, 1, 2, 2),
    (3, 256, 256, 3, 4, 1),
    (1, 256, 512, 3, 4, 2),
    (1, 256, 512, 1, 4, 2),
    (3, 512, 512, 3, 8, 1),
];

fn main() {
    let mut words: Vec<_> = std::env::args().skip(1).collect();
    let wide = words.first().is_some_and(|word| word == "resnet18");
    if wide {
        words.remove(0);
    }
    let mut arguments = words.iter().map(|a| a.parse::<usize>().expect("a whole number"));
    let batch = arguments.next().unwrap_or(128);
    let side = arguments.next().unwrap_or(32);
    let threads = arguments.next().unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("the first pool of this process");
    let percent = arguments.next();
    let layers = if wide { RESNET18 } else { RESNET20S };
    let peak = fma_peak(threads);
    println!("{}, {threads} threads, batch {batch}, peak {peak:.0} GF/s", InstructionSet::in_use());
    println!(
        "{:>30} {:>8} {:>9}{:>26}{:>26}{:>26} {:>8} {:>8}",
        "layer", "GFLOP", "algorithm", "forward", "input gradient", "weight gradient", "squared", "dotted"
    );
    for &(times, in_channels, out_channels, kernel, divisor, stride) in layers {
        let shape = ConvShape { in_channels, out_channels, kernel, stride, padding: kernel / 2, groups: 1 };
        layer(shape, side / divisor, batch, times, percent, peak);
    }
}

fn layer(shape: ConvShape, side: usize, batch: usize, times: usize, percent: Option<usize>, peak: f64) {
    let values = |len: usize| -> Vec<f32> { (0..len).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect() };
    let input = Maps::new(shape.in_channels, side, side, batch);
    let output = shape.output(&input);
    let (x, dy, w) = (values(input.len()), values(output.len()), values(shape.weights()));
    let (mut y, mut dx, mut dw) = (values(output.len()), values(input.len()), values(shape.weights()));
    // Taps outside the image do not count: one on the left and, with stride 1, one on the right.
    let outside = if shape.kernel == 1 { 0 } else { 3 - shape.stride.min(2) };
    let taps = shape.kernel * output.width - outside;
    let gflop = 2e-9 * (taps * taps * shape.in_channels * shape.out_channels * batch) as f64;
    let mut convs = vec![("direct", Convolution::with_algorithms(shape, Algorithms::all(Algorithm::Direct)))];
    if shape.stride == 1 && shape.kernel == 3 {
        convs.push(("winograd", Convolution::with_algorithms(shape, Algorithms::all(Algorithm::Winograd))));
    }
    if let Some(percent) = percent {
        let kept: Vec<bool> = (0..w.len()).map(|i| i * 7919 % 1000 < percent * 10).collect();
        convs.push(("sparse", Convolution::with_kept(shape, Algorithms::all(Algorithm::Sparse), &kept)));
    }
    let (mut squares, mut dots) = (vec![0.0; w.len()], vec![0.0; batch]);
    let mut best = vec![[Duration::MAX; 5]; convs.len()];
    // The algorithms take turns in every round, so that other load on the machine affects all of them alike.
    for _ in 0..ROUNDS {
        for ((_, conv), best) in convs.iter().zip(&mut best) {
            best[0] = best[0].min(time(|| drop(conv.forward(&w, &x, &input, &mut y, &output, Epilogue::None))));
            best[1] = best[1].min(time(|| conv.input_gradient(&w, &dy, &output, &mut dx, &input, false)));
            best[2] = best[2].min(time(|| conv.weight_gradient(&x, &input, &dy, &output, &mut dw)));
            best[3] = best[3].min(time(|| conv.add_squared_gradients(&x, &input, &dy, &output, &mut squares)));
            best[4] = best[4].min(time(|| conv.add_gradient_dots(&w, &x, &input, &dy, &output, &mut dots)));
        }
    }
    let ConvShape { in_channels, out_channels, kernel, stride, .. } = shape;
    let name = format!("{times}× {in_channels}→{out_channels}, {kernel}×{kernel}, {side}², stride {stride}");
    let best_direct = best[0];
    for ((algorithm, _), times) in convs.iter().zip(&best) {
        let cell = |pass: usize| {
            let (time, direct) = (times[pass].as_secs_f64(), best_direct[pass].as_secs_f64());
            let rate = gflop / time;
            format!("{:.2} ms {rate:.0} {:.0}% {:.2}×", time * 1e3, 100.0 * rate / peak, direct / time)
        };
        let [forward, input, weight] = [0, 1, 2].map(cell);
        let [squared, dotted] = [times[3], times[4]].map(|time| time.as_secs_f64() / best_direct[2].as_secs_f64());
        println!(
            "{name:>30} {gflop:>8.2} {algorithm:>9}{forward:>26}{input:>26}{weight:>26} {squared:>8.2} {dotted:>8.2}"
        );
    }
}
