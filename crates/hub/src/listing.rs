//! Lists the files of a repository.

use serde::Deserialize;

use crate::{
    Error, Hub, Kind, Reference, Result,
    client::{Request, Subject},
    hub::encode,
};

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path in the repository.
    pub name: String,
    /// Bytes, if the server says.
    pub size: Option<u64>,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
}

/// A word of a command, for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+,".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Number of files named in the error for a missing one.
const NEAREST: usize = 3;

impl Hub {
    /// The files of a repository at a revision. Offline, only those in the cache.
    ///
    /// # Errors
    /// If the repository or revision does not exist or is not visible, if the server fails or cannot be reached, or
    /// if the cache holds nothing of the revision while offline.
    pub fn files(&self, reference: &Reference, kind: Kind) -> Result<Vec<File>> {
        if self.options().offline {
            let repository = self.repository(reference, kind);
            let files = repository.commit(reference.revision()).map(|commit| repository.list(&commit));
            return match files {
                Some(files) if !files.is_empty() => {
                    Ok(files.into_iter().map(|(name, size)| File { name, size: Some(size) }).collect())
                }
                _ => Err(self.not_cached(reference, kind, None)),
            };
        }
        let revision = encode(reference.revision(), false);
        let url = self.api(reference, kind, &format!("revision/{revision}?blobs=true"));
        let subject = Subject { reference, kind, file: None };
        let repository: Repository = self.client.patiently(|| self.client.json(Request::get(&url), subject))?;
        let mut files: Vec<_> =
            repository.siblings.into_iter().map(|s| File { name: s.rfilename, size: s.size }).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// The error of an item that is not in the cache while offline.
    pub(crate) fn not_cached(&self, reference: &Reference, kind: Kind, file: Option<&str>) -> Error {
        let (id, revision) = (reference.id(), reference.revision());
        let mut command = vec!["hf", "download", id];
        command.extend(file);
        if revision != "main" {
            command.extend(["--revision", revision]);
        }
        if kind == Kind::Dataset {
            command.extend(["--repo-type", "dataset"]);
        }
        let command = command.into_iter().map(quoted).collect::<Vec<_>>().join(" ");
        let of = file.map_or_else(String::new, |file| format!("`{file}` of "));
        Error::Offline {
            what: format!("{of}`{id}` at `{revision}`"),
            cache: self.options().cache.clone(),
            elsewhere: format!("unset it, or run `{command}` where there is a network and copy its cache here"),
        }
    }

    /// Adds the nearest existing files to the error for a missing one.
    pub(crate) fn with_nearest(&self, error: Error, reference: &Reference, kind: Kind) -> Error {
        let Error::NoFile { id, revision, file, .. } = error else { return error };
        let nearest = match self.files(reference, kind) {
            Ok(files) if files.is_empty() => "it is empty".into(),
            Ok(mut files) => {
                let likeness = |other: &File| unlearn_names::likeness(&other.name, &file);
                files.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
                let names: Vec<_> = files.iter().take(NEAREST).map(|file| format!("`{}`", file.name)).collect();
                format!("of its {} files the nearest are {}", files.len(), names.join(", "))
            }
            Err(_) => "its page lists the files".into(),
        };
        Error::NoFile { id, revision, file, nearest }
    }
}
