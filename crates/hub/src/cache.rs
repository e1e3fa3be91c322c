//! The cache of Python's `huggingface_hub`. `blobs` holds content by hash, `snapshots/COMMIT/FILE` points to it, and
//! `refs` holds the last known commit of each branch or tag. Names of folders come from the crate `hf-hub`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use crate::{Error, Kind, Reference, Result, interrupt};

/// The folder of one repository in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    cache: Cache,
    id: String,
    kind: RepoType,
    folder: PathBuf,
    locks: PathBuf,
}

impl Repository {
    pub(crate) fn new(cache: &Path, reference: &Reference, kind: Kind) -> Self {
        let (id, kind) = (reference.id().to_owned(), kind.into());
        let name = Repo::new(id.clone(), kind).folder_name();
        let (folder, locks) = (cache.join(&name), cache.join(".locks").join(name));
        Self { cache: Cache::new(cache.into()), id, kind, folder, locks }
    }

    fn at(&self, revision: &str) -> CacheRepo {
        self.cache.repo(Repo::with_revision(self.id.clone(), self.kind, revision.into()))
    }

    /// The last known commit of a revision.
    pub(crate) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Stores the commit of a revision.
    pub(crate) fn set_commit(&self, revision: &str, commit: &str) -> Result<()> {
        if revision == commit || self.commit(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = || self.folder.join("refs").join(revision);
        self.at(revision).create_ref(commit).map_err(|source| Error::Io { action: "write", path: path(), source })
    }

    /// The path of a file of a commit, whether it exists or not.
    pub(crate) fn snapshot(&self, commit: &str, file: &str) -> PathBuf {
        self.at(commit).pointer_path(commit).join(file)
    }

    /// A file of a commit, if it exists.
    pub(crate) fn find(&self, commit: &str, file: &str) -> Option<PathBuf> {
        Some(self.snapshot(commit, file)).filter(|path| path.is_file())
    }

    /// The existing files of a commit.
    pub(crate) fn list(&self, commit: &str) -> Vec<(String, u64)> {
        let root = self.at(commit).pointer_path(commit);
        let mut found = Vec::new();
        let mut waiting = vec![root.clone()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(metadata) = fs::metadata(&path) else { continue };
                if metadata.is_dir() {
                    waiting.push(path);
                } else if let Some(name) = path.strip_prefix(&root).ok().and_then(Path::to_str) {
                    found.push((name.replace(std::path::MAIN_SEPARATOR, "/"), metadata.len()));
                }
            }
        }
        found.sort();
        found
    }

    /// The path of content with a hash.
    pub(crate) fn blob(&self, hash: &str) -> PathBuf {
        self.folder.join("blobs").join(hash)
    }

    /// The path of partial content with a hash, during a download.
    pub(crate) fn partial(&self, hash: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{hash}.incomplete"))
    }

    /// Locks this content until dropped. Others that would fetch it, including Python's library, wait.
    pub(crate) fn lock(&self, hash: &str) -> Result<File> {
        let path = self.locks.join(format!("{hash}.lock"));
        make_folder_of(&path)?;
        make_folder_of(&self.blob(hash))?;
        let failed = |source| Error::Io { action: "lock", path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        interrupt::lock(&file)?.map_err(failed)?;
        Ok(file)
    }

    /// Makes downloaded content a file of a commit.
    pub(crate) fn point(&self, commit: &str, file: &str, hash: &str) -> Result<PathBuf> {
        let pointer = self.snapshot(commit, file);
        make_folder_of(&pointer)?;
        if !pointer.is_file() {
            // A pointer to content that no longer exists.
            drop(fs::remove_file(&pointer));
            let depth = file.split('/').count() + 1;
            let target: PathBuf = std::iter::repeat_n("..", depth).chain(["blobs", hash]).collect();
            link(&target, &self.blob(hash), &pointer).map_err(|source| Error::Io {
                action: "write",
                path: pointer.clone(),
                source,
            })?;
        }
        Ok(pointer)
    }
}

#[cfg(unix)]
fn link(target: &Path, _: &Path, pointer: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, pointer)
}

/// On other systems, links need special rights.
#[cfg(not(unix))]
fn link(_: &Path, blob: &Path, pointer: &Path) -> std::io::Result<()> {
    fs::copy(blob, pointer).map(drop)
}

fn make_folder_of(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|source| Error::Io { action: "make the folder", path: folder.into(), source })
}

/// Whether a revision is a commit: 40 hexadecimal digits.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && is_hex(revision)
}

/// Whether text consists of lower-case hexadecimal digits.
pub(crate) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout is the documented one of `huggingface_hub`, so each finds the files that the other fetched.
    #[test]
    fn the_layout_is_that_of_python() {
        let cache = tempfile::tempdir().unwrap();
        let repository = Repository::new(cache.path(), &"hub:a/b".parse().unwrap(), Kind::Dataset);
        let commit = "0123456789abcdef0123456789abcdef01234567";
        drop(repository.lock("cafe").unwrap());
        fs::write(repository.blob("cafe"), "content").unwrap();
        repository.point(commit, "data/x.bin", "cafe").unwrap();
        repository.set_commit("refs/pr/1", commit).unwrap();

        let folder = cache.path().join("datasets--a--b");
        assert_eq!(fs::read(folder.join("snapshots").join(commit).join("data/x.bin")).unwrap(), b"content");
        assert_eq!(fs::read_to_string(folder.join("refs/refs/pr/1")).unwrap(), commit);
        assert!(cache.path().join(".locks/datasets--a--b/cafe.lock").is_file());
        assert_eq!(repository.commit("refs/pr/1").as_deref(), Some(commit));
        assert_eq!(repository.commit("main"), None);
        assert!(repository.find(commit, "data/x.bin").is_some() && repository.find(commit, "y").is_none());
        assert_eq!(repository.list(commit), [("data/x.bin".to_owned(), 7)]);

        fs::remove_file(repository.blob("cafe")).unwrap();
        assert!(repository.find(commit, "data/x.bin").is_none(), "a pointer to nothing is no file");
        fs::write(repository.blob("beef"), "other").unwrap();
        let pointer = repository.point(commit, "data/x.bin", "beef").unwrap();
        assert_eq!(fs::read(pointer).unwrap(), b"other");
    }
}
