//! The parts that [`Model`](crate::Model) is made of, for programs that keep networks and data in their own way.
//!
//! The engine of suites is such a program: it stores networks, shows progress, saves the state of a killed run and opens pretrained
//! weights. It uses the same parts, so its stages and a [`Model`](crate::Model) give the same bits.

mod fit;
mod judged;
mod purpose;
mod trained;

pub use fit::{check_fingerprint, fits, input_spec, network};
pub use judged::{Backdoor, Sets, scores, scores_until};
pub use purpose::Purpose;
pub use trained::{AfterEpoch, History, Trained};
