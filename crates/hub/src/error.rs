//! Errors with the Hub, and their fixes.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text that does not name a repository.
    #[error("`{}` names no repository of the Hub: {reason}", text.escape_debug())]
    Reference {
        /// The given text.
        text: String,
        /// The fault.
        reason: String,
    },
    /// A file name that could lead out of its repository.
    #[error("`{name}` is not a valid file name in a repository: it {reason}")]
    FileName {
        /// The name.
        name: String,
        /// The fault.
        reason: String,
    },
    /// The user interrupted the program. A partial download stays, and the next one goes on from it.
    #[error("it was interrupted")]
    Interrupted,
    /// An environment variable that cannot be used.
    #[error("{variable} cannot be used: {reason}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// The fault and the fix.
        reason: String,
    },
    /// A repository that does not exist or is private.
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
        /// The requested revision.
        revision: String,
    },
    /// A repository without that file.
    #[error("`{id}` at `{revision}` has no file `{file}`; {nearest}")]
    NoFile {
        /// The repository.
        id: String,
        /// The revision.
        revision: String,
        /// The requested file.
        file: String,
        /// The nearest files that it has, in words.
        nearest: String,
    },
    /// A missing token, or one that the server does not know.
    #[error("{url} answered 401: a token is needed; make one on the Hub's page of access tokens and set HF_TOKEN")]
    Unauthorized {
        /// The requested address.
        url: String,
    },
    /// A repository whose licence must be accepted first.
    #[error("`{id}` is gated: accept its licence on {page} and set HF_TOKEN to a token of that account")]
    Gated {
        /// The repository.
        id: String,
        /// The page on which to accept it.
        page: String,
    },
    /// A token without the right for this request.
    #[error(
        "{url} answered 403: the token may not do this{said}; HF_TOKEN needs the right to read, or to write for a push"
    )]
    Forbidden {
        /// The requested address.
        url: String,
        /// The server's reason, with `: ` before it, or nothing.
        said: String,
    },
    /// Too many requests.
    #[error("{url} answered 429, too many requests; try again {after}")]
    TooMany {
        /// The requested address.
        url: String,
        /// The time of the next attempt, in words.
        after: String,
    },
    /// A server error.
    #[error("{url} answered {status}{said}; asked {attempts} times. The Hub is at fault: try again later")]
    Server {
        /// The requested address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's reason, with `: ` before it, or nothing.
        said: String,
        /// Number of attempts.
        attempts: u32,
    },
    /// Any other refusal.
    #[error("{url} answered {status}{said}")]
    Refused {
        /// The requested address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's reason, with `: ` before it, or nothing.
        said: String,
    },
    /// An answer that does not follow the Hub's protocol.
    #[error("{url} gave an answer that cannot be used: {reason}")]
    Answer {
        /// The requested address.
        url: String,
        /// The fault.
        reason: String,
    },
    /// A connection that was cut in every attempt.
    #[error(
        "`{file}` was cut after {got} of {wanted} bytes, {attempts} times in a row; its start is kept in {partial}: run again to continue"
    )]
    Cut {
        /// The file.
        file: String,
        /// Bytes that arrived.
        got: u64,
        /// Bytes that were announced.
        wanted: u64,
        /// Number of attempts.
        attempts: u32,
        /// The file with the received part.
        partial: PathBuf,
    },
    /// Content that differs from the announcement.
    #[error(
        "`{file}` arrived with {what} {found}, but the server announced {expected}; it was deleted: run again to fetch it again"
    )]
    Mismatch {
        /// The file.
        file: String,
        /// SHA-256 or size.
        what: &'static str,
        /// The announced value.
        expected: String,
        /// The received value.
        found: String,
    },
    /// A server that cannot be reached.
    #[error("{url} cannot be reached ({reason}); check the network, HF_ENDPOINT and the proxy, or {elsewhere}")]
    Network {
        /// The requested address.
        url: String,
        /// The system's reason.
        reason: String,
        /// How to proceed without a network.
        elsewhere: String,
    },
    /// A file that is not in the cache while the network is forbidden.
    #[error("{what} is not in the cache {cache}, and HF_HUB_OFFLINE forbids the network; {elsewhere}")]
    Offline {
        /// The repository at its revision, or a file of it, in words.
        what: String,
        /// The cache.
        cache: PathBuf,
        /// How to fetch it elsewhere.
        elsewhere: String,
    },
    /// A file of the cache that cannot be read or written.
    #[error("failed to {action} {path}: {source}")]
    Io {
        /// The attempted action.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether a retry may succeed.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Server { .. } | Self::Network { .. } | Self::Cut { .. })
    }

    /// The same error after a number of attempts.
    pub(crate) fn after(mut self, count: u32) -> Self {
        if let Self::Server { attempts, .. } | Self::Cut { attempts, .. } = &mut self {
            *attempts = count;
        }
        self
    }
}
