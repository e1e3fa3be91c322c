//! The folder of a report: checks that it can be written and holds nothing that a report must not replace.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use unlearn_run_store::check_writable;

use crate::error::{ReportError, Result};
use crate::results::Results;

/// Files of every report. The first one names the report's suite.
pub(crate) const FILES: [&str; 5] = ["results.json", "results.csv", "table.md", "report.html", "table.tex"];

/// Maximum bytes of `results.json` that are read.
const MOST: u64 = 1 << 30;

/// The description in `results.json`.
#[derive(Deserialize)]
struct Said {
    format: u32,
    suite: String,
    #[serde(rename = "rows")]
    _rows: Vec<serde::de::IgnoredAny>,
    #[serde(rename = "provenance")]
    _provenance: serde::de::IgnoredAny,
}

/// Creates the folder of a suite's report if needed. Checks that it can be written, and that a report in it belongs
/// to the same suite. With `replace`, anything in it may be replaced.
///
/// # Errors
/// [`ReportError::Folder`]; [`ReportError::Taken`] for a file of another program, or of another suite.
pub fn prepare(folder: &Path, suite: &str, replace: bool) -> Result<()> {
    if !replace {
        look(folder, suite)?;
    }
    if fs::metadata(folder).is_ok_and(|found| !found.is_dir()) {
        let source = std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is a file");
        return Err(ReportError::Folder { folder: folder.to_path_buf(), source });
    }
    let made = fs::create_dir_all(folder).and_then(|()| check_writable(folder));
    made.map_err(|source| ReportError::Folder { folder: folder.to_path_buf(), source })
}

fn look(folder: &Path, suite: &str) -> Result<()> {
    let taken =
        |file: &str, what: String| ReportError::Taken { file: folder.join(file), what, suite: suite.to_owned() };
    let Some(first) = FILES.iter().find(|name| fs::symlink_metadata(folder.join(name)).is_ok()) else { return Ok(()) };
    let said = unlearn_files::read(&folder.join(FILES[0]), MOST).ok();
    match said.and_then(|text| serde_json::from_slice::<Said>(&text).ok()) {
        Some(said) if said.suite == suite => Ok(()),
        Some(said) if said.format <= Results::FORMAT => {
            Err(taken(FILES[0], format!("belongs to the suite `{}`", said.suite)))
        }
        _ => Err(taken(first, "was not written by this program".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_of_the_same_suite_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("deep/out");
        prepare(&out, "tiny", false).unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "nothing is left of the trial");
        fs::write(out.join("mine.txt"), "keep").unwrap();
        prepare(&out, "tiny", false).unwrap();
        let refused = |words: &str| {
            let message = prepare(&out, "tiny", false).unwrap_err().to_string();
            assert!(message.contains(words) && message.contains("--replace"), "{message}");
            prepare(&out, "tiny", true).unwrap();
        };
        fs::write(out.join("report.html"), "<html>").unwrap();
        refused("report.html was not written by this program");
        fs::write(out.join("results.json"), r#"{"of": "another program"}"#).unwrap();
        refused("results.json was not written by this program");
        let own = |suite: &str| {
            format!(r#"{{"format": 1, "suite": "{suite}", "provenance": {{}}, "rows": [], "claims": []}}"#)
        };
        fs::write(out.join("results.json"), own("other")).unwrap();
        refused("belongs to the suite `other`");
        fs::write(out.join("results.json"), own("tiny")).unwrap();
        prepare(&out, "tiny", false).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        for out in [folder.path().join("file"), folder.path().join("file/out")] {
            let message = prepare(&out, "tiny", false).unwrap_err().to_string();
            assert!(message.contains("cannot be written") && message.contains("--out"), "{message}");
        }
    }
}
