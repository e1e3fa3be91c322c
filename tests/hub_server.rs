//! A Hub on the loopback device: repositories in memory, the parts of the Hub's protocol for fetching and pushing, a
//! content server on another port, and faults on demand.

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The only token that may write, and that may read private repositories.
pub const TOKEN: &str = "hf_loopback";

/// A running server. It ends with the test's process.
#[derive(Debug)]
pub struct HubServer {
    endpoint: String,
    shared: Arc<Mutex<Shared>>,
}

/// Faults of an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A status code with the headers of a refusal.
    Status(u16, Vec<(&'static str, String)>),
    /// The connection ends after this number of bytes of the body.
    Cut(usize),
    /// The last byte of the body is wrong.
    WrongByte,
    /// The body has one byte more than announced.
    OneMore,
    /// A header has another value.
    Header(&'static str, String),
}

#[derive(Debug, Default)]
struct Shared {
    /// Address that serves large files.
    content: String,
    /// Repositories by `models/owner/name` or `datasets/owner/name`.
    repositories: HashMap<String, Repository>,
    large: HashMap<String, Vec<u8>>,
    faults: Vec<(String, usize, Fault)>,
    log: Vec<String>,
}

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Default)]
struct Repository {
    commits: Vec<(String, Files)>,
    messages: Vec<String>,
    gated: bool,
}

impl HubServer {
    /// Starts a server without repositories.
    ///
    /// # Panics
    /// If the loopback device has no free port.
    pub fn start() -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (hub, content) = (bind(), bind());
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("it is bound"));
        let endpoint = address(&hub);
        let shared = Arc::new(Mutex::new(Shared { content: address(&content), ..Shared::default() }));
        for listener in [hub, content] {
            let (shared, endpoint) = (Arc::clone(&shared), endpoint.clone());
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (shared, endpoint) = (Arc::clone(&shared), endpoint.clone());
                    // If a client disconnects, the error is ignored.
                    thread::spawn(move || drop(serve(&stream, &shared, &endpoint)));
                }
            });
        }
        Self { endpoint, shared }
    }

    /// The address for `HF_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Commits files to a model's repository, or to a dataset's if `id` begins with `datasets/`. Returns the commit.
    pub fn commit(&self, id: &str, files: &[(&str, &[u8])]) -> String {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        lock(&self.shared).repositories.entry(key(id)).or_default().add(files, "by the test")
    }

    /// Requires the token for access to a repository.
    pub fn gate(&self, id: &str) {
        lock(&self.shared).repositories.entry(key(id)).or_default().gated = true;
    }

    /// Makes the next `times` answers faulty for requests whose method and path contain `part`.
    pub fn fail(&self, part: &str, times: usize, fault: Fault) {
        lock(&self.shared).faults.push((part.to_owned(), times, fault));
    }

    /// All requests since the last call: method, path, requested range, and `authorized` if it had the token.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared).log)
    }

    /// The newest content of a file.
    pub fn file(&self, id: &str, name: &str) -> Option<Vec<u8>> {
        let shared = lock(&self.shared);
        shared.repositories.get(&key(id))?.commits.last()?.1.get(name).cloned()
    }

    /// The messages of a repository's commits.
    pub fn messages(&self, id: &str) -> Vec<String> {
        lock(&self.shared).repositories.get(&key(id)).map_or_else(Vec::new, |repository| repository.messages.clone())
    }
}

fn key(id: &str) -> String {
    if id.starts_with("datasets/") { id.to_owned() } else { format!("models/{id}") }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Decides by the suffix of the name, as the Hub does.
fn is_large(name: &str) -> bool {
    [".safetensors", ".bin", ".parquet"].iter().any(|end| name.ends_with(end))
}

impl Repository {
    fn add(&mut self, files: Files, message: &str) -> String {
        let mut all = self.commits.last().map_or_else(Files::new, |(_, files)| files.clone());
        all.extend(files);
        let commit = sha256(format!("{} {all:?}", self.commits.len()).as_bytes())[..40].to_owned();
        self.commits.push((commit.clone(), all));
        self.messages.push(message.to_owned());
        commit
    }

    fn at(&self, revision: &str) -> Option<&(String, Files)> {
        if revision == "main" {
            self.commits.last()
        } else {
            self.commits.iter().find(|(commit, _)| commit == revision)
        }
    }
}

struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self { method, path, headers, body })
    }

    fn is_authorized(&self) -> bool {
        self.headers.get("authorization").is_some_and(|value| value.strip_prefix("Bearer ") == Some(TOKEN))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn json(value: &Value) -> Self {
        Self { status: 200, headers: vec![], body: value.to_string().into_bytes() }
    }

    fn refusal(status: u16, code: &str) -> Self {
        let body = json!({ "error": format!("refused: {code}") }).to_string().into_bytes();
        Self { status, headers: vec![("X-Error-Code", code.to_owned())], body }
    }

    /// The content, or its requested end.
    fn content(bytes: &[u8], request: &Request) -> Self {
        let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        match range.and_then(|start| start.parse::<usize>().ok()) {
            None => Self { status: 200, headers: vec![], body: bytes.to_vec() },
            Some(start) if start < bytes.len() => {
                let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                Self { status: 206, headers: vec![("Content-Range", range)], body: bytes[start..].to_vec() }
            }
            Some(_) => Self::refusal(416, "Range"),
        }
    }

    fn write(&self, mut stream: &TcpStream, head_only: bool, cut: Option<usize>) -> std::io::Result<()> {
        write!(stream, "HTTP/1.1 {} Answer\r\nConnection: close\r\n", self.status)?;
        if !self.headers.iter().any(|(name, _)| *name == "Content-Length") {
            write!(stream, "Content-Length: {}\r\n", self.body.len())?;
        }
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        if !head_only {
            stream.write_all(&self.body[..cut.unwrap_or(self.body.len()).min(self.body.len())])?;
        }
        stream.flush()
    }
}

fn serve(stream: &TcpStream, shared: &Mutex<Shared>, endpoint: &str) -> std::io::Result<()> {
    let request = Request::read(stream)?;
    let Request { method, path, headers, .. } = &request;
    let (mut answer, fault) = {
        let mut shared = lock(shared);
        let mut words = vec![method.as_str(), path];
        words.extend(headers.get("range").map(String::as_str));
        if headers.contains_key("authorization") {
            words.push("authorized");
        }
        let line = words.join(" ");
        let fault = shared.faults.iter_mut().find(|(part, times, _)| *times > 0 && line.contains(&**part));
        let fault = fault.map(|(_, times, fault)| {
            *times -= 1;
            fault.clone()
        });
        shared.log.push(line);
        (shared.answer(&request, endpoint), fault)
    };
    let mut cut = None;
    match fault {
        None => {}
        Some(Fault::Status(status, headers)) => answer = Answer { status, headers, body: vec![] },
        Some(Fault::Cut(after)) => cut = Some(after),
        Some(Fault::WrongByte) => answer.body.last_mut().into_iter().for_each(|byte| *byte ^= 1),
        Some(Fault::OneMore) => answer.body.push(0),
        Some(Fault::Header(name, value)) => {
            answer.headers.retain(|(other, _)| *other != name);
            answer.headers.push((name, value));
        }
    }
    answer.write(stream, method == "HEAD", cut)
}

impl Shared {
    fn answer(&mut self, request: &Request, endpoint: &str) -> Answer {
        let path = request.path.split('?').next().unwrap_or_default().trim_start_matches('/').replace("%2F", "/");
        let writes = request.method == "POST" || request.method == "PUT";
        if let Some(hash) = path.strip_prefix("content/") {
            if request.method == "PUT" {
                if sha256(&request.body) != hash {
                    return Answer::refusal(400, "Content");
                }
                self.large.insert(hash.to_owned(), request.body.clone());
                return Answer::json(&json!({}));
            }
            return self
                .large
                .get(hash)
                .map_or_else(|| Answer::refusal(404, "EntryNotFound"), |bytes| Answer::content(bytes, request));
        }
        if writes && !request.is_authorized() {
            return Answer::refusal(401, "");
        }
        if path == "api/repos/create" {
            let body = request.json();
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let id = format!("{}/{}", text("organization"), text("name"));
            // The type of a model may be omitted.
            let key = if text("type") == "dataset" { format!("datasets/{id}") } else { format!("models/{id}") };
            if self.repositories.contains_key(&key) {
                return Answer::refusal(409, "");
            }
            self.repositories.insert(key, Repository::default());
            return Answer::json(&json!({ "url": format!("{endpoint}/{id}") }));
        }
        if path.ends_with(".git/info/lfs/objects/batch") {
            return self.batch(&request.json());
        }
        if let Some(path) = path.strip_prefix("api/resolve-cache/") {
            return self.small(path, request);
        }
        match path.strip_prefix("api/") {
            Some(rest) => self.api(rest, request, endpoint),
            None => self.resolve(&path, request),
        }
    }

    fn api(&mut self, path: &str, request: &Request, endpoint: &str) -> Answer {
        let words: Vec<&str> = path.splitn(5, '/').collect();
        let [kind, owner, name, what, revision] = words[..] else { return Answer::refusal(404, "RepoNotFound") };
        let Some(repository) = self.repositories.get_mut(&format!("{kind}/{owner}/{name}")) else {
            return Answer::refusal(404, "RepoNotFound");
        };
        match what {
            "revision" => {
                let Some((commit, files)) = repository.at(revision) else {
                    return Answer::refusal(404, "RevisionNotFound");
                };
                let siblings = files.iter().map(|(name, bytes)| json!({ "rfilename": name, "size": bytes.len() }));
                Answer::json(&json!({ "sha": commit, "siblings": siblings.collect::<Vec<_>>() }))
            }
            "preupload" => {
                let body = request.json();
                let files = body["files"].as_array().into_iter().flatten().map(|file| {
                    let path = file["path"].as_str().unwrap_or_default();
                    let mode = if is_large(path) { "lfs" } else { "regular" };
                    json!({ "path": path, "uploadMode": mode, "shouldIgnore": false })
                });
                Answer::json(&json!({ "files": files.collect::<Vec<_>>() }))
            }
            "commit" => {
                let mut files = Files::new();
                let mut message = String::new();
                for line in request.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let line: Value = serde_json::from_slice(line).unwrap_or_default();
                    let text = |key: &str| line["value"][key].as_str().unwrap_or_default().to_owned();
                    match line["key"].as_str() {
                        Some("header") => message = text("summary"),
                        Some("file") => {
                            files.insert(text("path"), BASE64.decode(text("content")).unwrap_or_default());
                        }
                        _ => match self.large.get(&text("oid")) {
                            Some(bytes) => {
                                files.insert(text("path"), bytes.clone());
                            }
                            None => return Answer::refusal(400, "LFS object is missing"),
                        },
                    }
                }
                let commit = repository.add(files, &message);
                let url = format!("{endpoint}/{owner}/{name}/commit/{commit}");
                Answer::json(&json!({ "success": true, "commitOid": commit, "commitUrl": url }))
            }
            _ => Answer::refusal(404, "RepoNotFound"),
        }
    }

    fn batch(&self, body: &Value) -> Answer {
        let objects = body["objects"].as_array().into_iter().flatten().map(|object| {
            let hash = object["oid"].as_str().unwrap_or_default();
            let mut answer = object.clone();
            if !self.large.contains_key(hash) {
                answer["actions"] =
                    json!({ "upload": { "href": format!("{}/content/{hash}?signed=1", self.content) } });
            }
            answer
        });
        Answer::json(&json!({ "transfer": "basic", "objects": objects.collect::<Vec<_>>() }))
    }

    fn resolve(&mut self, path: &str, request: &Request) -> Answer {
        let Some((id, rest)) = path.split_once("/resolve/") else { return Answer::refusal(404, "RepoNotFound") };
        let Some(repository) = self.repositories.get(&key(id)) else {
            // As on the Hub, the answer does not reveal whether the repository exists.
            return Answer::refusal(if request.is_authorized() { 404 } else { 401 }, "RepoNotFound");
        };
        if repository.gated && !request.is_authorized() {
            return Answer::refusal(401, "GatedRepo");
        }
        let (revision, file) = rest.split_once('/').unwrap_or_default();
        let Some((commit, files)) = repository.at(revision) else { return Answer::refusal(404, "RevisionNotFound") };
        let Some(bytes) = files.get(file) else { return Answer::refusal(404, "EntryNotFound") };
        let hash = sha256(bytes);
        let commit = ("X-Repo-Commit", commit.clone());
        if is_large(file) {
            let mut answer = Answer { status: 302, headers: vec![commit], body: vec![] };
            answer.headers.extend([
                ("X-Linked-Etag", format!("\"{hash}\"")),
                ("X-Linked-Size", bytes.len().to_string()),
                ("ETag", "\"of-the-redirect\"".to_owned()),
                ("Location", format!("{}/content/{hash}?signed=1", self.content)),
            ]);
            self.large.insert(hash, bytes.clone());
            answer
        } else {
            let location = format!("/api/resolve-cache/{}/{}/{file}", key(id), commit.1);
            let headers = vec![commit, ("ETag", "\"of-the-redirect-itself\"".to_owned()), ("Location", location)];
            Answer { status: 307, headers, body: b"Temporary Redirect".to_vec() }
        }
    }

    /// A small file, which the Hub stores in the commit.
    fn small(&self, path: &str, request: &Request) -> Answer {
        let words: Vec<&str> = path.splitn(5, '/').collect();
        let [kind, owner, name, commit, file] = words[..] else { return Answer::refusal(404, "EntryNotFound") };
        let repository = self.repositories.get(&format!("{kind}/{owner}/{name}"));
        let files = repository.and_then(|repository| repository.at(commit));
        let Some(bytes) = files.and_then(|(_, files)| files.get(file)) else {
            return Answer::refusal(404, "EntryNotFound");
        };
        let mut answer = Answer::content(bytes, request);
        let tag = format!("\"{}\"", &sha256(bytes)[..40]);
        answer.headers.extend([("X-Repo-Commit", commit.to_owned()), ("ETag", tag)]);
        answer
    }
}
