//! Global average pooling: `[channels, height, width, lanes]` to `[channels, 1, 1, lanes]`.

use rayon::prelude::*;

use crate::Maps;

/// y = mean of x over height and width.
pub fn global_avg_pool(x: &[f32], input: &Maps, y: &mut [f32], output: &Maps) {
    let scale = 1.0 / (input.height * input.width) as f32;
    let planes = x[..input.len()].par_chunks(input.plane);
    y[..output.len()].par_chunks_mut(output.plane).zip(planes).for_each(|(y, x)| {
        let y = &mut y[..output.lanes];
        y.fill(0.0);
        for lanes in x[..input.used()].chunks_exact(input.lanes) {
            y.iter_mut().zip(lanes).for_each(|(y, x)| *y += x);
        }
        for y in y {
            *y *= scale;
        }
    });
}

/// dx = dy / (height · width) at every pixel.
pub fn global_avg_pool_backward(dy: &[f32], output: &Maps, dx: &mut [f32], input: &Maps) {
    let scale = 1.0 / (input.height * input.width) as f32;
    let planes = dy[..output.len()].par_chunks(output.plane);
    dx[..input.len()].par_chunks_mut(input.plane).zip(planes).for_each(|(dx, dy)| {
        for lanes in dx[..input.used()].chunks_exact_mut(input.lanes) {
            lanes.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * scale);
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_maps, at, batches, noisy_maps, same_bits_on_any_threads};

    proptest! {
        #[test]
        fn both_directions_agree_with_the_definition(
            channels in 1usize..6, height in 1usize..6, width in 1usize..6, batch in batches(),
        ) {
            let (input, output) = (Maps::new(channels, height, width, batch), Maps::new(channels, 1, 1, batch));
            let pixels = height * width;
            let (x, dy) = (noisy_maps(&input, 3), noisy_maps(&output, 5));
            let mut y = vec![f32::NAN; output.len()];
            global_avg_pool(&x, &input, &mut y, &output);
            assert_maps("mean", &output, &y, |c, _, n| {
                (0..pixels).map(|p| f64::from(x[at(&input, c, p, n)])).sum::<f64>() / pixels as f64
            });
            let mut dx = vec![f32::NAN; input.len()];
            global_avg_pool_backward(&dy, &output, &mut dx, &input);
            assert_maps("gradient", &input, &dx, |c, _, n| f64::from(dy[at(&output, c, 0, n)]) / pixels as f64);
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let (input, output) = (Maps::new(7, 9, 9, 37), Maps::new(7, 1, 1, 37));
        let x = noisy_maps(&input, 3);
        same_bits_on_any_threads(|| {
            let mut y = vec![0.0; output.len()];
            global_avg_pool(&x, &input, &mut y, &output);
            y
        });
    }
}
