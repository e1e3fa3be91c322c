//! The choices for the instruction set `avx512`. `cargo xtask bench thresholds` measured them:
//! AMD EPYC, 2 cores, one thread, fastest of 15 rounds,
//! rustc 1.95.0 (59807616e 2026-04-14), 2026-11-30.

use super::{Row, pass};

pub(super) const TABLE: &[Row] = &[
    Row {
        channels: 1,
        forward: pass(true, 0.80, 0.80),
        input_gradient: pass(false, 0.67, 0.47),
        weight_gradient: pass(false, 0.80, 0.80),
    },
    Row {
        channels: 16,
        forward: pass(true, 0.33, 0.80),
        input_gradient: pass(true, 0.32, 0.80),
        weight_gradient: pass(false, 0.46, 0.48),
    },
    Row {
        channels: 32,
        forward: pass(true, 0.24, 0.79),
        input_gradient: pass(true, 0.21, 0.80),
        weight_gradient: pass(true, 0.27, 0.42),
    },
    Row {
        channels: 64,
        forward: pass(true, 0.17, 0.66),
        input_gradient: pass(true, 0.14, 0.57),
        weight_gradient: pass(true, 0.23, 0.50),
    },
    Row {
        channels: 128,
        forward: pass(true, 0.11, 0.73),
        input_gradient: pass(true, 0.09, 0.55),
        weight_gradient: pass(true, 0.20, 0.41),
    },
    Row {
        channels: 256,
        forward: pass(true, 0.16, 0.68),
        input_gradient: pass(true, 0.13, 0.39),
        weight_gradient: pass(true, 0.24, 0.39),
    },
    Row {
        channels: 512,
        forward: pass(false, 0.28, 0.30),
        input_gradient: pass(true, 0.24, 0.14),
        weight_gradient: pass(false, 0.40, 0.38),
    },
];
