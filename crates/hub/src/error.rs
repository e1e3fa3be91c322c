//! What can go wrong between here and the Hub, and what helps.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text that names no repository.
    #[error("`{}` names no repository of the Hub: {reason}", text.escape_debug())]
    Reference {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file's name that could lead out of its repository.
    #[error("`{name}` is no file of a repository: it {reason}")]
    FileName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An environment variable that cannot be used.
    #[error("{variable} cannot be used: {reason}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// No such repository, or a private one.
    #[error("{endpoint} has no {kind} `{id}` that is yours to see; check the name, and if it is private set HF_TOKEN")]
    NoRepository {
        /// The server.
        endpoint: String,
        /// Model or dataset.
        kind: &'static str,
        /// The repository.
        id: String,
    },
    /// A repository without that branch, tag or commit.
    #[error("`{id}` has no revision `{revision}`; its page lists the branches and tags")]
    NoRevision {
        /// The repository.
        id: String,
        /// What was asked for.
        revision: String,
    },
    /// A repository without that file.
    #[error("`{id}` at `{revision}` has no file `{file}`; {nearest}")]
    NoFile {
        /// The repository.
        id: String,
        /// The revision.
        revision: String,
        /// What was asked for.
        file: String,
        /// The nearest files that it has, in words.
        nearest: String,
    },
    /// No token, or one that the server does not know.
    #[error("{url} answered 401: a token is needed; make one on the Hub's page of access tokens and set HF_TOKEN")]
    Unauthorized {
        /// What was asked for.
        url: String,
    },
    /// A repository whose licence must be accepted first.
    #[error("`{id}` is gated: accept its licence on {page} and set HF_TOKEN to a token of that account")]
    Gated {
        /// The repository.
        id: String,
        /// Where to accept.
        page: String,
    },
    /// A token that may not do this.
    #[error(
        "{url} answered 403: the token may not do this{said}; HF_TOKEN needs the right to read, or to write for a push"
    )]
    Forbidden {
        /// What was asked for.
        url: String,
        /// The server's reason, with `: ` before it, or nothing.
        said: String,
    },
    /// Too many requests.
    #[error("{url} answered 429, too many requests; try again {after}")]
    TooMany {
        /// What was asked for.
        url: String,
        /// When, in words.
        after: String,
    },
    /// A server that fails.
    #[error("{url} answered {status}{said}; asked {attempts} times. The Hub is at fault: try again later")]
    Server {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's reason, with `: ` before it, or nothing.
        said: String,
        /// How often it was asked.
        attempts: u32,
    },
    /// Any other refusal.
    #[error("{url} answered {status}{said}")]
    Refused {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's reason, with `: ` before it, or nothing.
        said: String,
    },
    /// An answer that the Hub's protocol does not know.
    #[error("{url} gave an answer that cannot be used: {reason}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A connection that was cut again and again.
    #[error(
        "`{file}` was cut after {got} of {wanted} bytes, {attempts} times in a row; what came is kept in {partial}: run again to go on"
    )]
    Cut {
        /// The file.
        file: String,
        /// Bytes that arrived.
        got: u64,
        /// Bytes that were announced.
        wanted: u64,
        /// How often it was tried.
        attempts: u32,
        /// Where the beginning lies.
        partial: PathBuf,
    },
    /// Bytes that are not those that were announced.
    #[error(
        "`{file}` arrived with {what} {found}, and the server announced {expected}; it was thrown away: run again to fetch it anew"
    )]
    Mismatch {
        /// The file.
        file: String,
        /// SHA-256 or size.
        what: &'static str,
        /// As announced.
        expected: String,
        /// As it arrived.
        found: String,
    },
    /// No way to the server.
    #[error("{url} cannot be reached ({reason}); check the network, HF_ENDPOINT and the proxy, or {elsewhere}")]
    Network {
        /// What was asked for.
        url: String,
        /// What the system says.
        reason: String,
        /// How to do without a network.
        elsewhere: String,
    },
    /// A file that is not in the cache, and no network to be used.
    #[error(
        "`{file}` of `{id}` at `{revision}` is not in the cache {cache}, and HF_HUB_OFFLINE forbids the network; {elsewhere}"
    )]
    Offline {
        /// The file, or what else was asked for.
        file: String,
        /// The repository.
        id: String,
        /// The revision.
        revision: String,
        /// The cache.
        cache: PathBuf,
        /// How to fetch it elsewhere.
        elsewhere: String,
    },
    /// A file of the cache that cannot be read or written.
    #[error("failed to {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Server { .. } | Self::Network { .. } | Self::Cut { .. })
    }

    /// The same after so many attempts.
    pub(crate) fn after(mut self, count: u32) -> Self {
        if let Self::Server { attempts, .. } | Self::Cut { attempts, .. } = &mut self {
            *attempts = count;
        }
        self
    }
}
