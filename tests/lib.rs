//! Golden data and end-to-end tests live beside this file; the crate itself is empty.
