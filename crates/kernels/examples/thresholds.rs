//! The table of choices for the instruction set in use: which algorithm is fastest for which number of channels, and up
//! to which density the sparse one is faster.
//!
//! `cargo xtask bench thresholds` runs this program for each instruction set of the machine and writes the tables.
//! `cargo run --release -p unlearn-kernels --example thresholds [ROUNDS]` prints one table as Rust source, and with `--sets` the instruction sets of this processor. All
//! algorithms of a layer take turns on one thread, and the fastest of several rounds counts.

mod peak;

use std::time::Duration;

use peak::{fma_peak, time};
use unlearn_kernels::{Algorithm, Algorithms, ConvShape, Convolution, Epilogue, InstructionSet, Maps};

/// Number of channels, side of the map and batch. The layers are those of residual networks for images of 32×32.
const LAYERS: [(usize, usize, usize); 7] =
    [(3, 32, 128), (16, 32, 128), (32, 16, 128), (64, 8, 128), (128, 16, 64), (256, 8, 64), (512, 4, 64)];
/// Densities at which the sparse algorithm is timed. Its time is close to a line between them.
const DENSITIES: [f64; 3] = [0.05, 0.25, 0.8];

/// Seconds of the three passes.
type Times = [f64; 3];

fn main() {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("--sets") {
        InstructionSet::detected().for_each(|set| println!("{set}"));
        return;
    }
    let rounds = argument.map_or(15, |rounds| rounds.parse().expect("a number of rounds"));
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first pool of this process");
    eprintln!("{}, peak {:.0} GF/s", InstructionSet::in_use(), fma_peak(1));
    println!("pub(super) const TABLE: &[Row] = &[");
    for (channels, side, batch) in LAYERS {
        let shape = |out_channels, stride| ConvShape {
            in_channels: channels,
            out_channels,
            kernel: 3,
            stride,
            padding: 1,
            groups: 1,
        };
        // The first layer of a network reads three channels and writes many.
        let same = shape(channels.max(16), 1);
        let winograd = measure(same, side, batch, Algorithm::Winograd, None, rounds);
        let direct = measure(same, side, batch, Algorithm::Direct, None, rounds);
        let sparse = DENSITIES.map(|density| measure(same, side, batch, Algorithm::Sparse, Some(density), rounds));
        let halving = shape(channels.max(16) * 2, 2);
        let direct_halving = measure(halving, side, batch, Algorithm::Direct, None, rounds);
        let sparse_halving =
            DENSITIES.map(|density| measure(halving, side, batch, Algorithm::Sparse, Some(density), rounds));
        println!("    Row {{\n        channels: {},", if channels < 16 { 1 } else { channels });
        for (pass, name) in ["forward", "input_gradient", "weight_gradient"].into_iter().enumerate() {
            let of_pass = |times: &[Times; 3]| times.map(|times| times[pass]);
            println!(
                "        {name}: pass({}, {:.2}, {:.2}),",
                winograd[pass] < direct[pass],
                crossing(of_pass(&sparse), winograd[pass].min(direct[pass])),
                crossing(of_pass(&sparse_halving), direct_halving[pass]),
            );
            eprintln!(
                "{channels} {name}: direct {:.3} ms, winograd {:.3} ms, sparse {:.3?} ms",
                1e3 * direct[pass],
                1e3 * winograd[pass],
                of_pass(&sparse).map(|time| 1e3 * time)
            );
        }
        println!("    }},");
    }
    println!("];");
}

/// Times of the passes: the fastest of several rounds.
fn measure(
    shape: ConvShape,
    side: usize,
    batch: usize,
    algorithm: Algorithm,
    density: Option<f64>,
    rounds: usize,
) -> Times {
    let values = |len: usize| -> Vec<f32> { (0..len).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect() };
    let input = Maps::new(shape.in_channels, side, side, batch);
    let output = shape.output(&input);
    let (x, dy, w) = (values(input.len()), values(output.len()), values(shape.weights()));
    let (mut y, mut dx, mut dw) = (values(output.len()), values(input.len()), values(shape.weights()));
    // Fractional parts of multiples of the golden ratio are spread evenly.
    let kept = |i: usize| density.is_none_or(|density| (i as f64 * 0.618_033_988_749_895).fract() < density);
    let kept: Vec<bool> = (0..w.len()).map(kept).collect();
    let conv = match algorithm {
        Algorithm::Sparse => Convolution::with_kept(shape, Algorithms::all(algorithm), &kept),
        dense => Convolution::with_algorithms(shape, Algorithms::all(dense)),
    };
    let mut best = [Duration::MAX; 3];
    for _ in 0..rounds {
        best[0] = best[0].min(time(|| drop(conv.forward(&w, &x, &input, &mut y, &output, Epilogue::None))));
        best[1] = best[1].min(time(|| conv.input_gradient(&w, &dy, &output, &mut dx, &input, false)));
        best[2] = best[2].min(time(|| conv.weight_gradient(&x, &input, &dy, &output, &mut dw)));
    }
    best.map(|time| time.as_secs_f64())
}

/// The greatest density at which the sparse algorithm is faster than the dense one, on lines between the densities. Nothing was timed
/// beyond the last density, so the answer is never greater.
fn crossing(sparse: Times, dense: f64) -> f64 {
    let ([d0, d1, d2], [t0, t1, t2]) = (DENSITIES, sparse);
    let on = |(d0, t0): (f64, f64), (d1, t1): (f64, f64)| d0 + (d1 - d0) * (dense - t0) / (t1 - t0).max(1e-9);
    let found = if dense < t1 { on((d0, t0), (d1, t1)) } else { on((d1, t1), (d2, t2)) };
    found.clamp(0.0, d2)
}
