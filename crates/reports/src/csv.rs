//! `results.csv`: the rows of `results.json`, the same columns in the same order.

use crate::error::{ReportError, Result};
use crate::results::Results;

/// The file's content; a figure that is not there is an empty cell.
///
/// # Errors
/// [`ReportError::Csv`].
pub fn to_csv(results: &Results) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in &results.rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(|error| ReportError::Csv(error.into_error().into()))
}
