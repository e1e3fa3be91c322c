//! Pruning criteria, schedules and rewinding.
