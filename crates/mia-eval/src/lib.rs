//! Membership-inference attacks on plain score and label slices.
