//! Triggers: their interface, and the choice of one with its settings.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::overlay::Overlay;
use crate::parameter::Parameter;
use crate::settings::{self, Settings};
use crate::triggers::TRIGGERS;

/// Whether a trigger lays a picture over images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureUse {
    /// It takes no picture.
    Never,
    /// It may take a picture instead of its own pattern.
    Optional,
    /// It needs a picture, which is the trigger.
    Required,
}

/// A trigger. Each has one file, and one line in the registry.
pub trait Trigger {
    /// Name in suites, files and reports.
    const NAME: &'static str;
    /// Description in one line.
    const SUMMARY: &'static str;
    /// Paper and section.
    const SOURCE: &'static str;
    /// Its settings. Each key occurs once.
    const PARAMETERS: &'static [Parameter];
    /// Whether it lays a picture over images.
    const PICTURE: PictureUse = PictureUse::Never;
    /// Its settings as a type.
    type Config: DeserializeOwned + Serialize;

    /// The default settings.
    fn defaults() -> Self::Config;

    /// Checks ranges that do not depend on images.
    ///
    /// # Errors
    /// A message with the key, the value, and the values that are allowed.
    fn check(config: &Self::Config) -> std::result::Result<(), String>;

    /// Makes the trigger for images `[channels, height, width]`. The settings have been checked. Whether a picture is given agrees with
    /// [`Self::PICTURE`].
    ///
    /// # Errors
    /// A message, if the trigger does not fit such images.
    fn prepare(
        config: &Self::Config,
        shape: [usize; 3],
        picture: Option<&Overlay>,
    ) -> std::result::Result<Stamp, String>;
}

type Change = dyn Fn(&mut [u8]) + Send + Sync;

/// A trigger made for images of one shape.
pub struct Stamp {
    shape: [usize; 3],
    change: Box<Change>,
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Stamp {
    /// The trigger that changes an image `[channels, height, width]` in this way.
    pub fn new(shape: [usize; 3], change: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self { shape, change: Box::new(change) }
    }

    /// Sets the trigger into an image, planes `[channels, height, width]`, values 0 to 255.
    ///
    /// # Panics
    /// If the image has another shape than the trigger was made for.
    pub fn apply(&self, image: &mut [u8]) {
        assert_eq!(image.len(), self.shape.iter().product::<usize>(), "an image of another shape");
        (self.change)(image);
    }
}

/// A trigger with its types erased, for the registry. [`trigger_entry`] makes one.
pub struct TriggerEntry {
    /// Name in suites, files and reports.
    pub name: &'static str,
    /// Description in one line.
    pub summary: &'static str,
    /// Paper and section.
    pub source: &'static str,
    /// Its settings.
    pub parameters: &'static [Parameter],
    /// Whether it lays a picture over images.
    pub picture: PictureUse,
    resolve: fn(&Settings) -> Result<Settings>,
    prepare: fn(&Settings, [usize; 3], Option<&Overlay>) -> Result<Stamp>,
}

impl fmt::Debug for TriggerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggerEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The registry entry of a trigger.
pub const fn trigger_entry<T: Trigger>() -> TriggerEntry {
    TriggerEntry {
        name: T::NAME,
        summary: T::SUMMARY,
        source: T::SOURCE,
        parameters: T::PARAMETERS,
        picture: T::PICTURE,
        resolve: resolve::<T>,
        prepare: prepare::<T>,
    }
}

impl TriggerEntry {
    /// Fills in the defaults and checks every key.
    ///
    /// # Errors
    /// If a key is unknown, or a value has the wrong type or is out of range.
    pub fn resolve(&self, settings: &Settings) -> Result<Settings> {
        (self.resolve)(settings)
    }

    /// Makes the trigger for images `[channels, height, width]`.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); if a picture is missing or superfluous; if the trigger does not fit the images.
    pub fn prepare(&self, settings: &Settings, shape: [usize; 3], picture: Option<&Overlay>) -> Result<Stamp> {
        (self.prepare)(settings, shape, picture)
    }
}

fn parse<T: Trigger>(settings: &Settings) -> Result<T::Config> {
    let fail = |reason| Error::Settings { kind: "trigger", name: T::NAME, reason };
    let config = settings::over(T::defaults(), settings).map_err(fail)?;
    T::check(&config).map_err(fail)?;
    Ok(config)
}

fn resolve<T: Trigger>(settings: &Settings) -> Result<Settings> {
    let fail = |reason| Error::Settings { kind: "trigger", name: T::NAME, reason };
    match serde_json::to_value(parse::<T>(settings)?) {
        Ok(Value::Object(keys)) => Ok(keys),
        Ok(other) => Err(fail(format!("its settings are no table: {other}"))),
        Err(error) => Err(fail(error.to_string())),
    }
}

fn prepare<T: Trigger>(settings: &Settings, shape: [usize; 3], picture: Option<&Overlay>) -> Result<Stamp> {
    let config = parse::<T>(settings)?;
    let unfit = |reason| Error::Unfit { trigger: T::NAME, reason };
    match (T::PICTURE, picture) {
        (PictureUse::Never, Some(_)) => return Err(unfit("it takes no picture; leave out the file".into())),
        (PictureUse::Required, None) => {
            return Err(unfit(format!("it needs a picture; name its file, as in `{}:FILE`", T::NAME)));
        }
        _ => {}
    }
    if shape.contains(&0) {
        let [channels, height, width] = shape;
        return Err(unfit(format!("images of {channels}×{height}×{width} (channels, height, width) have no pixel")));
    }
    T::prepare(&config, shape, picture).map_err(unfit)
}

/// A trigger by name, with its settings. It is written as one table: `{ name = "patch", value = 255 }`. A text is read as a name
/// without settings: `"patch"` or `"image:FILE"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct TriggerChoice {
    /// Name in [`TRIGGERS`].
    pub name: String,
    /// The file of the picture, if the trigger takes one. This crate does not open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// [`Overlay::digest`] of the picture. [`resolved`](Self::resolved) fills it in, and from then on no other picture
    /// is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Settings that differ from the defaults; all of them once [`resolved`](Self::resolved).
    #[serde(flatten)]
    pub settings: Settings,
}

impl TryFrom<Value> for TriggerChoice {
    type Error = String;

    fn try_from(value: Value) -> std::result::Result<Self, String> {
        let mut table = match value {
            Value::String(text) => return Self::parse(&text).map_err(|error| error.to_string()),
            Value::Object(table) => table,
            other => return Err(format!("a trigger is a name or a table with the key `name`, found {other}")),
        };
        let mut text = |key: &str| match table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("`{key}` of a trigger must be a string, found {other}")),
        };
        let (name, file, digest) = (text("name")?, text("file")?, text("digest")?);
        let name = name.ok_or("a trigger needs the key `name`, such as `name = \"patch\"`")?;
        let (name, named) = split_name(&name);
        if file.is_some() && named.is_some() {
            return Err(format!("the trigger `{name}` names its picture twice; leave out the key `file`"));
        }
        Ok(Self { name: name.into(), file: named.or(file.map(PathBuf::from)), digest, settings: table })
    }
}

/// The parts of `NAME` or `NAME:FILE`.
fn split_name(text: &str) -> (&str, Option<PathBuf>) {
    text.split_once(':').map_or((text, None), |(name, file)| (name, Some(PathBuf::from(file))))
}

impl TriggerChoice {
    /// The trigger with this name and its defaults.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), file: None, digest: None, settings: Settings::new() }
    }

    /// Reads `NAME`, or `NAME:FILE` for a trigger that takes a picture.
    ///
    /// # Errors
    /// If the name is unknown, if a required file is missing, or if a file is given for a trigger that takes none.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, file) = split_name(text);
        let choice = Self { file, ..Self::named(name) };
        choice.check_file()?;
        Ok(choice)
    }

    /// The same choice with one more setting.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    /// The registry's entry.
    ///
    /// # Errors
    /// If the name is unknown. The error lists the valid ones.
    pub fn entry(&self) -> Result<&'static TriggerEntry> {
        Ok(unlearn_names::find("trigger", &self.name, TRIGGERS, |entry| entry.name)?)
    }

    /// The file that the caller opens and decodes, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The same choice with every setting and the digest of its picture, checked. Equal results mean equal triggers, so a stage's
    /// description holds this form.
    ///
    /// # Errors
    /// If the name or a setting is wrong; if the picture is missing, superfluous, or does not have the digest.
    pub fn resolved(&self, picture: Option<&Overlay>) -> Result<Self> {
        self.check_file()?;
        let digest = self.check_picture(picture)?;
        Ok(Self { digest, settings: self.entry()?.resolve(&self.settings)?, ..self.clone() })
    }

    /// Makes the trigger for images `[channels, height, width]`.
    ///
    /// # Errors
    /// As [`resolved`](Self::resolved), and if the trigger does not fit the images.
    pub fn prepare(&self, shape: [usize; 3], picture: Option<&Overlay>) -> Result<Stamp> {
        self.check_picture(picture)?;
        self.entry()?.prepare(&self.settings, shape, picture)
    }

    fn check_file(&self) -> Result<()> {
        let entry = self.entry()?;
        let unfit = |reason| Err(Error::Unfit { trigger: entry.name, reason });
        match (entry.picture, &self.file) {
            (PictureUse::Never, Some(file)) => {
                unfit(format!("it takes no picture, but `{}` was given; write `{}`", file.display(), entry.name))
            }
            (PictureUse::Required, None) => {
                unfit(format!("it needs a picture; name its file, as in `{}:FILE`", entry.name))
            }
            (_, Some(file)) if file.as_os_str().is_empty() => {
                unfit(format!("the file's name is empty; write `{}:FILE`", entry.name))
            }
            _ => Ok(()),
        }
    }

    /// The digest of the picture, after a check that it is the described one.
    fn check_picture(&self, picture: Option<&Overlay>) -> Result<Option<String>> {
        let found = picture.map(Overlay::digest);
        let trigger = self.entry()?.name;
        match (&self.digest, &found, &self.file) {
            (Some(expected), Some(found), _) if expected != found => {
                Err(Error::OtherPicture { trigger, expected: expected.clone(), found: found.clone() })
            }
            (Some(_), None, _) | (None, None, Some(_)) => {
                let reason = "its picture was not passed in; open the file and pass the decoded picture".to_owned();
                Err(Error::Unfit { trigger, reason })
            }
            _ => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(value: u8) -> Overlay {
        Overlay::new([1, 1], 1, &[value]).unwrap()
    }

    #[test]
    fn a_name_may_carry_a_file() {
        let choice = TriggerChoice::parse("image:logos/a:b.png").unwrap();
        assert_eq!((choice.name.as_str(), choice.file()), ("image", Some(Path::new("logos/a:b.png"))));
        assert_eq!(TriggerChoice::parse("sig").unwrap(), TriggerChoice::named("sig"));
        let refuses = |text: &str, message: &str| {
            let error = TriggerChoice::parse(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        refuses("pach", "unknown trigger `pach` (did you mean `patch`?); valid names: patch, blend, warp, sig, image");
        refuses("image", "trigger `image` does not fit: it needs a picture; name its file, as in `image:FILE`");
        refuses("image:", "the file's name is empty; write `image:FILE`");
        refuses("patch:a.png", "it takes no picture, but `a.png` was given; write `patch`");
    }

    #[test]
    fn resolving_fills_in_every_setting_and_the_digest() {
        let resolved = TriggerChoice::named("patch").with("size", 3).resolved(None).unwrap();
        assert_eq!(serde_json::to_string(&resolved.settings).unwrap(), r#"{"margin":2,"size":3,"value":0}"#);
        assert_eq!(resolved.resolved(None).unwrap(), resolved);
        let image = TriggerChoice::parse("image:a.png").unwrap().resolved(Some(&grey(7))).unwrap();
        assert_eq!(image.digest, Some(grey(7).digest()));
    }

    #[test]
    fn another_picture_than_the_one_described_is_refused() {
        let image = TriggerChoice::parse("image:a.png").unwrap();
        assert!(image.resolved(None).unwrap_err().to_string().contains("its picture was not passed in"));
        let resolved = image.resolved(Some(&grey(7))).unwrap();
        assert!(resolved.prepare([1, 9, 9], Some(&grey(7))).is_ok());
        let error = resolved.prepare([1, 9, 9], Some(&grey(8))).unwrap_err().to_string();
        assert!(error.contains("the picture of trigger `image` is another one"), "{error}");
        let error = TriggerChoice::named("patch").prepare([1, 9, 9], Some(&grey(7))).unwrap_err().to_string();
        assert!(error.contains("it takes no picture"), "{error}");
        let error = TriggerChoice::parse("blend:a.png").unwrap().prepare([1, 9, 9], None).unwrap_err().to_string();
        assert!(error.contains("its picture was not passed in"), "{error}");
    }

    #[test]
    fn a_choice_is_a_name_or_a_table() {
        let choice = TriggerChoice::parse("blend:a.png").unwrap().with("alpha", 0.1);
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!(text, r#"{"name":"blend","file":"a.png","alpha":0.1}"#);
        let read = |text: &str| serde_json::from_str::<TriggerChoice>(text).map_err(|error| error.to_string());
        assert_eq!(read(&text), Ok(choice.clone()));
        assert_eq!(read(r#"{"name":"blend:a.png","alpha":0.1}"#), Ok(choice));
        assert_eq!(read(r#""patch""#), Ok(TriggerChoice::named("patch")));
        let refused = |text: &str, words: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        refused(r#""pach""#, "did you mean `patch`");
        refused(r#"{"size":3}"#, "needs the key `name`");
        refused("3", "found 3");
        refused(r#"{"name":3}"#, "`name` of a trigger must be a string");
        refused(r#"{"name":"image:a.png","file":"b.png"}"#, "names its picture twice");
        let unknown = read(r#"{"name":"patch","sise":3}"#).unwrap().resolved(None).unwrap_err().to_string();
        assert!(unknown.contains("did you mean `size`"), "{unknown}");
    }
}
