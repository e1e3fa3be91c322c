//! What the working folder of an unfinished stage tells, for whoever watches a run. Nothing is locked or changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use crate::error::{Result, StoreError};
use crate::key::StageKey;
use crate::machine::Usage;
use crate::manifest::{DOCUMENT, Manifest};
use crate::stage::METRICS;
use crate::store::{Store, WORKING, check_name};
use crate::writer::USAGE;

/// A stage that was begun and is not finished.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfinished {
    /// Wall time in seconds of all attempts, when a process last noted it.
    pub wall_seconds: f64,
    /// Seconds since a process last wrote into the folder. A stage that is being computed may be quiet for as long as an epoch takes.
    pub quiet_seconds: f64,
    /// Number of whole rows of metrics.
    pub rows: usize,
}

impl Store {
    /// What an unfinished stage has left so far. `None` if it was never begun, or is finished.
    ///
    /// # Errors
    /// [`StoreError::BadName`]; [`StoreError::Io`] if its folder cannot be listed.
    pub fn unfinished(&self, kind: &str, key: &StageKey) -> Result<Option<Unfinished>> {
        check_name("stage kind", kind)?;
        let folder = self.root().join(kind).join(format!("{key}{WORKING}"));
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("list", &folder)(error)),
        };
        // A file that vanishes meanwhile was renamed by a process that works on the stage.
        let times = entries.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok());
        let quiet = times.max().and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default();
        let usage = fs::read(folder.join(USAGE)).ok();
        let usage = usage.and_then(|text| serde_json::from_slice::<Usage>(&text).ok());
        let rows = fs::read(folder.join(METRICS)).unwrap_or_default();
        let rows = String::from_utf8_lossy(&rows).matches('\n').count();
        Ok(Some(Unfinished {
            wall_seconds: usage.map_or(0.0, |usage| usage.wall_seconds),
            quiet_seconds: quiet.as_secs_f64(),
            rows,
        }))
    }
}

/// The inputs of an unfinished stage, by its working folder. `None` if the folder does not name them.
pub(crate) fn inputs(folder: &Path) -> Option<BTreeSet<StageKey>> {
    #[derive(Deserialize)]
    struct Named {
        inputs: BTreeMap<String, StageKey>,
    }
    // A stage that a process was about to move into place.
    let file = [USAGE, Manifest::FILE].map(|name| folder.join(name)).into_iter().find(|file| file.exists())?;
    let text = unlearn_files::read(&file, DOCUMENT).ok()?;
    serde_json::from_slice::<Named>(&text).ok().map(|named| named.inputs.into_values().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Begin, StageSpec};

    #[test]
    fn a_stage_tells_how_far_it_is_until_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let spec = StageSpec::new("train", json!({}), "d", 1);
        let look = || store.unfinished("train", &spec.key()).unwrap();
        assert_eq!(look(), None);
        let Begin::Run(mut writer) = store.begin(&spec).unwrap() else { unreachable!() };
        assert_eq!(look().unwrap().rows, 0);
        writer.append_metrics(&json!({ "epoch": 0 })).unwrap();
        writer.append_metrics(&json!({ "epoch": 1 })).unwrap();
        let found = look().unwrap();
        assert!(found.rows == 2 && found.quiet_seconds < 60.0 && found.wall_seconds < 60.0, "{found:?}");
        writer.finish().unwrap();
        assert_eq!(look(), None);
    }
}
