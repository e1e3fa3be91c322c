//! Certificates of deletions: the request, the method and the measurements, hashed and optionally signed.
//!
//! A [`Certificate`] is the file `certificate.json` beside the model that a deletion left. It claims no more than was
//! measured. [`check()`] recomputes what can be recomputed without a model: hashes, verdicts on [`Threshold`]s and
//! the signature. Repeating the measurements needs the data and the model. Another crate does that.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod certificate;
mod check;
mod consistent;
mod error;
mod measured;
mod older;
mod samples;
mod signature;
mod threshold;

pub use certificate::{Asked, Basis, Certificate, CertificateOf, Code, Data, Done, FORMAT};
pub use check::{Finding, Outcome, check};
pub use error::{Error, Result};
pub use measured::{Line, Measured};
pub use samples::Samples;
pub use signature::{PublicKey, Signature, SigningKey};
pub use threshold::{Relation, Threshold, Verdict};
