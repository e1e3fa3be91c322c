//! The `unlearn` command line.

fn main() {}
