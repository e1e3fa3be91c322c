//! The weight gradient of a fully connected layer on every token: dw\[out\]\[in\] = Σ over pixels and samples of
//! dy\[out\] · x\[in\].
//!
//! It is that of a 1×1 convolution. Here it needs no copies: the pixels of a channel are one run of memory, and a
//! register tile of several outputs and several inputs walks along their runs. A job computes some outputs for some
//! inputs, bundle by bundle. So its part of dy and its sums stay in the second-level cache while x streams past.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use crate::{
    LANES, Maps,
    conv::{Scratch, even_blocks},
    simd::{self, BundleKernel, sum_lanes},
};

/// Most outputs of a job.
const JOB_OUTPUTS: usize = 24;
/// Most inputs of a job.
const JOB_INPUTS: usize = 192;
/// Least number of jobs: enough to balance a handful of cores.
const JOBS: usize = 16;

/// dw = gradient with respect to the weights `[out, in]`, written over `dw`.
///
/// # Panics
/// If buffers or layouts do not fit.
pub fn token_weight_gradient(x: &[f32], input: &Maps, dy: &[f32], output: &Maps, dw: &mut [f32]) {
    let pixels = input.height * input.width;
    let fit = pixels == output.height * output.width && input.batch == output.batch;
    assert!(fit && dw.len() == input.channels * output.channels, "{} weights from {input:?} to {output:?}", dw.len());
    assert!(x.len() >= input.len() && dy.len() >= output.len(), "buffers of {} and {} values", x.len(), dy.len());
    let of_inputs = even_blocks(input.channels, JOB_INPUTS);
    let fewest = JOBS.div_ceil(of_inputs.len().max(1)).min(output.channels);
    let of_outputs = even_blocks(output.channels, output.channels.div_ceil(fewest).min(JOB_OUTPUTS));
    let jobs: Vec<_> = of_outputs.iter().flat_map(|o| of_inputs.iter().map(move |i| (o.clone(), i.clone()))).collect();
    let run = |scratch: &mut Scratch, (outputs, inputs): &(Range<usize>, Range<usize>)| {
        let sums = scratch.resize(outputs.len() * inputs.len() * LANES);
        simd::dispatch_bundle(Job { x, input, dy, output, outputs: outputs.clone(), inputs: inputs.clone(), sums })
    };
    let found: Vec<Vec<f32>> = jobs.par_iter().map_init(Scratch::default, run).collect();
    for ((outputs, inputs), found) in jobs.iter().zip(found) {
        for (out, found) in outputs.clone().zip(found.chunks_exact(inputs.len())) {
            dw[out * input.channels..][inputs.clone()].copy_from_slice(found);
        }
    }
}

struct Job<'a> {
    x: &'a [f32],
    input: &'a Maps,
    dy: &'a [f32],
    output: &'a Maps,
    outputs: Range<usize>,
    inputs: Range<usize>,
    /// `[outputs, inputs, LANES]`.
    sums: &'a mut [f32],
}

impl BundleKernel for Job<'_> {
    /// The gradient `[outputs, inputs]`.
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> Vec<f32> {
        let Self { x, input, dy, output, outputs, inputs, sums } = self;
        sums.fill(0.0);
        let output_blocks = even_blocks(outputs.len(), const { simd::product_tile::<S>().0 });
        let input_blocks = even_blocks(inputs.len(), const { simd::product_tile::<S>().1 });
        let row = inputs.len() * LANES;
        for bundle in 0..output.bundles() {
            for columns in &input_blocks {
                for (index, block) in output_blocks.iter().enumerate() {
                    // The tiles of this block of inputs share the prefetching of the next one.
                    let next = input.start(bundle, inputs.start + columns.end + index);
                    for v in 0..V {
                        let register = v * S::F32_LANES;
                        let first = block.start * row + columns.start * LANES + register;
                        let tile = Tile {
                            dy: &dy[output.start(bundle, outputs.start + block.start) + register..],
                            x: &x[input.start(bundle, inputs.start + columns.start) + register..],
                            planes: (output.plane, input.plane),
                            pixels: input.height * input.width,
                            sums: &mut sums[first..],
                            row,
                            next: x.as_ptr().wrapping_add(next),
                        };
                        tile.run(simd, (block.len(), columns.len()));
                    }
                }
            }
        }
        let (sums, _) = S::as_simd_f32s(sums).0.as_chunks::<V>();
        let mut gradient = Vec::with_capacity(sums.len());
        for sum in sums {
            gradient.push(sum_lanes(simd, *sum));
        }
        gradient
    }
}

/// Some outputs and inputs of one bundle, in one of its registers.
struct Tile<'a> {
    dy: &'a [f32],
    x: &'a [f32],
    /// Distance from one channel of dy, and of x, to the next, in values.
    planes: (usize, usize),
    pixels: usize,
    sums: &'a mut [f32],
    /// Distance from one output's sums to the next, in values.
    row: usize,
    /// What to prefetch.
    next: *const f32,
}

impl Tile<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S, size: (usize, usize)) {
        macro_rules! sizes {
            ($($outputs:literal: $($inputs:literal)+;)+) => {
                match size {
                    $($(($outputs, $inputs) if const {
                        $outputs <= simd::product_tile::<S>().0 && $inputs <= simd::product_tile::<S>().1
                    } => {
                        self.add::<S, $outputs, $inputs>(simd);
                    })+)+
                    _ => unreachable!("tiles have at most four outputs and six inputs"),
                }
            };
        }
        sizes! { 1: 1 2 3 4 5 6; 2: 1 2 3 4 5 6; 3: 1 2 3 4 5 6; 4: 1 2 3 4 5 6; }
    }

    #[inline(always)]
    fn add<S: Simd, const O: usize, const I: usize>(self, simd: S) {
        let Self { dy, x, planes: (of_dy, of_x), pixels, sums: to, row, mut next } = self;
        if pixels == 0 {
            return;
        }
        let last = (pixels - 1) * LANES + S::F32_LANES;
        assert!((O - 1) * of_dy + last <= dy.len() && (I - 1) * of_x + last <= x.len(), "a tile past its maps");
        assert!((O - 1) * row + (I - 1) * LANES + S::F32_LANES <= to.len(), "a tile past its sums");
        let (mut dy, mut x, to) = (dy.as_ptr(), x.as_ptr(), to.as_mut_ptr());
        let mut sums = [[simd.splat_f32s(0.0); I]; O];
        // SAFETY: the assertions above hold the last value of every channel of the tile, and its last sum.
        unsafe {
            for (o, sums) in sums.iter_mut().enumerate() {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = simd::load(simd, to.wrapping_add(o * row + i * LANES));
                }
            }
            for _ in 0..pixels {
                simd::prefetch(next);
                next = next.wrapping_add(LANES);
                let mut of_output = [simd.splat_f32s(0.0); O];
                for (o, value) in of_output.iter_mut().enumerate() {
                    *value = simd::load(simd, dy.wrapping_add(o * of_dy));
                }
                let mut of_input = [simd.splat_f32s(0.0); I];
                for (i, value) in of_input.iter_mut().enumerate() {
                    *value = simd::load(simd, x.wrapping_add(i * of_x));
                }
                for (sums, of_output) in sums.iter_mut().zip(&of_output) {
                    for (sum, of_input) in sums.iter_mut().zip(&of_input) {
                        *sum = simd.mul_add_f32s(*of_output, *of_input, *sum);
                    }
                }
                (dy, x) = (dy.wrapping_add(LANES), x.wrapping_add(LANES));
            }
            for (o, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    simd::store(simd, to.wrapping_add(o * row + i * LANES), *sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{
        assert_sums, at, batches, noisy_maps, on_every_instruction_set, places, same_bits_on_any_threads,
    };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(64)))]
        #[test]
        fn it_agrees_with_the_definition(
            inputs in 1usize..15, outputs in 1usize..40, rows in 1usize..3, columns in 1usize..5, batch in batches(),
        ) {
            let (input, output) = (Maps::new(inputs, rows, columns, batch), Maps::new(outputs, rows, columns, batch));
            let (x, dy) = (noisy_maps(&input, 3), noisy_maps(&output, 5));
            let (mut exact, mut sizes) = (vec![0.0; inputs * outputs], vec![0.0; inputs * outputs]);
            for (o, p, n) in places(&output) {
                for i in 0..inputs {
                    let term = f64::from(dy[at(&output, o, p, n)]) * f64::from(x[at(&input, i, p, n)]);
                    exact[o * inputs + i] += term;
                    sizes[o * inputs + i] += term.abs();
                }
            }
            on_every_instruction_set(|| {
                let mut dw = vec![f32::NAN; inputs * outputs];
                token_weight_gradient(&x, &input, &dy, &output, &mut dw);
                assert_sums("weight gradient", &dw, &exact, &sizes, 1e-6);
            });
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let (input, output) = (Maps::new(13, 5, 3, 37), Maps::new(50, 5, 3, 37));
        let (x, dy) = (noisy_maps(&input, 3), noisy_maps(&output, 5));
        same_bits_on_any_threads(|| {
            let mut dw = vec![f32::NAN; 13 * 50];
            token_weight_gradient(&x, &input, &dy, &output, &mut dw);
            dw
        });
    }
}
