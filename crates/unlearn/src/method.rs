//! The name of a method with its settings.

use serde_json::{Map, Value};

/// A method of pruning or of unlearning, by name, with the settings that differ from its defaults. `unlearn methods`
/// lists names and settings; they are looked up when the method is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    pub(crate) name: String,
    pub(crate) settings: Value,
}

impl Method {
    /// The method with its default settings.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), settings: Value::Object(Map::new()) }
    }

    /// The same with one setting changed. The key is that of a suite, for example `rewind-epoch`.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        if let Value::Object(settings) = &mut self.settings {
            settings.insert(key.into(), value.into());
        }
        self
    }
}
