//! Reads files that a user names, and writes files in one step.
//!
//! Three rules hold for every file that is read. It is a regular file, because a pipe or a device would block or never end
//! ([`open`]). It is no larger than its reader needs ([`read`]). If it is not what its reader expects, the message
//! says what it is ([`Form`]). In addition, no key of a JSON file occurs twice in an object ([`json`]).
//!
//! A file that is written is complete, or it does not exist ([`write_atomic`]).
#![doc = ""]
#![doc = include_str!("../README.md")]

mod advice;
mod form;
pub mod json;
mod read;
mod write;

pub use crate::advice::{advice, is_disk_full};
pub use crate::form::Form;
pub use crate::read::{head, open, read, read_text, text};
pub use crate::write::{
    NotAFile, Unfinished, abandon, check_output, check_writable, is_temporary, place, random_name, sync_folder,
    write_all_atomic, write_atomic, write_atomic_with,
};
