//! Names on the Hub: repositories, revisions and files, checked before they become part of a URL or a path.

use std::{fmt, str::FromStr};

use crate::{Error, Result};

/// Prefix of a reference to the Hub, where a path is accepted too.
pub const PREFIX: &str = "hub:";

/// Maximum bytes of an owner, repository or revision name.
const LONGEST_NAME: usize = 96;
/// Maximum bytes of a file's path in a repository.
const LONGEST_FILE: usize = 512;

/// The kind of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A model.
    Model,
    /// A dataset.
    Dataset,
}

impl From<Kind> for hf_hub::RepoType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Model => Self::Model,
            Kind::Dataset => Self::Dataset,
        }
    }
}

impl Kind {
    /// As in the Hub's API and in the names of cache folders.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }

    /// As in requests to create a repository, and in messages.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
        }
    }

    /// Prefix of a repository's name in the address of its page.
    pub(crate) fn page_prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
        }
    }
}

/// A repository at a revision: `hub:owner/name`, `hub:name` or `hub:owner/name@revision`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    id: String,
    revision: String,
}

impl Reference {
    /// `owner/name`, or `name` of one of the Hub's own repositories.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A branch, a tag or a commit. `main` if none was given.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The same repository at another revision.
    ///
    /// # Errors
    /// If it cannot be a revision.
    pub fn at(&self, revision: &str) -> Result<Self> {
        let refuse = |reason| Error::Reference { text: format!("{self}"), reason };
        let unknown = |c: char| c.is_whitespace() || "~^?*[".contains(c);
        if revision.contains(unknown) {
            let reason = format!(
                "the revision `{revision}` must not hold spaces, `~`, `^`, `?`, `*` or `[`, as no branch or tag does"
            );
            return Err(refuse(reason));
        }
        check_path(revision, LONGEST_NAME).map_err(|reason| refuse(format!("the revision `{revision}` {reason}")))?;
        Ok(Self { id: self.id.clone(), revision: revision.to_owned() })
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: String| Error::Reference { text: text.to_owned(), reason };
        let named = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| refuse(format!("it must begin with `{PREFIX}`, as in `hub:owner/name@revision`")))?;
        let (id, revision) = named.split_once('@').unwrap_or((named, "main"));
        let parts: Vec<&str> = id.split('/').collect();
        if parts.len() > 2 {
            return Err(refuse("a repository is `owner/name`, with one slash at most".into()));
        }
        for part in parts {
            check_name(part).map_err(|reason| refuse(format!("the name `{part}` {reason}")))?;
        }
        Self { id: id.to_owned(), revision: String::new() }.at(revision)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision.as_str() {
            "" | "main" => write!(f, "{PREFIX}{}", self.id),
            revision => write!(f, "{PREFIX}{}@{revision}", self.id),
        }
    }
}

/// The Hub's rule for owners and repositories. `--` separates them in the names of cache folders.
fn check_name(name: &str) -> Result<(), String> {
    if name.len() > LONGEST_NAME {
        return Err(format!("has {} bytes, more than {LONGEST_NAME}", name.len()));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ends = |c: char| "-.".contains(c);
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(ends) || name.ends_with(ends) {
        return Err("must be letters, digits, `-`, `_` and `.`, with neither `-` nor `.` at an end".into());
    }
    if name.contains("--") || name.contains("..") {
        return Err("must not hold `--` or `..`".into());
    }
    Ok(())
}

/// Refuses a file name that could lead out of its repository.
pub(crate) fn check_file(name: &str) -> Result<()> {
    check_path(name, LONGEST_FILE).map_err(|reason| Error::FileName { name: name.escape_debug().to_string(), reason })
}

/// A relative path with `/` between its steps and no step upwards.
fn check_path(path: &str, longest: usize) -> Result<(), String> {
    if path.len() > longest {
        return Err(format!("has {} bytes, more than {longest}", path.len()));
    }
    if path.chars().any(|c| c.is_control() || c == '\\' || c == ':') {
        return Err("must not hold backslashes, colons or control characters".into());
    }
    if path.split('/').any(|step| step.is_empty() || step == "." || step == "..") {
        return Err("must be a relative path without `.`, `..` or empty steps".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written() {
        for (text, id, revision, written) in [
            ("hub:timm/resnet18.a1_in1k", "timm/resnet18.a1_in1k", "main", "hub:timm/resnet18.a1_in1k"),
            ("hub:mnist", "mnist", "main", "hub:mnist"),
            ("hub:a/b@refs/pr/1", "a/b", "refs/pr/1", "hub:a/b@refs/pr/1"),
            ("hub:a/b@main", "a/b", "main", "hub:a/b"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.id(), reference.revision()), (id, revision));
            assert_eq!(reference.to_string(), written);
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let long = format!("hub:{}", "a".repeat(97));
        let deep = format!("hub:a/b@{}", "r".repeat(97));
        for (text, reason) in [
            ("timm/resnet18", "must begin with `hub:`"),
            ("hub:", "the name ``"),
            ("hub:a/b/c", "one slash at most"),
            ("hub:../b", "the name `..`"),
            ("hub:/etc", "the name ``"),
            ("hub:a/b--c", "`--`"),
            ("hub:a/b\\c", "must be letters"),
            ("hub:a/b\0", "must be letters"),
            ("hub:a/b?x=1", "must be letters"),
            ("hub:a/b@../../x", "the revision `../../x` must be a relative path"),
            ("hub:a/b@/x", "must be a relative path"),
            ("hub:a/b@x\0", "control characters"),
            ("hub:a/b@", "empty steps"),
            ("hub:a/b@a b", "must not hold spaces"),
            ("hub:a/b@v1~2", "must not hold spaces, `~`"),
            (&long, "has 97 bytes"),
            (&deep, "has 97 bytes"),
        ] {
            let message = text.parse::<Reference>().unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn files_stay_in_their_repository() {
        assert!(check_file("model.safetensors").is_ok() && check_file("data/train-00000-of-00001.parquet").is_ok());
        let long = "f".repeat(513);
        for name in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\\b", "C:x", "a\0b", "a\nb", &long] {
            assert!(check_file(name).is_err(), "{name:?}");
        }
    }
}
