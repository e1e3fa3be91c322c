//! CPU kernels for convolutional networks and transformers, on plain slices.
//!
//! # Layout
//!
//! Activations are `[bundles, channels, height, width, LANES]` ([`Maps`]). Sixteen samples make a bundle, and the
//! samples of a bundle are innermost, so SIMD lanes are samples. An output pixel of a convolution reads each tap as
//! one run of lanes. Borders, kernels and strides never cut through a vector, and a row of pixels is one contiguous
//! run.
//!
//! **The tail is zero.** Every kernel that writes activations or their gradients leaves exact zeros in the lanes past
//! the batch, and may rely on zeros there in its inputs. So sums over lanes need no masks, and no unused lane affects
//! statistics or weight gradients.
//!
//! # Determinism
//!
//! Shapes alone decide how work is cut. Every value is summed in a fixed order, and partial sums are merged in order.
//! The number of threads changes which thread computes a value, never how.
//!
//! # Instruction sets
//!
//! Kernels are written once over [`pulp::Simd`] and dispatched at run time to AVX-512, AVX2 + FMA, NEON or scalar
//! code. All give the same bits: every lane has its own sum, lanes are added in one order, and products are added
//! with one rounding (`simd.rs`). The environment variable `UNLEARN_SIMD` names an instruction set other than the
//! widest. [`InstructionSet::in_use`] returns the one in use.
#![doc = ""]
#![doc = include_str!("../README.md")]
#![expect(unsafe_code, reason = "register-blocked kernels address disjoint parts of one buffer from several threads")]
#![expect(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]

mod ahead;
mod attention;
mod buffers;
mod by_sample;
mod conv;
#[cfg(feature = "cudnn")]
pub mod cudnn;
mod element;
mod elementary;
mod gelu;
mod instruction_set;
mod layer_norm;
mod linear;
mod maps;
mod norm;
mod optimisation;
mod pointwise;
mod pool;
mod shared;
mod shortcut;
mod simd;
#[cfg(test)]
mod testing;
mod threads;
mod token_linear;
mod tokens;

pub use attention::{Attention, Windows};
pub use buffers::{Buffer, Buffers};
pub use by_sample::{rows_of_samples, sums_over_samples};
pub use conv::{Algorithm, Algorithms, Arithmetic, ConvShape, Convolution, Epilogue, Normalised, Source};
pub use element::{Element, convert};
pub use gelu::{gelu, gelu_backward};
pub use instruction_set::{
    INSTRUCTION_SET_VARIABLE, InstructionSet, InstructionSetError, instruction_set_asked_for, on_instruction_set,
};
pub use layer_norm::{LayerNormParameters, layer_norm, layer_norm_backward};
pub use linear::{
    linear_add_gradient_dots, linear_add_squared_gradients, linear_forward, linear_input_gradient,
    linear_sample_gradients, linear_weight_gradient,
};
pub use maps::{LANES, Maps, images_to_maps, maps_to_images, maps_to_rows, rows_to_maps};
pub use norm::{
    ChannelStatistics, NormGradient, NormInput, NormReduction, channel_sums, channel_sums_by_sample, norm_apply,
    norm_backward, norm_backward_in_place, norm_backward_terms, norm_sample_gradients, norm_statistics,
    update_running_statistics,
};
pub use pointwise::{add, add_assign, relu, relu_backward};
pub use pool::{Window, global_avg_pool, global_avg_pool_backward, max_pool, max_pool_backward};
pub use shortcut::{shortcut_a, shortcut_a_backward};
pub use threads::in_pool;
pub use token_linear::token_weight_gradient;
pub use tokens::{
    Squares, add_positions, class_token, class_token_backward, first_token, first_token_backward, merge_tokens,
    merge_tokens_backward, positions_by_sample,
};
