//! Unlearning metrics: UA, RA, TA, gaps and confidence intervals.
