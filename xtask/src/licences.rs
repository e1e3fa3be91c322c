//! Texts of licences. MIT and Apache-2.0 both ask whoever passes a copy on to pass their text on too.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::{Context as _, Result, ensure};

/// The project's own licences, in the root folder. Every package holds them.
pub(crate) const PROJECT: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT"];

/// Those of the program, in the folder [`PROGRAM_FOLDER`]. It has a part of Fashion-MNIST inside, which has its own.
pub(crate) const PROGRAM: &[&str] = &["LICENSE-APACHE", "LICENSE-FASHION-MNIST", "LICENSE-MIT"];

/// Where the texts of [`PROGRAM`] are, below the root.
pub(crate) const PROGRAM_FOLDER: &str = "crates/unlearn-cli";

/// The texts that `folder` lacks, or has otherwise than `original` has them.
pub(crate) fn lacking(names: &[&str], original: &Path, folder: &Path) -> Result<Vec<String>> {
    let mut lacking = Vec::new();
    for name in names {
        let read = |path: &Path| fs::read(path).with_context(|| format!("failed to read {}", path.display()));
        let wanted = read(&original.join(name))?;
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(text) if text == wanted => {}
            Ok(_) => lacking.push(format!("{name} is another text than {}", original.join(name).display())),
            Err(error) if error.kind() == ErrorKind::NotFound => lacking.push(format!("no {name}")),
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }
    Ok(lacking)
}

/// As [`lacking`], where a missing text is an error. `what` names the folder to the reader.
pub(crate) fn check(what: &str, names: &[&str], original: &Path, folder: &Path) -> Result<()> {
    let lacking = lacking(names, original, folder)?;
    ensure!(lacking.is_empty(), "{what} lacks licences: {}", lacking.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_changed_texts_are_named() -> Result<()> {
        let place = tempfile::tempdir()?;
        let (root, folder) = (place.path().join("root"), place.path().join("crate"));
        fs::create_dir(&root)?;
        fs::create_dir(&folder)?;
        for name in PROJECT {
            fs::write(root.join(name), "text")?;
        }
        // What Git leaves of a link where there are no links.
        fs::write(folder.join("LICENSE-APACHE"), "../LICENSE-APACHE")?;
        let changed = format!("LICENSE-APACHE is another text than {}", root.join("LICENSE-APACHE").display());
        assert_eq!(lacking(PROJECT, &root, &folder)?, [changed.as_str(), "no LICENSE-MIT"]);
        let refusal = check("the crate", PROJECT, &root, &folder).unwrap_err().to_string();
        assert_eq!(refusal, format!("the crate lacks licences: {changed}; no LICENSE-MIT"));
        std::os::unix::fs::symlink("../root/LICENSE-MIT", folder.join("LICENSE-MIT"))?;
        fs::copy(root.join("LICENSE-APACHE"), folder.join("LICENSE-APACHE"))?;
        check("the crate", PROJECT, &root, &folder)
    }
}
