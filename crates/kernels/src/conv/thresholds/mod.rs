//! Which algorithm computes a pass: a function of the convolution's shape, its density and a table.
//!
//! `cargo xtask bench thresholds` measures the tables of this machine's instruction sets. The portable table is one for
//! all instruction sets.

mod avx2;
mod avx512;
mod portable;

use super::{Algorithm, Algorithms, ConvShape, winograd};
use crate::InstructionSet;

/// Whether the choice of algorithms depends on the instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arithmetic {
    /// One table of choices everywhere. A result has the same bits on every processor.
    #[default]
    Portable,
    /// The table that was measured on the instruction set in use. A result has the same bits on processors with the
    /// same instruction set. Without a measured table, this is the portable one.
    Native,
}

impl Arithmetic {
    /// A number that changes with the table in use. Another table gives other bits.
    pub fn fingerprint(self) -> u32 {
        let pass = |pass: Pass| [f64::from(u8::from(pass.winograd)), pass.sparse_stride_1, pass.sparse_elsewhere];
        let row = |row: &Row| [pass(row.forward), pass(row.input_gradient), pass(row.weight_gradient)].concat();
        let values = self.table().iter().flat_map(|of| [vec![of.channels as f64], row(of)].concat());
        // FNV-1a.
        let bytes = values.flat_map(f64::to_le_bytes);
        bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }

    fn table(self) -> &'static [Row] {
        match (self, InstructionSet::in_use()) {
            (Self::Native, InstructionSet::Avx2) => avx2::TABLE,
            (Self::Native, InstructionSet::Avx512) => avx512::TABLE,
            _ => portable::TABLE,
        }
    }

    /// The algorithm of each pass of a convolution of which a share `density` of the weights is kept, or `None` if
    /// nothing is pruned.
    pub(super) fn algorithms(self, shape: &ConvShape, density: Option<f64>) -> Algorithms {
        let table = self.table();
        let ConvShape { in_channels, out_channels, .. } = shape.within_group();
        let channels = in_channels.min(out_channels);
        // The first row is for any number of channels.
        let row = table.iter().rev().find(|row| row.channels <= channels).unwrap_or(&table[0]);
        let applies = winograd::applies_to(shape);
        let choose = |pass: Pass| {
            let dense = if applies && pass.winograd { Algorithm::Winograd } else { Algorithm::Direct };
            let limit = if applies { pass.sparse_stride_1 } else { pass.sparse_elsewhere };
            if density.is_some_and(|density| density <= limit) { Algorithm::Sparse } else { dense }
        };
        Algorithms {
            forward: choose(row.forward),
            input_gradient: choose(row.input_gradient),
            weight_gradient: choose(row.weight_gradient),
        }
    }
}

/// The choices for convolutions that read and write at least this many channels per group.
#[derive(Debug, Clone, Copy)]
struct Row {
    channels: usize,
    forward: Pass,
    input_gradient: Pass,
    weight_gradient: Pass,
}

/// The choice for one pass.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// Whether Winograd's algorithm is faster than the direct one where it applies: 3×3 kernels with stride 1.
    winograd: bool,
    /// Greatest density at which the sparse algorithm is faster where Winograd's applies.
    sparse_stride_1: f64,
    /// Greatest density at which the sparse algorithm is faster elsewhere.
    sparse_elsewhere: f64,
}

const fn pass(winograd: bool, sparse_stride_1: f64, sparse_elsewhere: f64) -> Pass {
    Pass { winograd, sparse_stride_1, sparse_elsewhere }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(channels: [usize; 2], stride: usize) -> ConvShape {
        ConvShape { in_channels: channels[0], out_channels: channels[1], kernel: 3, stride, padding: 1, groups: 1 }
    }

    #[test]
    fn a_table_covers_every_number_of_channels_and_its_densities_are_shares() {
        for table in [portable::TABLE, avx2::TABLE, avx512::TABLE] {
            assert_eq!(table[0].channels, 1);
            assert!(table.is_sorted_by(|a, b| a.channels < b.channels));
            for pass in table.iter().flat_map(|row| [row.forward, row.input_gradient, row.weight_gradient]) {
                assert!(
                    [pass.sparse_stride_1, pass.sparse_elsewhere].iter().all(|limit| (0.0..=1.0).contains(limit)),
                    "{pass:?}"
                );
            }
        }
    }

    #[test]
    fn the_portable_choice_is_a_function_of_shape_and_density() {
        let portable = |shape: &ConvShape, density| Arithmetic::Portable.algorithms(shape, density);
        let [direct, winograd, sparse] = [Algorithm::Direct, Algorithm::Winograd, Algorithm::Sparse];
        assert_eq!(portable(&shape([3, 16], 1), None), Algorithms::all(direct));
        let narrow = Algorithms { weight_gradient: direct, ..Algorithms::all(winograd) };
        assert_eq!(portable(&shape([16, 16], 1), None), narrow);
        assert_eq!(portable(&shape([16, 64], 1), Some(0.5)), Algorithms::all(sparse));
        assert_eq!(portable(&shape([16, 64], 1), Some(0.51)), narrow);
        assert_eq!(portable(&shape([64, 64], 1), Some(0.18)), Algorithms::all(sparse));
        assert_eq!(portable(&shape([64, 64], 1), Some(0.19)), Algorithms::all(winograd));
        assert_eq!(portable(&shape([64, 128], 2), Some(0.35)), Algorithms::all(sparse));
        assert_eq!(portable(&shape([256, 512], 2), Some(0.23)), Algorithms::all(direct));
        let grouped = ConvShape { groups: 8, ..shape([128, 128], 1) };
        assert_eq!(portable(&grouped, None), narrow);
    }
}
