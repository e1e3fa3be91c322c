//! The figures of a row, as the columns of every table and the panels of every picture.

use crate::results::ResultRow;

/// A figure of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Unlearning accuracy, percent.
    Ua,
    /// MIA-efficacy, percent.
    MiaEfficacy,
    /// Remaining accuracy, percent.
    Ra,
    /// Testing accuracy, percent.
    Ta,
    /// Average gap to Retrain, points.
    AvgGap,
    /// Run time of the method, seconds.
    Rte,
}

impl Metric {
    /// The paper's columns, in its order.
    pub const COLUMNS: [Self; 6] = [Self::Ua, Self::MiaEfficacy, Self::Ra, Self::Ta, Self::AvgGap, Self::Rte];
    /// What an evaluation measures; the gap is computed from it.
    pub const MEASURED: [Self; 5] = [Self::Ua, Self::MiaEfficacy, Self::Ra, Self::Ta, Self::Rte];
    /// What a picture shows.
    pub const PICTURED: [Self; 5] = [Self::AvgGap, Self::Ua, Self::MiaEfficacy, Self::Ra, Self::Ta];

    /// The column's heading.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ua => "UA",
            Self::MiaEfficacy => "MIA-efficacy",
            Self::Ra => "RA",
            Self::Ta => "TA",
            Self::AvgGap => "Avg. gap",
            Self::Rte => "RTE (s)",
        }
    }

    /// What the figure is, for those who do not know the abbreviation.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ua => "100 − accuracy on the forget set, %",
            Self::MiaEfficacy => "forget set an attack takes for unseen, %",
            Self::Ra => "accuracy on the retain set, %",
            Self::Ta => "accuracy on the test set, %",
            Self::AvgGap => "mean distance to Retrain, points",
            Self::Rte => "run time of the method alone, seconds",
        }
    }

    /// True when the figure is compared with Retrain's.
    pub const fn has_gap(self) -> bool {
        matches!(self, Self::Ua | Self::MiaEfficacy | Self::Ra | Self::Ta)
    }

    /// The figure of a row.
    pub fn of(self, row: &ResultRow) -> Option<f64> {
        match self {
            Self::Ua => Some(row.ua),
            Self::MiaEfficacy => Some(row.mia_efficacy),
            Self::Ra => Some(row.ra),
            Self::Ta => Some(row.ta),
            Self::AvgGap => row.avg_gap,
            Self::Rte => Some(row.rte_seconds),
        }
    }
}
