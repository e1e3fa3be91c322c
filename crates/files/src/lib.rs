//! Reading files that a user names.
//!
//! Three rules hold for every such file. It is a regular file: a pipe or a device would block, or never end ([`open`]). It is no larger than
//! its reader has use for ([`read`]). And when it is not what its reader expects, the message says what it is ([`Form`]). A file of
//! JSON has every key once ([`json`]).

mod form;
pub mod json;
mod read;

pub use crate::form::Form;
pub use crate::read::{head, open, read, read_text, text};
