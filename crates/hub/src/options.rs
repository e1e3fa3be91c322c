//! The Hub's address and other options, from the environment variables of Python's `huggingface_hub`.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, Result};

/// The Hub's address and other options.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// The server, without a slash at the end (`HF_ENDPOINT`).
    pub endpoint: String,
    /// The cache (`HF_HUB_CACHE`, or `hub` in `HF_HOME`).
    pub cache: PathBuf,
    /// The access token (`HF_TOKEN`, or the file `HF_TOKEN_PATH`, or `token` in `HF_HOME`). It is sent only to
    /// `endpoint`.
    pub token: Option<String>,
    /// Use only the cache (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// Maximum number of attempts after temporary failures.
    pub attempts: u32,
    /// Time before the second attempt. It doubles with each.
    pub backoff: Duration,
}

impl Options {
    /// Options with a server and a cache, without a token, and with three attempts.
    pub fn new(endpoint: impl Into<String>, cache: impl Into<PathBuf>) -> Self {
        let endpoint = endpoint.into().trim_end_matches('/').to_owned();
        Self {
            endpoint,
            cache: cache.into(),
            token: None,
            offline: false,
            attempts: 3,
            backoff: Duration::from_millis(500),
        }
    }

    /// Options from the environment.
    ///
    /// # Errors
    /// If the endpoint is not a web address, there is no home folder for the cache, a token file cannot be read, or a
    /// token cannot be sent.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(&|name| env::var(name).ok())
    }

    /// The same from any source of variables. An empty variable counts as not set.
    fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let path = |name| get(name).map(PathBuf::from);
        let endpoint = get("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
            let reason = format!("`{endpoint}` must begin with http:// or https://");
            return Err(Error::Environment { variable: "HF_ENDPOINT", reason });
        }
        let home = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .or_else(|| Some(env::home_dir()?.join(".cache/huggingface")));
        let home = home.ok_or_else(|| {
            let reason = "it is not set and there is no home folder; set it to a folder for the cache".into();
            Error::Environment { variable: "HF_HOME", reason }
        })?;
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = match get("HF_TOKEN") {
            Some(token) => Some(token),
            None => read_token(&token_file)?,
        };
        if token.as_deref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            let reason = "a token is one word of ASCII characters".into();
            return Err(Error::Environment { variable: "HF_TOKEN", reason });
        }
        let set = |name| get(name).is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&&*value.to_uppercase()));
        let cache = path("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub"));
        Ok(Self { token, offline: set("HF_HUB_OFFLINE"), ..Self::new(endpoint, cache) })
    }
}

/// The first word of a token file. `None` if there is no file.
fn read_token(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|token| !token.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { action: "read the token in", path: path.into(), source }),
    }
}

/// The token is omitted, so that no log holds it.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, cache, token, offline, attempts, backoff } = self;
        let token = if token.is_some() { "set" } else { "not set" };
        f.debug_struct("Options")
            .field("endpoint", endpoint)
            .field("cache", cache)
            .field("token", &token)
            .field("offline", offline)
            .field("attempts", attempts)
            .field("backoff", backoff)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Options> {
        Options::from_variables(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_are_those_of_python() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let plain = of(&[("HF_HOME", home)]).unwrap();
        assert_eq!(plain, Options::new("https://huggingface.co", folder.path().join("hub")));

        fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let options =
            of(&[("HF_HOME", home), ("HF_ENDPOINT", "http://127.0.0.1:1/"), ("HF_HUB_OFFLINE", "yes")]).unwrap();
        assert_eq!((&*options.endpoint, options.token.as_deref()), ("http://127.0.0.1:1", Some("hf_file")));
        assert!(options.offline);
        let options = of(&[("HF_HOME", home), ("HF_TOKEN", "hf_set"), ("HF_HUB_CACHE", "/c")]).unwrap();
        assert_eq!((options.token.as_deref(), options.cache), (Some("hf_set"), "/c".into()));
        let options = of(&[("XDG_CACHE_HOME", home), ("HF_HUB_OFFLINE", "0"), ("HF_TOKEN", "")]).unwrap();
        assert_eq!((options.token, options.offline), (None, false));
        assert_eq!(options.cache, folder.path().join("huggingface/hub"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_a_token_is_never_shown() {
        let message = |variables: &[(&str, &str)]| of(variables).unwrap_err().to_string();
        assert!(message(&[("HF_ENDPOINT", "ftp://x")]).contains("HF_ENDPOINT cannot be used"));
        let refused = message(&[("HF_HOME", "/absent"), ("HF_TOKEN", "se\ncret")]);
        assert!(refused.contains("HF_TOKEN") && !refused.contains("cret"), "{refused}");
        let shown = format!("{:?}", of(&[("HF_HOME", "/absent"), ("HF_TOKEN", "secret")]).unwrap());
        assert!(shown.contains("\"set\"") && !shown.contains("secret"), "{shown}");
    }
}
