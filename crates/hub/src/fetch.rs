//! Fetches files from the Hub into the cache. Downloads are checked, complete, and resumed after a cut.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use ureq::{Body, http::Response};

use crate::{
    Error, Hub, Kind, Reference, Result,
    cache::{Repository, is_commit, is_hex},
    client::{Request, Subject, header},
    hub::encode,
    interrupt,
    reference::check_file,
};

/// A file in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its path.
    pub path: PathBuf,
    /// The commit of the revision.
    pub commit: String,
}

/// The progress of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file.
    pub file: &'a str,
    /// Bytes received, including earlier attempts.
    pub done: u64,
    /// Total bytes.
    pub total: u64,
}

/// The server's announcement of a file.
#[derive(Debug, Clone)]
struct Announced {
    commit: String,
    /// The name of its content: a SHA-256 for large files, git's hash for small ones.
    hash: String,
    size: u64,
}

impl Announced {
    /// The SHA-256 of the content, if the hash is one.
    fn sha256(&self) -> Option<&str> {
        (self.hash.len() == 64 && is_hex(&self.hash)).then_some(&self.hash)
    }
}

impl Hub {
    /// A file of a repository: from the cache if it holds the same version, else from the server.
    ///
    /// # Errors
    /// If the name leads out of the repository; if the repository, revision or file does not exist or is not visible;
    /// if the server fails or cannot be reached (unless the cache has the file at this revision, which is then used
    /// with a warning); if the bytes differ from the announcement; or if the file is not in the cache while offline.
    pub fn fetch(&self, reference: &Reference, kind: Kind, file: &str) -> Result<Fetched> {
        check_file(file)?;
        let repository = self.repository(reference, kind);
        let cached = || {
            let commit = repository.commit(reference.revision())?;
            Some(Fetched { path: repository.find(&commit, file)?, commit })
        };
        if self.options().offline {
            return cached().ok_or_else(|| self.not_cached(reference, kind, Some(file)));
        }
        // A commit never changes.
        if is_commit(reference.revision())
            && let Some(fetched) = cached()
        {
            return Ok(fetched);
        }
        let subject = Subject { reference, kind, file: Some(file) };
        let announced = match self.client.patiently(|| self.announced(subject, file)) {
            Ok(announced) => announced,
            Err(error @ (Error::Network { .. } | Error::Server { .. })) => {
                let Some(fetched) = cached() else { return Err(error) };
                tracing::warn!("{error}; `{file}` of {reference} is taken from the cache, commit {}", fetched.commit);
                return Ok(fetched);
            }
            Err(error) => return Err(self.with_nearest(error, reference, kind)),
        };
        let lock = repository.lock(&announced.hash)?;
        if !repository.blob(&announced.hash).is_file() {
            self.client.patiently(|| self.download(&repository, subject, file, &announced))?;
        }
        let path = repository.point(&announced.commit, file, &announced.hash)?;
        repository.set_commit(reference.revision(), &announced.commit)?;
        drop(lock);
        Ok(Fetched { path, commit: announced.commit })
    }

    fn address(&self, subject: Subject<'_>, revision: &str, file: &str) -> String {
        let (endpoint, prefix, id) = (&self.options().endpoint, subject.kind.page_prefix(), subject.reference.id());
        format!("{endpoint}/{prefix}{id}/resolve/{}/{}", encode(revision, false), encode(file, true))
    }

    fn announced(&self, subject: Subject<'_>, file: &str) -> Result<Announced> {
        let url = self.address(subject, subject.reference.revision(), file);
        let response = self.client.accept(Request { method: "HEAD", ..Request::get(&url) }, subject)?;
        let text = |name| header(response.headers(), name);
        let refuse = |reason: &str| Error::Answer { url: url.clone(), reason: reason.into() };
        let commit = text("x-repo-commit").filter(|commit| is_commit(commit));
        let commit = commit.ok_or_else(|| refuse("it names no commit in X-Repo-Commit; HF_ENDPOINT must be a Hub"))?;
        // The headers of a redirect describe its own body.
        let own = |name| text(name).filter(|_| response.status().is_success());
        let tag = text("x-linked-etag").or_else(|| own("etag")).unwrap_or_default();
        let hash = tag.trim_start_matches("W/").trim_matches('"');
        // The hash becomes a file name.
        if !(16..=128).contains(&hash.len()) || !hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(refuse("its ETag is not a hash"));
        }
        let size = text("x-linked-size").or_else(|| own("content-length")).and_then(|size| size.parse().ok());
        let size = size.ok_or_else(|| refuse("it gives no size in X-Linked-Size or Content-Length"))?;
        Ok(Announced { commit: commit.to_owned(), hash: hash.to_owned(), size })
    }

    /// One attempt to download the missing part of a file.
    fn download(&self, repository: &Repository, subject: Subject<'_>, file: &str, announced: &Announced) -> Result<()> {
        let partial = repository.partial(&announced.hash);
        let url = self.address(subject, &announced.commit, file);
        let here = fs::metadata(&partial).map_or(0, |metadata| metadata.len());
        let here = if here > announced.size { 0 } else { here };
        let range = format!("bytes={here}-");
        let headers = [("range", range.as_str())];
        if here < announced.size || announced.size == 0 {
            let ranged = Request { headers: if here > 0 { &headers } else { &[] }, ..Request::get(&url) };
            let mut response = self.client.accept(ranged, subject)?;
            let start = if response.status().as_u16() == 206 { range_start(&response) } else { Some(0) };
            if start != Some(here) && start != Some(0) {
                return Err(Error::Answer { url, reason: "it sends another range than requested".into() });
            }
            let start = start.unwrap_or_default();
            let sink = Sink { partial: &partial, start, file, announced };
            self.receive(&mut response, &sink)?;
        }
        accept_content(&partial, file, announced)?;
        let blob = repository.blob(&announced.hash);
        fs::rename(&partial, &blob).map_err(|source| Error::Io { action: "write", path: blob, source })
    }

    fn receive(&self, response: &mut Response<Body>, sink: &Sink<'_>) -> Result<()> {
        let Sink { partial, start, file, announced } = *sink;
        let write_failed = |source| Error::Io { action: "write", path: partial.into(), source };
        let mut output = File::options()
            .create(true)
            .write(true)
            .truncate(start == 0)
            .open(partial)
            .and_then(|mut output| {
                io::Seek::seek(&mut output, io::SeekFrom::End(0))?;
                Ok(output)
            })
            .map_err(write_failed)?;
        // One byte more than announced shows that there are more, and prevents an endless answer from filling the
        // disk.
        let left = (announced.size - start).saturating_add(1);
        let mut input = response.body_mut().with_config().limit(u64::MAX).reader().take(left);
        let mut done = start;
        let mut buffer = vec![0; 1 << 16];
        loop {
            interrupt::check()?;
            (self.on_progress)(&Progress { file, done, total: announced.size });
            let cut = || Error::Cut {
                file: file.to_owned(),
                got: done,
                wanted: announced.size,
                attempts: 1,
                partial: partial.into(),
            };
            match input.read(&mut buffer) {
                Ok(0) if done < announced.size => return Err(cut()),
                Ok(0) => break,
                Ok(count) => {
                    output.write_all(&buffer[..count]).map_err(write_failed)?;
                    done += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(cut()),
            }
        }
        output.sync_all().map_err(write_failed)
    }
}

/// The destination of an answer's bytes.
#[derive(Debug, Clone, Copy)]
struct Sink<'a> {
    partial: &'a Path,
    start: u64,
    file: &'a str,
    announced: &'a Announced,
}

/// Deletes content that differs from the announcement.
fn accept_content(partial: &Path, file: &str, announced: &Announced) -> Result<()> {
    let read_failed = |source| Error::Io { action: "read", path: partial.into(), source };
    let mut content = File::open(partial).map_err(read_failed)?;
    let size = content.metadata().map_err(read_failed)?.len();
    let mismatch = |what, expected: String, found: String| {
        drop(fs::remove_file(partial));
        Err(Error::Mismatch { file: file.to_owned(), what, expected, found })
    };
    if size != announced.size {
        let found = if size > announced.size { format!("more than {}", announced.size) } else { size.to_string() };
        return mismatch("bytes", announced.size.to_string(), found);
    }
    let Some(expected) = announced.sha256() else { return Ok(()) };
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer).map_err(read_failed)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    let found = hex(&hash.finalize());
    if found == expected { Ok(()) } else { mismatch("SHA-256", expected.to_owned(), found) }
}

/// The first byte of an answer's range: `Content-Range: bytes 100-199/200`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    header(response.headers(), "content-range")?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
