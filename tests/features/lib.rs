//! Nothing but a manifest. It asks for third-party crates with the features that they have in the command line.
//!
//! Cargo gives a third-party crate the features that the selected crates of the workspace ask for. So a test of one crate
//! would compile other variants than a build of the command line, and whatever stands on them once more. Crates depend on
//! this one in tests only, and it is never published: a user's build has the features that it needs and no more.
//! `cargo xtask features` says what is missing.
