//! The option-A shortcut of He et al. 2016 (arXiv 1512.03385, section 4.2): every `stride`-th pixel, padded with zero
//! channels, half of them before and half after.

use crate::{Element, LANES, Maps, threads};

/// Channel of the input that a channel of the output copies.
fn source(channel: usize, input: &Maps, output: &Maps) -> Option<usize> {
    let before = (output.channels - input.channels) / 2;
    channel.checked_sub(before).filter(|channel| *channel < input.channels)
}

/// y = shortcut of x.
pub fn shortcut_a<E: Element>(x: &[E], input: &Maps, stride: usize, y: &mut [E], output: &Maps) {
    threads::each_chunk(&mut y[..output.len()], output.plane, &|index, y| {
        let (bundle, channel) = output.bundle_and_channel(index);
        let (y, _) = y[..output.used()].as_chunks_mut::<LANES>();
        let Some(channel) = source(channel, input, output) else { return y.as_flattened_mut().fill(E::default()) };
        let (x, _) = x[input.start(bundle, channel)..].as_chunks::<LANES>();
        for (pixel, y) in y.iter_mut().enumerate() {
            let (row, column) = (pixel / output.width, pixel % output.width);
            *y = x[(row * input.width + column) * stride];
        }
    });
}

/// dx = gradient with respect to x, written over `dx`.
pub fn shortcut_a_backward<E: Element>(dy: &[E], output: &Maps, stride: usize, dx: &mut [E], input: &Maps) {
    let before = (output.channels - input.channels) / 2;
    threads::each_chunk(&mut dx[..input.len()], input.plane, &|index, dx| {
        let (bundle, channel) = input.bundle_and_channel(index);
        let (dx, _) = dx[..input.used()].as_chunks_mut::<LANES>();
        let (dy, _) = dy[output.start(bundle, channel + before)..].as_chunks::<LANES>();
        for (pixel, dx) in dx.iter_mut().enumerate() {
            let (row, column) = (pixel / input.width, pixel % input.width);
            *dx = if row % stride == 0 && column % stride == 0 {
                dy[row / stride * output.width + column / stride]
            } else {
                [E::default(); LANES]
            };
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_maps, at, batches, noisy_maps, places};

    proptest! {
        #[test]
        fn both_directions_agree_with_the_definition(
            channels in 1usize..5, added in 0usize..6, height in 1usize..8, width in 1usize..8, stride in 1usize..4,
            batch in batches(),
        ) {
            let input = Maps::new(channels, height, width, batch);
            let output = Maps::new(channels + added, height.div_ceil(stride), width.div_ceil(stride), batch);
            let (x, dy) = (noisy_maps(&input, 3), noisy_maps(&output, 5));
            // Input channel and pixel that an output channel and pixel copy.
            let copied = |c: usize, p: usize| {
                let pixel = (p / output.width * width + p % output.width) * stride;
                (added / 2..added / 2 + channels).contains(&c).then(|| (c - added / 2, pixel))
            };
            let mut y = vec![f32::NAN; output.len()];
            shortcut_a(&x, &input, stride, &mut y, &output);
            assert_maps("forward", &output, &y, |c, p, n| {
                copied(c, p).map_or(0.0, |(c, p)| f64::from(x[at(&input, c, p, n)]))
            });
            let mut expected = vec![0.0; input.len()];
            for (c, p, n) in places(&output) {
                if let Some((to, pixel)) = copied(c, p) {
                    expected[at(&input, to, pixel, n)] += f64::from(dy[at(&output, c, p, n)]);
                }
            }
            let mut dx = vec![f32::NAN; input.len()];
            shortcut_a_backward(&dy, &output, stride, &mut dx, &input);
            assert_maps("backward", &input, &dx, |c, p, n| expected[at(&input, c, p, n)]);
        }
    }
}
