//! Measured by `cargo xtask bench thresholds`: TODO

use super::{Row, pass};

pub(super) const TABLE: &[Row] = &[
    Row {
        channels: 1,
        forward: pass(true, 0.82, 0.95),
        input_gradient: pass(true, 1.00, 0.98),
        weight_gradient: pass(false, 1.00, 1.00),
    },
    Row {
        channels: 16,
        forward: pass(true, 0.40, 0.92),
        input_gradient: pass(true, 0.39, 0.86),
        weight_gradient: pass(false, 0.91, 0.69),
    },
    Row {
        channels: 32,
        forward: pass(true, 0.30, 0.76),
        input_gradient: pass(true, 0.28, 0.74),
        weight_gradient: pass(true, 0.56, 0.55),
    },
    Row {
        channels: 64,
        forward: pass(true, 0.25, 0.55),
        input_gradient: pass(true, 0.20, 0.50),
        weight_gradient: pass(true, 0.34, 0.71),
    },
    Row {
        channels: 128,
        forward: pass(true, 0.14, 0.62),
        input_gradient: pass(true, 0.13, 0.48),
        weight_gradient: pass(true, 0.25, 0.49),
    },
    Row {
        channels: 256,
        forward: pass(true, 0.25, 0.98),
        input_gradient: pass(true, 0.19, 0.42),
        weight_gradient: pass(true, 0.19, 0.91),
    },
    Row {
        channels: 512,
        forward: pass(true, 0.34, 0.62),
        input_gradient: pass(true, 0.22, 0.23),
        weight_gradient: pass(true, 0.16, 0.61),
    },
];
