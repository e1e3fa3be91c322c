//! The settings of triggers and detectors, as lists and help texts show them.

/// A setting of a trigger or a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its key.
    pub key: &'static str,
    /// Its meaning in one line, with the unit.
    pub meaning: &'static str,
    /// The values that it takes.
    pub range: &'static str,
}
