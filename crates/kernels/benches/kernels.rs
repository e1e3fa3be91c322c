//! Time of every kernel on the maps of a ResNet-20s, batch 128, with one thread per core.
//!
//! `cargo bench -p unlearn-kernels [-- FILTER]` measures. `-- --test` runs each benchmark once. For convolutions and
//! fully connected layers, a throughput item is one floating-point operation of the dense definition. For every other
//! kernel, it is one value of the larger of input and output.

use std::fmt;

use divan::{Bencher, counter::ItemsCount};
use unlearn_kernels::Maps;

const BATCH: usize = 128;
/// Kept weights of the sparse algorithm, per thousand.
const KEPT: usize = 50;

fn main() {
    divan::main();
}

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect()
}

/// Channels, and side of square maps.
#[derive(Clone, Copy)]
struct Size(usize, usize);

/// Maps of the three stages of the network.
const SIZES: [Size; 3] = [Size(16, 32), Size(32, 16), Size(64, 8)];

impl Size {
    fn maps(self) -> Maps {
        Maps::new(self.0, self.1, self.1, BATCH)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}²", self.0, self.1)
    }
}

fn items(maps: &Maps) -> ItemsCount {
    ItemsCount::new(maps.channels * maps.samples_per_channel())
}

mod convolution {
    use unlearn_kernels::{Algorithm, Algorithms, ConvShape, Convolution, Epilogue};

    use super::{BATCH, Bencher, ItemsCount, KEPT, Maps, fmt, values};

    /// A 3×3 convolution by one algorithm.
    #[derive(Clone, Copy)]
    struct Layer {
        algorithm: Algorithm,
        in_channels: usize,
        out_channels: usize,
        side: usize,
        stride: usize,
    }

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let Self { algorithm, in_channels, out_channels, side, stride } = self;
            write!(f, "{in_channels}→{out_channels} {side}² ÷{stride} {algorithm:?}")
        }
    }

    /// Every shape of the network with every algorithm that applies to it.
    fn layers() -> impl Iterator<Item = Layer> {
        let shapes =
            [(3, 16, 32, 1), (16, 16, 32, 1), (16, 32, 32, 2), (32, 32, 16, 1), (32, 64, 16, 2), (64, 64, 8, 1)];
        shapes.into_iter().flat_map(|(in_channels, out_channels, side, stride)| {
            [Algorithm::Direct, Algorithm::Winograd, Algorithm::Sparse]
                .into_iter()
                .filter(move |algorithm| *algorithm != Algorithm::Winograd || stride == 1)
                .map(move |algorithm| Layer { algorithm, in_channels, out_channels, side, stride })
        })
    }

    /// A layer with its input, output and weights.
    struct Case {
        conv: Convolution,
        input: Maps,
        output: Maps,
        weights: Vec<f32>,
        x: Vec<f32>,
        y: Vec<f32>,
        operations: ItemsCount,
    }

    impl Layer {
        fn case(self) -> Case {
            let Self { algorithm, in_channels, out_channels, side, stride } = self;
            let shape = ConvShape { in_channels, out_channels, kernel: 3, stride, padding: 1, groups: 1 };
            let input = Maps::new(in_channels, side, side, BATCH);
            let output = shape.output(&input);
            let share = if algorithm == Algorithm::Sparse { KEPT } else { 1000 };
            let kept: Vec<bool> = (0..shape.weights()).map(|i| i * 7919 % 1000 < share).collect();
            Case {
                conv: Convolution::with_kept(shape, Algorithms::all(algorithm), &kept),
                weights: values(shape.weights()),
                x: values(input.len()),
                y: values(output.len()),
                operations: ItemsCount::new(2 * shape.weights() * output.samples_per_channel()),
                input,
                output,
            }
        }
    }

    #[divan::bench(args = layers())]
    fn forward(bencher: Bencher, layer: Layer) {
        let Case { conv, input, output, weights, x, mut y, operations } = layer.case();
        bencher
            .counter(operations)
            .bench_local(|| conv.forward(&weights, &x, &input, &mut y, &output, Epilogue::Statistics));
    }

    #[divan::bench(args = layers())]
    fn input_gradient(bencher: Bencher, layer: Layer) {
        let Case { conv, input, output, weights, mut x, y, operations } = layer.case();
        bencher.counter(operations).bench_local(|| conv.input_gradient(&weights, &y, &output, &mut x, &input, false));
    }

    #[divan::bench(args = layers())]
    fn weight_gradient(bencher: Bencher, layer: Layer) {
        let Case { conv, input, output, mut weights, x, y, operations } = layer.case();
        bencher.counter(operations).bench_local(|| conv.weight_gradient(&x, &input, &y, &output, &mut weights));
    }

    #[divan::bench(args = layers())]
    fn squared_gradients(bencher: Bencher, layer: Layer) {
        let Case { conv, input, output, mut weights, x, y, operations } = layer.case();
        bencher.counter(operations).bench_local(|| conv.add_squared_gradients(&x, &input, &y, &output, &mut weights));
    }

    #[divan::bench(args = layers())]
    fn gradient_dots(bencher: Bencher, layer: Layer) {
        let Case { conv, input, output, weights, x, y, operations } = layer.case();
        let mut dots = vec![0.0; BATCH];
        bencher
            .counter(operations)
            .bench_local(|| conv.add_gradient_dots(&weights, &x, &input, &y, &output, &mut dots));
    }

    #[divan::bench(args = layers().filter(|layer| layer.algorithm == Algorithm::Sparse))]
    fn sample_gradients(bencher: Bencher, layer: Layer) {
        let Case { conv, input, output, x, y, operations, .. } = layer.case();
        let stride = conv.kept().count();
        let mut rows = vec![0.0; BATCH * stride];
        bencher.counter(operations).bench_local(|| conv.sample_gradients(&x, &input, &y, &output, &mut rows, stride));
    }
}

mod norm {
    use unlearn_kernels::{NormInput, channel_sums, norm_apply, norm_backward, norm_sample_gradients, norm_statistics};

    use super::{BATCH, Bencher, SIZES, Size, items, values};

    #[divan::bench(args = SIZES)]
    fn statistics(bencher: Bencher, size: Size) {
        let (maps, x) = (size.maps(), values(size.maps().len()));
        bencher.counter(items(&maps)).bench_local(|| norm_statistics(&x, &maps));
    }

    #[divan::bench(args = SIZES)]
    fn sums(bencher: Bencher, size: Size) {
        let (maps, x) = (size.maps(), values(size.maps().len()));
        bencher.counter(items(&maps)).bench_local(|| channel_sums(&x, &maps));
    }

    #[divan::bench(args = SIZES)]
    fn forward_with_residual_and_relu(bencher: Bencher, size: Size) {
        let (maps, x) = (size.maps(), values(size.maps().len()));
        let (mut z, weight, statistics) = (x.clone(), values(maps.channels), norm_statistics(&x, &maps));
        let input = NormInput { x: &x, statistics: &statistics, weight: &weight, bias: &weight };
        bencher.counter(items(&maps)).bench_local(|| norm_apply(input, Some(&x), true, &mut z, &maps));
    }

    #[divan::bench(args = SIZES)]
    fn backward_with_relu(bencher: Bencher, size: Size) {
        let (maps, x) = (size.maps(), values(size.maps().len()));
        let (mut dz, mut dx, weight) = (x.clone(), x.clone(), values(maps.channels));
        let (mut dweight, mut dbias, statistics) = (weight.clone(), weight.clone(), norm_statistics(&x, &maps));
        let input = NormInput { x: &x, statistics: &statistics, weight: &weight, bias: &weight };
        bencher.counter(items(&maps)).bench_local(|| {
            norm_backward(input, Some(&x), true, &mut dz, &mut dx, &mut dweight, &mut dbias, &maps);
        });
    }

    #[divan::bench(args = SIZES)]
    fn sample_gradients(bencher: Bencher, size: Size) {
        let (maps, x) = (size.maps(), values(size.maps().len()));
        let (weight, statistics) = (values(maps.channels), norm_statistics(&x, &maps));
        let (mut dweight, mut dbias) = (vec![0.0; BATCH * maps.channels], vec![0.0; BATCH * maps.channels]);
        let input = NormInput { x: &x, statistics: &statistics, weight: &weight, bias: &weight };
        bencher.counter(items(&maps)).bench_local(|| norm_sample_gradients(input, &x, &maps, &mut dweight, &mut dbias));
    }
}

mod pool {
    use unlearn_kernels::{Window, global_avg_pool, global_avg_pool_backward, max_pool, max_pool_backward};

    use super::{Bencher, SIZES, Size, items, values};

    const WINDOW: Window = Window { side: 2, stride: 2, padding: 0 };

    #[divan::bench(args = SIZES)]
    fn global_average(bencher: Bencher, size: Size) {
        let (input, output) = (size.maps(), Size(size.0, 1).maps());
        let (x, mut y) = (values(input.len()), values(output.len()));
        bencher.counter(items(&input)).bench_local(|| global_avg_pool(&x, &input, &mut y, &output));
    }

    #[divan::bench(args = SIZES)]
    fn global_average_backward(bencher: Bencher, size: Size) {
        let (input, output) = (size.maps(), Size(size.0, 1).maps());
        let (mut dx, dy) = (values(input.len()), values(output.len()));
        bencher.counter(items(&input)).bench_local(|| global_avg_pool_backward(&dy, &output, &mut dx, &input));
    }

    #[divan::bench(args = SIZES)]
    fn maximum(bencher: Bencher, size: Size) {
        let (input, output) = (size.maps(), WINDOW.output(&size.maps()));
        let (x, mut y) = (values(input.len()), values(output.len()));
        bencher.counter(items(&input)).bench_local(|| max_pool(WINDOW, &x, &input, &mut y, &output));
    }

    #[divan::bench(args = SIZES)]
    fn maximum_backward(bencher: Bencher, size: Size) {
        let (input, output) = (size.maps(), WINDOW.output(&size.maps()));
        let (x, mut dx, dy) = (values(input.len()), values(input.len()), values(output.len()));
        bencher.counter(items(&input)).bench_local(|| max_pool_backward(WINDOW, &x, &input, &dy, &output, &mut dx));
    }
}

mod shortcut {
    use unlearn_kernels::{shortcut_a, shortcut_a_backward};

    use super::{Bencher, Size, items, values};

    /// The maps before each of the network's two downsampling steps.
    const BEFORE: [Size; 2] = [Size(16, 32), Size(32, 16)];

    #[divan::bench(args = BEFORE)]
    fn forward(bencher: Bencher, size: Size) {
        let (input, output) = (size.maps(), Size(2 * size.0, size.1 / 2).maps());
        let (x, mut y) = (values(input.len()), values(output.len()));
        bencher.counter(items(&input)).bench_local(|| shortcut_a(&x, &input, 2, &mut y, &output));
    }

    #[divan::bench(args = BEFORE)]
    fn backward(bencher: Bencher, size: Size) {
        let (input, output) = (size.maps(), Size(2 * size.0, size.1 / 2).maps());
        let (mut dx, dy) = (values(input.len()), values(output.len()));
        bencher.counter(items(&input)).bench_local(|| shortcut_a_backward(&dy, &output, 2, &mut dx, &input));
    }
}

mod linear {
    use unlearn_kernels::{
        linear_add_gradient_dots, linear_add_squared_gradients, linear_forward, linear_input_gradient,
        linear_sample_gradients, linear_weight_gradient,
    };

    use super::{BATCH, Bencher, ItemsCount, Size, values};

    /// The input of the network's classifier.
    const INPUT: Size = Size(64, 1);
    const OUTPUT: Size = Size(10, 1);
    const WEIGHTS: usize = INPUT.0 * OUTPUT.0;

    fn operations() -> ItemsCount {
        ItemsCount::new(2 * WEIGHTS * BATCH)
    }

    #[divan::bench]
    fn forward(bencher: Bencher) {
        let (input, output) = (INPUT.maps(), OUTPUT.maps());
        let (x, weight, bias, mut y) = (values(input.len()), values(WEIGHTS), values(OUTPUT.0), values(output.len()));
        bencher.counter(operations()).bench_local(|| linear_forward(&x, &input, &weight, &bias, &mut y, &output));
    }

    #[divan::bench]
    fn backward(bencher: Bencher) {
        let (input, output) = (INPUT.maps(), OUTPUT.maps());
        let (x, weight, dy) = (values(input.len()), values(WEIGHTS), values(output.len()));
        let (mut dweight, mut dbias, mut dx) = (weight.clone(), values(OUTPUT.0), x.clone());
        bencher.counter(operations()).bench_local(|| {
            linear_weight_gradient(&x, &input, &dy, &output, &mut dweight, &mut dbias);
            linear_input_gradient(&weight, &dy, &output, &mut dx, &input);
        });
    }

    #[divan::bench]
    fn sample_gradients(bencher: Bencher) {
        let (input, output) = (INPUT.maps(), OUTPUT.maps());
        let (x, dy, stride) = (values(input.len()), values(output.len()), WEIGHTS + OUTPUT.0);
        let mut rows = vec![0.0; BATCH * stride];
        bencher
            .counter(operations())
            .bench_local(|| linear_sample_gradients(&x, &input, &dy, &output, &mut rows, stride));
    }

    #[divan::bench]
    fn squared_gradients(bencher: Bencher) {
        let (input, output) = (INPUT.maps(), OUTPUT.maps());
        let (x, dy, mut weight, mut bias) =
            (values(input.len()), values(output.len()), values(WEIGHTS), values(OUTPUT.0));
        bencher
            .counter(operations())
            .bench_local(|| linear_add_squared_gradients(&x, &input, &dy, &output, &mut weight, &mut bias));
    }

    #[divan::bench]
    fn gradient_dots(bencher: Bencher) {
        let (input, output) = (INPUT.maps(), OUTPUT.maps());
        let (x, dy, weight, bias) = (values(input.len()), values(output.len()), values(WEIGHTS), values(OUTPUT.0));
        let mut dots = vec![0.0; BATCH];
        bencher
            .counter(operations())
            .bench_local(|| linear_add_gradient_dots((&weight, &bias), &x, &input, &dy, &output, &mut dots));
    }
}

mod pointwise {
    use unlearn_kernels::{add, add_assign, relu, relu_backward};

    use super::{Bencher, SIZES, Size, items, values};

    #[divan::bench(args = SIZES)]
    fn relu_forward(bencher: Bencher, size: Size) {
        let (maps, x) = (size.maps(), values(size.maps().len()));
        let mut y = x.clone();
        bencher.counter(items(&maps)).bench_local(|| relu(&x, &mut y, &maps));
    }

    #[divan::bench(args = SIZES)]
    fn relu_gradient(bencher: Bencher, size: Size) {
        let (maps, y) = (size.maps(), values(size.maps().len()));
        let mut dx = y.clone();
        bencher.counter(items(&maps)).bench_local(|| relu_backward(&y, &y, &mut dx, &maps));
    }

    #[divan::bench(args = SIZES)]
    fn sum(bencher: Bencher, size: Size) {
        let (maps, x) = (size.maps(), values(size.maps().len()));
        let mut y = x.clone();
        bencher.counter(items(&maps)).bench_local(|| add(&x, &x, &mut y, &maps));
    }

    #[divan::bench(args = SIZES)]
    fn sum_in_place(bencher: Bencher, size: Size) {
        let (maps, x) = (size.maps(), values(size.maps().len()));
        let mut y = x.clone();
        bencher.counter(items(&maps)).bench_local(|| add_assign(&mut y, &x, &maps));
    }
}

mod layout {
    use unlearn_kernels::{images_to_maps, maps_to_images};

    use super::{Bencher, Size, items, values};

    const IMAGES: Size = Size(3, 32);

    #[divan::bench]
    fn in_with_normalisation(bencher: Bencher) {
        let maps = IMAGES.maps();
        let (images, mut out) = (values(3 * maps.samples_per_channel()), values(maps.len()));
        bencher.counter(items(&maps)).bench_local(|| images_to_maps(&images, &[0.5; 3], &[0.25; 3], &mut out, &maps));
    }

    #[divan::bench]
    fn out_of(bencher: Bencher) {
        let maps = IMAGES.maps();
        let (gradient, mut out) = (values(maps.len()), values(3 * maps.samples_per_channel()));
        bencher.counter(items(&maps)).bench_local(|| maps_to_images(&gradient, &[0.25; 3], &mut out, &maps));
    }
}
