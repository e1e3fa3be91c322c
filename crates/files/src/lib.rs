//! Reads files that a user names.
//!
//! Three rules hold for every such file. It is a regular file, because a pipe or a device would block or never end
//! ([`open`]). It is no larger than its reader needs ([`read`]). If it is not what its reader expects, the message
//! says what it is ([`Form`]). In addition, no key of a JSON file occurs twice in an object ([`json`]).

mod form;
pub mod json;
mod read;

pub use crate::form::Form;
pub use crate::read::{head, open, read, read_text, text};
