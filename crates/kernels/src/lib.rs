//! CPU kernels for convolutional networks, on plain slices.
//!
//! # Layout
//!
//! Activations are `[channels, height, width, lanes]` ([`Maps`]): the batch is innermost, so SIMD lanes are samples. An
//! output pixel of a convolution reads each tap as one run of lanes; borders, kernels and strides never cut through a vector.
//! The batch is rounded up to a multiple of [`LANE_GROUP`] lanes.
//!
//! **The tail is zero.** Every kernel that writes activations or their gradients leaves exact zeros in the lanes past the
//! batch, and may rely on finding them there. So sums over lanes need no masks, and nothing leaks into statistics or weight
//! gradients.
//!
//! # Determinism
//!
//! Work is cut by shape alone, every value is summed in a fixed order, and partial sums are merged in order: the number of
//! threads changes who computes a value, never how.
//!
//! # Instruction sets
//!
//! Kernels are written once over [`pulp::Simd`] and dispatched at run time to AVX-512, AVX2 + FMA, NEON or scalar code.
#![expect(unsafe_code, reason = "register-blocked kernels address disjoint parts of one buffer from several threads")]
#![expect(clippy::inline_always, reason = "only what is inlined into a dispatched function gets its instructions")]

mod conv;
mod linear;
mod maps;
mod norm;
mod pointwise;
mod pool;
mod shared;
mod shortcut;
mod simd;
#[cfg(test)]
mod testing;

pub use conv::{ConvShape, PackedWeights, forward, input_gradient, weight_gradient};
pub use linear::{linear_backward, linear_forward};
pub use maps::{LANE_GROUP, Maps, images_to_maps, maps_to_images, maps_to_rows, rows_to_maps};
pub use norm::{ChannelStatistics, NormInput, norm_apply, norm_backward, norm_statistics, update_running_statistics};
pub use pointwise::{add, add_assign, relu, relu_backward};
pub use pool::{global_avg_pool, global_avg_pool_backward};
pub use shortcut::{shortcut_a, shortcut_a_backward};
pub use simd::{force_scalar, instruction_set};
