//! A model is data, and an executor runs it.
//!
//! - [`Graph`] describes an architecture: named layers, edges and tensors. [`GraphBuilder`] makes one.
//! - [`State`] holds the values of those tensors on the host, so that optimisers, masks and checkpoints are plain
//!   slices. [`initialize`] draws the values from a seed.
//! - [`Executor`] is the interface: a forward pass gives logits, a backward pass from ∂loss/∂logits gives gradients.
//!   [`CpuExecutor`] is the fast implementation on the kernels of `unlearn-kernels`. [`CandleExecutor`] runs every
//!   layer on every device and is the reference.
//! - [`Resident`] is the part of an executor that trains on its own device, and [`Residency`] the way to it. Losses,
//!   penalties and update rules reach it as data ([`LossTerm`], [`Penalty`], [`Descent`]), and images as bytes
//!   ([`Pixels`]). [`Traffic`] counts what crosses between the host and the device.
//! - [`Collect`] says what a backward pass collects: gradients of the loss, or a result made of per-sample gradients
//!   (their squares, their dot products with a direction, or the gradients themselves as rows of a [`RowLayout`]).
//! - [`Network`] holds graph, values, executor and the weights that pruning keeps. The crates above this one use
//!   `Network` only.
//!
//! ```
//! use std::sync::Arc;
//! use unlearn_network::{DeviceChoice, GraphBuilder, Mode, Network, State};
//!
//! let (mut builder, input) = GraphBuilder::new("tiny", [1, 8, 8]);
//! let conv = builder.conv2d("conv1", input, 4, 3, 1, 1);
//! let norm = builder.batch_norm2d("bn1", conv);
//! let relu = builder.relu("relu1", norm);
//! let pool = builder.global_avg_pool("pool", relu);
//! builder.linear("fc", pool, 10);
//! let graph = Arc::new(builder.finish());
//! let mut network = Network::new(graph.clone(), State::zeros(&graph), DeviceChoice::Cpu)?;
//! let mut logits = Vec::new();
//! network.forward(&[0.5; 2 * 64], Mode::Train, &mut logits)?;
//! assert_eq!(logits.len(), 2 * 10);
//! network.backward(&logits)?;
//! # Ok::<(), unlearn_network::Error>(())
//! ```

// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "candle")]
mod candle;
mod collect;
mod cpu;
mod descent;
mod device;
mod error;
mod executor;
mod graph;
mod initialize;
mod narrow;
mod network;
#[cfg(not(feature = "candle"))]
mod no_candle;
mod pixels;
mod residency;
mod resident;
mod row_layout;
mod state;
mod token_op;

#[cfg(feature = "candle")]
pub use candle::CandleExecutor;
pub use collect::Collect;
pub use cpu::CpuExecutor;
pub use descent::{ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON, AdamStep, Descent, LossTerm, OwnPenalty, Penalty};
pub use device::{DeviceChoice, Precision};
pub use error::{Error, Result};
pub use executor::{Executor, Gradients, Kept, Mode};
pub use graph::{
    BATCH_NORM_EPSILON, Buffer, BufferId, Conv, Graph, GraphBuilder, Node, NodeId, Op, Parameter, ParameterId,
    ParameterKind,
};
pub use initialize::initialize;
pub use narrow::Widths;
pub use network::Network;
pub use pixels::{Pixels, Placement};
pub use residency::Residency;
pub use resident::{Resident, Slope, Traffic, Trainable};
pub use row_layout::RowLayout;
pub use state::State;
pub use token_op::TokenOp;
pub use unlearn_kernels::{InstructionSet, instruction_set_asked_for};
// A program that passes values to Candle needs these versions.
#[cfg(feature = "candle")]
pub use {candle_core, candle_nn};
