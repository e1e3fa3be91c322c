//! Winograd's minimal filtering F(4×4, 3×3) for 3×3 kernels of stride 1: 36 products give 16 outputs, where the definition
//! needs 144 (Lavin and Gray 2016, arXiv 1509.09308, section 4.3).
//!
//! Input tiles of 6×6 pixels overlap by two and yield output tiles of 4×4. All transforms are sums of whole vectors,
//! because lanes are samples. Between the transforms there are 36 independent matrix products, one per place of a
//! transformed tile.

mod gather;
mod places;
mod tiles;
mod transform;
mod weight_gradient;
mod weights;

pub(super) use self::{
    gather::{forward, input_gradient},
    weight_gradient::weight_gradient,
};

use crate::ConvShape;

/// Places of a transformed tile.
const PLACES: usize = 36;

/// Whether the algorithm applies to this convolution.
pub(super) fn applies_to(shape: &ConvShape) -> bool {
    shape.kernel == 3 && shape.stride == 1 && shape.padding <= 2
}
