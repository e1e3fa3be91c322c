//! The transforms between tiles and their 36 places, for the points 0, ±1, ±2 and ∞.
//!
//! A matrix transforms a tile from both sides: first every column, then every row of the result.

use pulp::Simd;

/// Bᵀd for one line of an input tile.
#[inline(always)]
pub(super) fn input_line<S: Simd>(simd: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
    let (two, four, minus_four, minus_five) =
        (simd.splat_f32s(2.0), simd.splat_f32s(4.0), simd.splat_f32s(-4.0), simd.splat_f32s(-5.0));
    let even = simd.mul_add_f32s(d[2], minus_four, d[4]);
    let odd = simd.mul_add_f32s(d[1], minus_four, d[3]);
    let even_two = simd.sub_f32s(d[4], d[2]);
    let odd_two = simd.mul_f32s(simd.sub_f32s(d[3], d[1]), two);
    [
        simd.mul_add_f32s(d[0], four, simd.mul_add_f32s(d[2], minus_five, d[4])),
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        simd.add_f32s(even_two, odd_two),
        simd.sub_f32s(even_two, odd_two),
        simd.mul_add_f32s(d[1], four, simd.mul_add_f32s(d[3], minus_five, d[5])),
    ]
}

/// Aᵀm for one line of places: four outputs.
#[inline(always)]
pub(super) fn output_line<S: Simd>(simd: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
    let (two, four, eight) = (simd.splat_f32s(2.0), simd.splat_f32s(4.0), simd.splat_f32s(8.0));
    let (sum, difference) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (sum_two, difference_two) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(simd.add_f32s(m[0], sum), sum_two),
        simd.mul_add_f32s(difference_two, two, difference),
        simd.mul_add_f32s(sum_two, four, sum),
        simd.add_f32s(simd.mul_add_f32s(difference_two, eight, difference), m[5]),
    ]
}

/// A y for one line of an output tile's gradient: six places.
#[inline(always)]
pub(super) fn gradient_line<S: Simd>(simd: S, y: [S::f32s; 4]) -> [S::f32s; 6] {
    let (two, four) = (simd.splat_f32s(2.0), simd.splat_f32s(4.0));
    let (even, odd) = (simd.add_f32s(y[0], y[2]), simd.add_f32s(y[1], y[3]));
    let even_two = simd.mul_add_f32s(y[2], four, y[0]);
    let odd_two = simd.mul_f32s(simd.mul_add_f32s(y[3], four, y[1]), two);
    [
        y[0],
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        simd.add_f32s(even_two, odd_two),
        simd.sub_f32s(even_two, odd_two),
        y[3],
    ]
}

/// G g for one line of a kernel.
#[inline(always)]
pub(super) fn kernel_line<S: Simd>(simd: S, g: [S::f32s; 3]) -> [S::f32s; 6] {
    let (four, fourth) = (simd.splat_f32s(4.0), simd.splat_f32s(1.0 / 4.0));
    let (minus_sixth, twenty_fourth) = (simd.splat_f32s(-1.0 / 6.0), simd.splat_f32s(1.0 / 24.0));
    let outer = simd.add_f32s(g[0], g[2]);
    let wide = simd.mul_add_f32s(g[2], four, g[0]);
    let two = simd.add_f32s(g[1], g[1]);
    [
        simd.mul_f32s(g[0], fourth),
        simd.mul_f32s(simd.add_f32s(outer, g[1]), minus_sixth),
        simd.mul_f32s(simd.sub_f32s(outer, g[1]), minus_sixth),
        simd.mul_f32s(simd.add_f32s(wide, two), twenty_fourth),
        simd.mul_f32s(simd.sub_f32s(wide, two), twenty_fourth),
        g[2],
    ]
}

/// Gᵀu for one line of the gradient's places.
#[inline(always)]
pub(super) fn kernel_gradient_line<S: Simd>(simd: S, u: [S::f32s; 6]) -> [S::f32s; 3] {
    let (fourth, minus_sixth) = (simd.splat_f32s(1.0 / 4.0), simd.splat_f32s(-1.0 / 6.0));
    let (sixth, twelfth, twenty_fourth) =
        (simd.splat_f32s(1.0 / 6.0), simd.splat_f32s(1.0 / 12.0), simd.splat_f32s(1.0 / 24.0));
    let (sum, difference) = (simd.add_f32s(u[1], u[2]), simd.sub_f32s(u[1], u[2]));
    let (sum_two, difference_two) = (simd.add_f32s(u[3], u[4]), simd.sub_f32s(u[3], u[4]));
    let outer = simd.mul_add_f32s(sum, minus_sixth, simd.mul_f32s(u[0], fourth));
    [
        simd.mul_add_f32s(sum_two, twenty_fourth, outer),
        simd.mul_add_f32s(difference_two, twelfth, simd.mul_f32s(difference, minus_sixth)),
        simd.add_f32s(simd.mul_f32s(simd.sub_f32s(sum_two, sum), sixth), u[5]),
    ]
}
