//! Optimisers, schedules, losses, the training loop, prediction, checkpoint and resume.
