//! Tests of the whole crate.

mod fuzz;
