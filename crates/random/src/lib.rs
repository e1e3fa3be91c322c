//! Random numbers that depend on seeds and purposes, never on history.
//!
//! [`stream`] is a generator for one purpose and one key, and [`derived_seed`] is a seed for one purpose.
//! [`interval`], [`shuffle`] and [`choice`] are NumPy's algorithms over any generator, and [`Mt19937`] is NumPy's
//! legacy generator itself. The numbers are the same in every release, on every machine, and in whatever order
//! threads draw them.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod derived_seed;
mod mt19937;
mod normal;
mod permutation;
mod stream;

pub use derived_seed::derived_seed;
pub use mt19937::Mt19937;
pub use normal::fill_normal;
pub use permutation::{choice, interval, shuffle};
pub use stream::stream;
