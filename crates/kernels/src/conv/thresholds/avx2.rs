//! The choices for the instruction set `avx2`. `cargo xtask bench thresholds` measured them:
//! AMD EPYC, 2 cores, one thread, fastest of 15 rounds,
//! rustc 1.95.0 (59807616e 2026-04-14), 2026-11-30.

use super::{Row, pass};

pub(super) const TABLE: &[Row] = &[
    Row {
        channels: 1,
        forward: pass(true, 0.77, 0.80),
        input_gradient: pass(true, 0.71, 0.80),
        weight_gradient: pass(false, 0.80, 0.80),
    },
    Row {
        channels: 16,
        forward: pass(true, 0.33, 0.80),
        input_gradient: pass(true, 0.33, 0.80),
        weight_gradient: pass(false, 0.63, 0.65),
    },
    Row {
        channels: 32,
        forward: pass(true, 0.28, 0.59),
        input_gradient: pass(true, 0.26, 0.70),
        weight_gradient: pass(true, 0.41, 0.48),
    },
    Row {
        channels: 64,
        forward: pass(true, 0.24, 0.52),
        input_gradient: pass(true, 0.19, 0.51),
        weight_gradient: pass(true, 0.31, 0.53),
    },
    Row {
        channels: 128,
        forward: pass(true, 0.16, 0.55),
        input_gradient: pass(true, 0.13, 0.49),
        weight_gradient: pass(true, 0.23, 0.41),
    },
    Row {
        channels: 256,
        forward: pass(true, 0.21, 0.60),
        input_gradient: pass(true, 0.16, 0.34),
        weight_gradient: pass(true, 0.18, 0.47),
    },
    Row {
        channels: 512,
        forward: pass(true, 0.32, 0.50),
        input_gradient: pass(true, 0.22, 0.20),
        weight_gradient: pass(true, 0.22, 0.53),
    },
];
