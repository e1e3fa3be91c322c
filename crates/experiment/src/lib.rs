//! A suite file resolved into stages and run through the run store.
