//! Uploads files to the Hub: a repository, created if needed, and one commit with all files. Large files are sent by
//! Git LFS's `basic` transfer, and small ones in the commit. The server decides which is which.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Error, Hub, Kind, Reference, Result,
    client::{Request, Subject},
    fetch::hex,
    hub::encode,
    reference::check_file,
};

/// A file to be pushed. A file of the same name is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// Its path in the repository.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The result of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The commit.
    pub commit: String,
    /// Its page.
    pub url: String,
}

/// Number of leading bytes by which the server decides how a file is sent.
const SAMPLE: usize = 512;
/// Media types of the API and of Git LFS.
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const LFS: [(&str, &str); 2] =
    [("accept", "application/vnd.git-lfs+json"), ("content-type", "application/vnd.git-lfs+json")];

#[derive(Deserialize)]
struct Preupload {
    files: Vec<Mode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mode {
    path: String,
    upload_mode: String,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    transfer: Option<String>,
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    #[serde(default)]
    actions: BTreeMap<String, Action>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    commit_oid: String,
    commit_url: String,
}

impl Hub {
    /// Commits files to a repository. A missing repository is created, as private if `private` is set.
    ///
    /// # Errors
    /// If a file name is not valid, the Hub is offline, there is no token with the right to write, or the server
    /// refuses, fails or cannot be reached. The push is atomic: all files are there afterwards, or none.
    pub fn push(
        &self,
        reference: &Reference,
        kind: Kind,
        additions: &[Addition],
        message: &str,
        private: bool,
    ) -> Result<Pushed> {
        additions.iter().try_for_each(|addition| check_file(&addition.name))?;
        if self.options().offline {
            let reason = "it forbids the network, and a push needs it; unset it".into();
            return Err(Error::Environment { variable: "HF_HUB_OFFLINE", reason });
        }
        self.create(reference, kind, private)?;
        let subject = Subject { reference, kind, file: None };
        let revision = encode(reference.revision(), false);
        let files: Vec<_> = additions
            .iter()
            .map(|Addition { name, bytes }| {
                let sample = BASE64.encode(&bytes[..bytes.len().min(SAMPLE)]);
                json!({ "path": name, "size": bytes.len(), "sample": sample })
            })
            .collect();
        let url = self.api(reference, kind, &format!("preupload/{revision}"));
        let body = json!({ "files": files }).to_string();
        let modes: Preupload =
            self.client.patiently(|| self.client.json(post(&url, &JSON, body.as_bytes()), subject))?;
        let is_large = |name: &str| modes.files.iter().any(|mode| mode.path == name && mode.upload_mode == "lfs");
        let (large, small): (Vec<&Addition>, Vec<_>) = additions.iter().partition(|addition| is_large(&addition.name));
        let large: Vec<_> = large.into_iter().map(|file| (file, hex(&Sha256::digest(&file.bytes)))).collect();
        if !large.is_empty() {
            self.send_large(subject, &large)?;
        }
        self.commit(subject, &small, &large, message)
    }

    fn create(&self, reference: &Reference, kind: Kind, private: bool) -> Result<()> {
        let (owner, name) = reference.id().split_once('/').map_or((None, reference.id()), |(o, n)| (Some(o), n));
        let url = format!("{}/api/repos/create", self.options().endpoint);
        let body = json!({ "name": name, "organization": owner, "type": kind.singular(), "private": private });
        let subject = Subject { reference, kind, file: None };
        match self.client.accept(post(&url, &JSON, body.to_string().as_bytes()), subject) {
            Ok(_) | Err(Error::Refused { status: 409, .. }) => Ok(()), // 409: it exists.
            Err(error) => Err(error),
        }
    }

    /// Sends large files to the place that the server names. Content that the server already has is not sent.
    fn send_large(&self, subject: Subject<'_>, large: &[(&Addition, String)]) -> Result<()> {
        let Subject { reference, kind, .. } = subject;
        let (endpoint, prefix) = (&self.options().endpoint, kind.page_prefix());
        let url = format!("{endpoint}/{prefix}{}.git/info/lfs/objects/batch", reference.id());
        let objects: Vec<_> =
            large.iter().map(|(file, hash)| json!({ "oid": hash, "size": file.bytes.len() })).collect();
        let body = json!({
            "operation": "upload", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects,
            "ref": { "name": reference.revision() },
        });
        let body = body.to_string();
        let batch: Batch = self.client.patiently(|| self.client.json(post(&url, &LFS, body.as_bytes()), subject))?;
        let refuse = |reason: String| Err(Error::Answer { url: url.clone(), reason });
        if let Some(transfer) = batch.transfer.as_deref().filter(|transfer| *transfer != "basic") {
            return refuse(format!("it offers only the transfer `{transfer}`, but `basic` is needed"));
        }
        for (file, hash) in large {
            let Some(object) = batch.objects.iter().find(|object| object.oid == *hash) else {
                return refuse(format!("it says nothing of `{}`", file.name));
            };
            if let Some(error) = &object.error {
                return refuse(format!("it refuses `{}`: {error}", file.name));
            }
            let Some(upload) = object.actions.get("upload") else { continue };
            let headers: Vec<_> = upload.header.iter().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?))).collect();
            let put = Request { method: "PUT", url: &upload.href, headers: &headers, body: &file.bytes };
            self.client.patiently(|| self.client.accept(put, subject).map(drop))?;
            if let Some(verify) = object.actions.get("verify") {
                let body = json!({ "oid": hash, "size": file.bytes.len() }).to_string();
                self.client.patiently(|| self.client.accept(post(&verify.href, &LFS, body.as_bytes()), subject))?;
            }
        }
        Ok(())
    }

    fn commit(
        &self,
        subject: Subject<'_>,
        small: &[&Addition],
        large: &[(&Addition, String)],
        message: &str,
    ) -> Result<Pushed> {
        let mut lines = vec![json!({ "key": "header", "value": { "summary": message, "description": "" } })];
        lines.extend(small.iter().map(|file| {
            let value = json!({ "content": BASE64.encode(&file.bytes), "path": file.name, "encoding": "base64" });
            json!({ "key": "file", "value": value })
        }));
        lines.extend(large.iter().map(|(file, hash)| {
            let value = json!({ "path": file.name, "algo": "sha256", "oid": hash, "size": file.bytes.len() });
            json!({ "key": "lfsFile", "value": value })
        }));
        let body = lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
        let revision = encode(subject.reference.revision(), false);
        let url = self.api(subject.reference, subject.kind, &format!("commit/{revision}"));
        let headers = [("content-type", "application/x-ndjson")];
        // This is not retried: if an answer was lost, the commit may have been made.
        let Commit { commit_oid, commit_url } = self.client.json(post(&url, &headers, body.as_bytes()), subject)?;
        Ok(Pushed { commit: commit_oid, url: commit_url })
    }
}

fn post<'a>(url: &'a str, headers: &'a [(&'a str, &'a str)], body: &'a [u8]) -> Request<'a> {
    Request { method: "POST", url, headers, body }
}
