//! Tests of the whole crate.

mod fuzz;
mod shards;
mod state_dicts;
