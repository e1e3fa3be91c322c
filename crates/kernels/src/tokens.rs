//! Moves of tokens, and values that are added to them. A token is a pixel of a map, and its features are the channels.

use rayon::prelude::*;

use crate::{LANES, Maps, threads};

/// Puts `token` `[channels]` before the pixels of x.
pub fn class_token(token: &[f32], x: &[f32], input: &Maps, y: &mut [f32], output: &Maps) {
    threads::each_chunk(&mut y[..output.len()], output.plane, &|index, y| {
        let (bundle, channel) = output.bundle_and_channel(index);
        let (first, others) = y[..output.used()].split_at_mut(LANES);
        first.fill(token[channel]);
        output.zero_tail(bundle, first);
        others.copy_from_slice(&x[input.start(bundle, channel)..][..input.used()]);
    });
}

/// dx = dy without its first pixel, and that pixel's gradient by sample, `[bundles, channels, LANES]`.
pub fn class_token_backward(dy: &[f32], output: &Maps, dx: &mut [f32], input: &Maps, dtoken: &mut [f32]) {
    let planes = dx[..input.len()].par_chunks_mut(input.plane).zip(dtoken.par_chunks_mut(LANES));
    planes.enumerate().for_each(|(index, (dx, dtoken))| {
        let (first, others) = dy[index * output.plane..][..output.used()].split_at(LANES);
        dtoken.copy_from_slice(first);
        dx[..input.used()].copy_from_slice(others);
    });
}

/// y = x + positions, `[pixels, channels]`.
pub fn add_positions(positions: &[f32], x: &[f32], y: &mut [f32], maps: &Maps) {
    threads::each_chunk(&mut y[..maps.len()], maps.plane, &|index, y| {
        let (bundle, channel) = maps.bundle_and_channel(index);
        let y = &mut y[..maps.used()];
        let (from, _) = x[index * maps.plane..][..maps.used()].as_chunks::<LANES>();
        let positions = positions[channel..].iter().step_by(maps.channels);
        for ((y, x), position) in y.as_chunks_mut::<LANES>().0.iter_mut().zip(from).zip(positions) {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x + position);
        }
        maps.zero_tail(bundle, y);
    });
}

/// The gradient of the positions by sample, `[bundles, pixels · channels, LANES]`: dy, pixel by pixel.
pub fn positions_by_sample(dy: &[f32], maps: &Maps, dpositions: &mut [f32]) {
    let pixels = maps.height * maps.width;
    dpositions[..maps.bundles() * pixels * maps.channels * LANES]
        .par_chunks_mut(maps.channels * LANES)
        .enumerate()
        .for_each(|(index, of_pixel)| {
            let (bundle, pixel) = (index / pixels, index % pixels);
            for (channel, to) in of_pixel.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                to.copy_from_slice(&dy[maps.start(bundle, channel) + pixel * LANES..][..LANES]);
            }
        });
}

/// y = the first pixel of x.
pub fn first_token(x: &[f32], input: &Maps, y: &mut [f32], output: &Maps) {
    let planes = x[..input.len()].chunks(input.plane).zip(y[..output.len()].chunks_mut(output.plane));
    planes.for_each(|(x, y)| y[..LANES].copy_from_slice(&x[..LANES]));
}

/// dx = dy at the first pixel, and 0 at the others.
pub fn first_token_backward(dy: &[f32], output: &Maps, dx: &mut [f32], input: &Maps) {
    threads::each_chunk(&mut dx[..input.len()], input.plane, &|index, dx| {
        dx[..input.used()].fill(0.0);
        dx[..LANES].copy_from_slice(&dy[index * output.plane..][..LANES]);
    });
}

/// Squares of pixels that become one pixel each: of a map of `[rows, columns]` pixels, row by row, whatever the layout
/// calls its height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Squares {
    /// Rows and columns of the map. Both are multiples of the side.
    pub map: [usize; 2],
    /// Side of a square.
    pub side: usize,
}

impl Squares {
    /// The channel and the pixel of x that channel `channel` and pixel `pixel` of y hold. The columns of a square are
    /// outermost among the channels, then its rows.
    fn source(self, channel: usize, pixel: usize, channels: usize) -> (usize, usize) {
        let Self { map: [_, columns], side } = self;
        let (part, channel) = (channel / channels, channel % channels);
        let (row, column) =
            (pixel / (columns / side) * side + part % side, pixel % (columns / side) * side + part / side);
        (channel, row * columns + column)
    }

    fn check(self, input: &Maps, output: &Maps) {
        let Self { map: [rows, columns], side } = self;
        let (pixels, merged) = (input.height * input.width, output.height * output.width);
        let fits = rows * columns == pixels && merged * side * side == pixels;
        assert!(fits && output.channels == input.channels * side * side, "{self:?} of {input:?} give {output:?}");
    }
}

/// y = x with the pixels of each square side by side among the channels.
pub fn merge_tokens(squares: Squares, x: &[f32], input: &Maps, y: &mut [f32], output: &Maps) {
    squares.check(input, output);
    threads::each_chunk(&mut y[..output.len()], output.plane, &|index, y| {
        let (bundle, channel) = output.bundle_and_channel(index);
        for (pixel, y) in y[..output.used()].as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let (channel, pixel) = squares.source(channel, pixel, input.channels);
            y.copy_from_slice(&x[input.start(bundle, channel) + pixel * LANES..][..LANES]);
        }
    });
}

/// dx = the gradient with respect to x: the way back of every pixel.
pub fn merge_tokens_backward(squares: Squares, dy: &[f32], output: &Maps, dx: &mut [f32], input: &Maps) {
    squares.check(input, output);
    let parts = squares.side * squares.side;
    threads::each_chunk(&mut dx[..input.len()], input.plane, &|index, dx| {
        let (bundle, channel) = input.bundle_and_channel(index);
        for part in 0..parts {
            let merged = part * input.channels + channel;
            let (dy, _) = dy[output.start(bundle, merged)..][..output.used()].as_chunks::<LANES>();
            for (pixel, dy) in dy.iter().enumerate() {
                let (_, pixel) = squares.source(merged, pixel, input.channels);
                dx[pixel * LANES..][..LANES].copy_from_slice(dy);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_maps, at, noise, noisy_maps};

    const BATCH: usize = 19;

    #[test]
    fn a_class_token_comes_first_and_goes_back() {
        let (input, output) = (Maps::new(3, 2, 4, BATCH), Maps::new(3, 3, 3, BATCH));
        let (x, token) = (noisy_maps(&input, 3), noise(3, 5));
        let mut y = vec![f32::NAN; output.len()];
        class_token(&token, &x, &input, &mut y, &output);
        assert_maps("class token", &output, &y, |c, p, n| match p {
            0 => f64::from(token[c]),
            _ => f64::from(x[at(&input, c, p - 1, n)]),
        });
        let (dy, mut dx, mut dtoken) = (noisy_maps(&output, 7), vec![f32::NAN; input.len()], vec![1.0; 2 * 3 * LANES]);
        class_token_backward(&dy, &output, &mut dx, &input, &mut dtoken);
        assert_maps("back", &input, &dx, |c, p, n| f64::from(dy[at(&output, c, p + 1, n)]));
        assert_eq!(dtoken[(3 + 2) * LANES + 1], dy[at(&output, 2, 0, 17)]);
    }

    #[test]
    fn positions_are_added_by_pixel() {
        let maps = Maps::new(3, 2, 2, BATCH);
        let (x, positions) = (noisy_maps(&maps, 3), noise(12, 5));
        let mut y = vec![f32::NAN; maps.len()];
        add_positions(&positions, &x, &mut y, &maps);
        assert_maps("positions", &maps, &y, |c, p, n| f64::from(x[at(&maps, c, p, n)] + positions[p * 3 + c]));
        let mut by_sample = vec![f32::NAN; 2 * 12 * LANES];
        positions_by_sample(&x, &maps, &mut by_sample);
        assert_eq!(by_sample[(12 + 3 * 3 + 1) * LANES + 2], x[at(&maps, 1, 3, 18)]);
    }

    #[test]
    fn the_first_token_is_the_first() {
        let (input, output) = (Maps::new(3, 2, 2, BATCH), Maps::new(3, 1, 1, BATCH));
        let x = noisy_maps(&input, 3);
        let (mut y, mut dx) = (vec![f32::NAN; output.len()], vec![f32::NAN; input.len()]);
        first_token(&x, &input, &mut y, &output);
        assert_maps("first", &output, &y, |c, _, n| f64::from(x[at(&input, c, 0, n)]));
        first_token_backward(&y, &output, &mut dx, &input);
        assert_maps("back", &input, &dx, |c, p, n| if p == 0 { f64::from(y[at(&output, c, 0, n)]) } else { 0.0 });
    }

    #[test]
    fn squares_merge_with_their_columns_outermost_and_part_again() {
        let squares = Squares { map: [2, 6], side: 2 };
        let (input, output) = (Maps::new(3, 3, 4, BATCH), Maps::new(12, 1, 3, BATCH));
        let x = noisy_maps(&input, 3);
        let (mut y, mut dx) = (vec![f32::NAN; output.len()], vec![f32::NAN; input.len()]);
        merge_tokens(squares, &x, &input, &mut y, &output);
        // The third square's pixel of row 1 and column 0 is part 1, and that of row 0 and column 1 is part 2.
        assert_eq!(y[at(&output, 3 + 2, 2, 17)], x[at(&input, 2, 6 + 4, 17)]);
        assert_eq!(y[at(&output, 6 + 1, 2, 4)], x[at(&input, 1, 5, 4)]);
        merge_tokens_backward(squares, &y, &output, &mut dx, &input);
        assert_maps("parted", &input, &dx, |c, p, n| f64::from(x[at(&input, c, p, n)]));
    }
}
