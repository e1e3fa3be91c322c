//! `[launcher]`: where the stages of a suite run. The section stands in a suite, in a user's own file, or in both. It
//! decides no result, so no key of a stage depends on it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Error, Result, schedule::SlurmSection, suite::with_nearest};

/// The environment variable that names another file than the user's usual one.
const CONFIG: &str = "UNLEARN_CONFIG";
/// Maximum bytes of the user's file.
const MOST: u64 = 1 << 20;

/// `[launcher]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LauncherSection {
    /// `[launcher.slurm]`
    #[serde(default)]
    pub slurm: Option<SlurmSection>,
}

impl LauncherSection {
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        self.slurm.as_ref().map_or(Ok(()), SlurmSection::check)
    }
}

/// A user's own file. It holds what is the same for all suites on a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct UserFile {
    #[serde(default)]
    launcher: LauncherSection,
}

/// `[launcher]` of the user's file: the one that `UNLEARN_CONFIG` names, or `unlearn/config.toml` in the folder for
/// configurations (`XDG_CONFIG_HOME`, or `~/.config`). Without such a file, the section is empty.
///
/// # Errors
/// If the named file does not exist, or a file cannot be read, is not TOML, or holds an unknown key or a bad value.
pub(crate) fn of_user() -> Result<LauncherSection> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = variable(CONFIG) {
        return read(&named);
    }
    let folder = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    match folder.map(|folder| folder.join("unlearn").join("config.toml")) {
        Some(file) if file.exists() => read(&file),
        _ => Ok(LauncherSection::default()),
    }
}

fn read(path: &Path) -> Result<LauncherSection> {
    let text = unlearn_files::read_text(path, MOST);
    let text = text.map_err(|source| Error::Given { what: "the user's file", path: path.into(), source })?;
    let refuse = |reason| Error::Suite { path: path.into(), reason };
    let file: UserFile = toml::from_str(&text).map_err(|error| refuse(with_nearest(error.to_string().trim())))?;
    file.launcher.check().map_err(refuse)?;
    Ok(file.launcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_file_has_the_section_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map_err(|error| (error.is_usage(), error.to_string()))
        };
        let section = of("[launcher.slurm]\npartition = \"gpu\"\n").unwrap();
        assert_eq!(section.slurm.unwrap().partition.as_deref(), Some("gpu"));
        assert_eq!(of("").unwrap(), LauncherSection::default());
        for (text, words) in [
            ("[launcher.slurm]\npartitoin = \"gpu\"\n", "did you mean `partition`"),
            ("[data]\nname = \"d\"\n", "unknown field `data`"),
            ("[launcher.slurm]\ntime = \"soon\"\n", "`launcher.slurm.time`"),
        ] {
            let (is_usage, message) = of(text).unwrap_err();
            assert!(is_usage && message.contains(words) && message.contains("config.toml"), "{message}");
        }
        assert!(read(&folder.path().join("absent.toml")).unwrap_err().is_usage());
    }
}
