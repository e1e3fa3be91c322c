//! The choices for every instruction set. They were measured on two cores of a Zen 3 with AVX2.

use super::{Row, pass};

const NARROW: Row = Row {
    channels: 16,
    forward: pass(true, 0.5, 0.5),
    input_gradient: pass(true, 0.5, 0.5),
    weight_gradient: pass(false, 0.5, 0.5),
};

/// The same choice for all passes.
const fn wide(channels: usize, sparse_stride_1: f64, sparse_elsewhere: f64) -> Row {
    let pass = pass(true, sparse_stride_1, sparse_elsewhere);
    Row { channels, forward: pass, input_gradient: pass, weight_gradient: pass }
}

pub(super) const TABLE: &[Row] = &[
    Row {
        channels: 1,
        forward: pass(false, 0.5, 0.5),
        input_gradient: pass(false, 0.5, 0.5),
        weight_gradient: pass(false, 0.5, 0.5),
    },
    NARROW,
    wide(32, 0.27, 0.35),
    wide(64, 0.18, 0.35),
    wide(128, 0.13, 0.35),
    wide(256, 0.13, 0.22),
];
