//! Requests to the Hub: who gets the token, which redirects are followed, what is retried, and what a refusal means.

use std::{io::Read, sync::Arc, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use ureq::{
    Agent, Body,
    http::{HeaderMap, Request as HttpRequest, Response},
    tls::{RootCerts, TlsConfig},
};

use crate::{Error, Kind, Options, Reference, Result};

/// Maximum number of redirects per request.
const MOST_REDIRECTS: usize = 10;
/// Maximum bytes of a JSON answer.
const LARGEST_ANSWER: u64 = 64 << 20;
/// Maximum wait for the first byte of an answer, and for each later one.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection to one Hub.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    pub(crate) options: Options,
}

/// The subject of a request, for error messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) reference: &'a Reference,
    pub(crate) kind: Kind,
    pub(crate) file: Option<&'a str>,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn get(url: &'a str) -> Self {
        Self { method: "GET", url, headers: &[], body: &[] }
    }
}

impl Client {
    pub(crate) fn new(options: Options) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .user_agent(concat!("unlearn/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build()
            .new_agent();
        Self { agent, options }
    }

    /// Retries while the failure is temporary, with growing pauses.
    pub(crate) fn patiently<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let mut pause = self.options.backoff;
        let mut number = 1;
        loop {
            crate::interrupt::check()?;
            match attempt() {
                Err(error) if error.is_passing() && number < self.options.attempts => {
                    tracing::warn!("{error}; next attempt in {:.1} s", pause.as_secs_f64());
                    std::thread::sleep(pause);
                    pause *= 2;
                    number += 1;
                }
                Err(error) => return Err(error.after(number)),
                done => return done,
            }
        }
    }

    /// Makes a request and follows redirects. The answer may be a refusal.
    ///
    /// The token goes only to the endpoint, never to servers to which it redirects. A redirect that answers `HEAD`
    /// with the commit and leads to another server is the final answer, because that server knows no commits.
    pub(crate) fn send(&self, request: Request<'_>) -> Result<Response<Body>> {
        let mut url = request.url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send_once(&Request { url: &url, ..request })?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let location = header(response.headers(), "location").unwrap_or_default();
            let announces = request.method == "HEAD" && header(response.headers(), "x-repo-commit").is_some();
            if announces && !location.starts_with('/') {
                return Ok(response);
            }
            url = self.resolve(&url, location)?;
        }
        Err(Error::Answer {
            url: request.url.to_owned(),
            reason: format!("it redirects more than {MOST_REDIRECTS} times"),
        })
    }

    fn send_once(&self, request: &Request<'_>) -> Result<Response<Body>> {
        let Request { method, url, headers, body } = *request;
        let mut builder = HttpRequest::builder().method(method).uri(url);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        if let Some(token) = self.options.token.as_deref().filter(|_| self.is_own(url)) {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        let failed = |error: ureq::Error| self.unreachable(url, &error);
        let unsound = |error: ureq::http::Error| Error::Answer { url: url.to_owned(), reason: error.to_string() };
        if matches!(method, "GET" | "HEAD") {
            self.agent.run(builder.body(()).map_err(unsound)?).map_err(failed)
        } else {
            self.agent.run(builder.body(body).map_err(unsound)?).map_err(failed)
        }
    }

    /// Whether an address is on the endpoint's server.
    fn is_own(&self, url: &str) -> bool {
        url.strip_prefix(&self.options.endpoint).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The target address of a redirect.
    fn resolve(&self, from: &str, location: &str) -> Result<String> {
        let refuse = |reason: String| Error::Answer { url: from.to_owned(), reason };
        if let Some(path) = location.strip_prefix('/').filter(|path| !path.starts_with('/')) {
            let scheme = from.find("://").map_or(0, |at| at + 3);
            let host = from[scheme..].find('/').map_or(from.len(), |at| scheme + at);
            return Ok(format!("{}/{path}", &from[..host]));
        }
        let safe = location.starts_with("https://");
        // Plain HTTP is only for servers that were requested over plain HTTP.
        if safe || (location.starts_with("http://") && self.options.endpoint.starts_with("http://")) {
            return Ok(location.to_owned());
        }
        Err(refuse(format!("it redirects to `{}`", location.escape_debug())))
    }

    /// The error of a request without an answer.
    pub(crate) fn unreachable(&self, url: &str, error: &dyn std::fmt::Display) -> Error {
        let cache = self.options.cache.display();
        let elsewhere = format!("fetch with `hf download` where there is one and copy the files to {cache}");
        Error::Network { url: without_query(url), reason: error.to_string(), elsewhere }
    }

    /// A successful answer, or the error of a refusal.
    pub(crate) fn accept(&self, request: Request<'_>, subject: Subject<'_>) -> Result<Response<Body>> {
        let response = self.send(request)?;
        let status = response.status();
        if status.is_success() || status.is_redirection() {
            return Ok(response);
        }
        Err(self.refusal(response, request.url, subject))
    }

    /// A successful answer as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, request: Request<'_>, subject: Subject<'_>) -> Result<T> {
        let mut response = self.accept(request, subject)?;
        let bytes = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
        let bytes = bytes.map_err(|error| self.unreachable(request.url, &error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::Answer { url: without_query(request.url), reason: error.to_string() })
    }

    fn refusal(&self, mut response: Response<Body>, url: &str, subject: Subject<'_>) -> Error {
        let Subject { reference, kind, file } = subject;
        let (status, url) = (response.status().as_u16(), without_query(url));
        let said = said(&mut response).map_or(String::new(), |said| format!(": {said}"));
        let text = |name| header(response.headers(), name).unwrap_or_default();
        let id = reference.id().to_owned();
        let endpoint = self.options.endpoint.clone();
        match (status, text("x-error-code")) {
            (401 | 403, "GatedRepo") => Error::Gated { page: format!("{endpoint}/{}{id}", kind.page_prefix()), id },
            (401 | 404, "RepoNotFound") => Error::NoRepository { endpoint, kind: kind.singular(), id },
            (404, "RevisionNotFound") => Error::NoRevision { id, revision: reference.revision().to_owned() },
            (404, _) => match file {
                Some(file) => Error::NoFile {
                    id,
                    revision: reference.revision().to_owned(),
                    file: file.to_owned(),
                    nearest: String::new(),
                },
                None => Error::NoRepository { endpoint, kind: kind.singular(), id },
            },
            (401, _) => Error::Unauthorized { url },
            (403, _) => Error::Forbidden { url, said },
            (429, _) => {
                let after = match text("retry-after").parse::<u64>() {
                    Ok(seconds) => format!("in {seconds} s"),
                    Err(_) => "in a few minutes".to_owned(),
                };
                Error::TooMany { url, after }
            }
            (500.., _) => Error::Server { url, status, said, attempts: 1 },
            _ => Error::Refused { url, status, said },
        }
    }
}

/// The server's reason in words, shortened.
fn said(response: &mut Response<Body>) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let named = header(response.headers(), "x-error-message").map(str::to_owned);
    let read = |response: &mut Response<Body>| {
        let mut bytes = Vec::new();
        response.body_mut().as_reader().take(4096).read_to_end(&mut bytes).ok()?;
        Some(serde_json::from_slice::<Refusal>(&bytes).ok()?.error)
    };
    let said = named.or_else(|| read(response))?;
    Some(said.chars().filter(|c| !c.is_control()).take(200).collect::<String>()).filter(|said| !said.is_empty())
}

/// A header as text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// An address for messages. The part after `?` is removed, because it may hold a signature.
pub(crate) fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_where_they_may() {
        let client = Client::new(Options::new("https://hub.example", "/c"));
        let from = "https://hub.example/a/b?x=1";
        assert_eq!(client.resolve(from, "/c/d").unwrap(), "https://hub.example/c/d");
        assert_eq!(client.resolve(from, "https://cdn.example/x").unwrap(), "https://cdn.example/x");
        for location in ["http://cdn.example/x", "//cdn.example/x", "file:///etc/passwd", ""] {
            assert!(client.resolve(from, location).is_err(), "{location}");
        }
        assert!(client.is_own("https://hub.example/a") && !client.is_own("https://hub.example.org/a"));
    }
}
