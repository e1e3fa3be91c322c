//! The Hub, as the other crates use it.

use std::fmt;

use crate::{Kind, Options, Progress, Reference, Result, cache::Repository, client::Client};

/// Called as bytes arrive.
pub(crate) type OnProgress = Box<dyn Fn(&Progress<'_>) + Send + Sync>;

/// A Hub and its cache.
pub struct Hub {
    pub(crate) client: Client,
    pub(crate) on_progress: OnProgress,
}

impl Hub {
    /// A Hub with these options. No request is made yet.
    pub fn new(options: Options) -> Self {
        Self { client: Client::new(options), on_progress: Box::new(|_| ()) }
    }

    /// The Hub that the environment names ([`Options::from_environment`]). It logs the progress of a file every few
    /// megabytes.
    ///
    /// # Errors
    /// If a variable cannot be used.
    pub fn from_environment() -> Result<Self> {
        Ok(Self::new(Options::from_environment()?).on_progress(report))
    }

    /// The same Hub with a function that is called as bytes arrive.
    #[must_use]
    pub fn on_progress(self, told: impl Fn(&Progress<'_>) + Send + Sync + 'static) -> Self {
        Self { on_progress: Box::new(told), ..self }
    }

    /// The options.
    pub fn options(&self) -> &Options {
        &self.client.options
    }

    pub(crate) fn repository(&self, reference: &Reference, kind: Kind) -> Repository {
        Repository::new(&self.options().cache, reference, kind)
    }

    /// The address of an API request about a repository.
    pub(crate) fn api(&self, reference: &Reference, kind: Kind, path: &str) -> String {
        format!("{}/api/{}/{}/{path}", self.options().endpoint, kind.plural(), reference.id())
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("options", self.options()).finish_non_exhaustive()
    }
}

/// Bytes between two log lines of a download.
const STEP: u64 = 16 << 20;

fn report(progress: &Progress<'_>) {
    let Progress { file, done, total } = *progress;
    // A read gives less than a step, so each step is logged once.
    if done > 0 && (done == total || done / STEP > done.saturating_sub(1 << 16) / STEP) {
        tracing::info!("{file}: {:.1} of {:.1} MB", done as f64 / 1e6, total as f64 / 1e6);
    }
}

/// Text as one step of a URL's path. Characters other than letters, digits and `-._~` are percent-encoded. Slashes
/// stay if `path` is set.
pub(crate) fn encode(text: &str, path: bool) -> String {
    let encoded = text.bytes().map(|byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (path && byte == b'/');
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    encoded.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_urls() {
        assert_eq!(encode("refs/pr/1", false), "refs%2Fpr%2F1");
        assert_eq!(encode("data/Grüße 1?.bin", true), "data/Gr%C3%BC%C3%9Fe%201%3F.bin");
    }
}
