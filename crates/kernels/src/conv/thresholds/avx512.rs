//! Measured by `cargo xtask bench thresholds`: TODO

use super::{Row, pass};

pub(super) const TABLE: &[Row] = &[
    Row {
        channels: 1,
        forward: pass(false, 0.97, 0.86),
        input_gradient: pass(false, 1.00, 0.51),
        weight_gradient: pass(false, 1.00, 0.62),
    },
    Row {
        channels: 16,
        forward: pass(true, 0.43, 0.74),
        input_gradient: pass(true, 0.40, 0.69),
        weight_gradient: pass(false, 0.47, 0.40),
    },
    Row {
        channels: 32,
        forward: pass(true, 0.29, 0.55),
        input_gradient: pass(true, 0.26, 0.54),
        weight_gradient: pass(true, 0.32, 0.42),
    },
    Row {
        channels: 64,
        forward: pass(true, 0.21, 0.35),
        input_gradient: pass(true, 0.16, 0.31),
        weight_gradient: pass(true, 0.20, 0.42),
    },
    Row {
        channels: 128,
        forward: pass(true, 0.10, 0.39),
        input_gradient: pass(true, 0.08, 0.17),
        weight_gradient: pass(true, 0.14, 0.26),
    },
    Row {
        channels: 256,
        forward: pass(true, 0.15, 0.36),
        input_gradient: pass(true, 0.13, 0.25),
        weight_gradient: pass(true, 0.15, 0.33),
    },
    Row {
        channels: 512,
        forward: pass(false, 0.26, 0.38),
        input_gradient: pass(true, 0.15, 0.16),
        weight_gradient: pass(false, 0.24, 0.43),
    },
];
