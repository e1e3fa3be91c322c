//! Comparisons across crates and with outside references. Tests of the binary are in `crates/unlearn-cli/tests`.

mod documents;
mod executors;
mod golden_influence;
mod golden_models;
mod golden_pruning;
mod golden_training;
mod golden_unlearning;
mod hub;
mod influence_of_removal;
mod open_registry;
mod per_sample;
mod pruning_configs;
mod quick_keys;
mod small_residual;
mod suite_keys;
mod unlearning_configs;
