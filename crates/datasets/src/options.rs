//! Where to look for datasets.

use std::path::PathBuf;

/// The environment variable that names a folder of datasets.
pub const DATA_VARIABLE: &str = "UNLEARN_DATA";

/// Where to look for datasets.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// A folder looked in before `$UNLEARN_DATA` and the system's own places.
    pub data_dir: Option<PathBuf>,
    /// Whether missing datasets may be fetched from the Hugging Face Hub that the environment names.
    pub fetch: bool,
}

impl OpenOptions {
    /// The folders that may hold dataset `name`, in search order: the subfolder `name` of `data_dir` and `data_dir`
    /// itself, the same of `$UNLEARN_DATA`, then `system`. The subfolder comes first because datasets share file
    /// names.
    pub(crate) fn folders(&self, name: &str, system: &[&str]) -> Vec<PathBuf> {
        candidates(self.roots(), name, system)
    }

    /// `data_dir`, then `$UNLEARN_DATA`, each if given.
    pub(crate) fn roots(&self) -> impl Iterator<Item = PathBuf> {
        let variable = std::env::var_os(DATA_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        [self.data_dir.clone(), variable].into_iter().flatten()
    }
}

fn candidates(roots: impl Iterator<Item = PathBuf>, name: &str, system: &[&str]) -> Vec<PathBuf> {
    roots.flat_map(|root| [root.join(name), root]).chain(system.iter().map(PathBuf::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_folders_come_before_the_systems() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let (flag, variable) = (Some(PathBuf::from("flag")), Some(PathBuf::from("variable")));
        assert_eq!(
            candidates([flag.clone(), variable.clone()].into_iter().flatten(), "cats", &["/usr/cats"]),
            paths(&["flag/cats", "flag", "variable/cats", "variable", "/usr/cats"])
        );
        assert_eq!(candidates(variable.into_iter(), "cats", &["/usr/cats"])[0], PathBuf::from("variable/cats"));
        assert_eq!(candidates([].into_iter(), "cats", &["/usr/cats"]), paths(&["/usr/cats"]));
    }
}
