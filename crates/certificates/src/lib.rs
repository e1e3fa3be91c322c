//! Certificates of deletions: the request, the method and the measurements, hashed and optionally signed.
//!
//! A [`Certificate`] is the file `certificate.json` beside the model that a deletion left. It claims no more than was
//! measured. [`check()`] recomputes what can be recomputed without a model: hashes, verdicts on [`Threshold`]s and
//! the signature. Repeating the measurements needs the data and the model. Another crate does that.
//!
//! ```
//! use unlearn_certificates::Threshold;
//!
//! let threshold: Threshold = "ua>=90".parse()?;
//! assert!(threshold.passes(95.0) && !threshold.passes(89.9));
//! assert_eq!(threshold.to_string(), "ua >= 90");
//! # Ok::<(), unlearn_certificates::Error>(())
//! ```

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
