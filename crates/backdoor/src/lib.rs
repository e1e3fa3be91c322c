//! Backdoors: triggers, poisoned training sets, figures, and detectors of poison.
//!
//! A backdoor is a pattern (the *trigger*) that makes a model answer with one class (the *target*). A model learns it from *poison*:
//! training images that show the trigger and carry the target's label.
//!
//! - [`TRIGGERS`] change the pixels of images of any size and channel count. A [`TriggerChoice`] names a trigger and its settings.
//! - [`Poison`] is a serialisable description of a poisoned training set. It draws positions ([`Poison::draw`]), makes the poisoned data
//!   set ([`Poison::apply`]), and makes the test set that measures the attack ([`Poison::triggered_test`]).
//! - [`figures`] are the attack success rate (ASR), the clean accuracy (SA), and the quality of a detector.
//! - [`DETECTORS`] find suspicious samples from a model's [`Features`], without knowledge of the poison. Their result can be the forget
//!   set of a cleanse.
//!
//! The crate works on plain memory. It uses no tensor library, opens no file and trains no model.
//!
//! ```
//! use unlearn_backdoor::{Labels, Poison, TriggerChoice, figures};
//! use unlearn_samples::{Augmentation, Dataset, ImageSet, Normalization, Sampler, SplitOptions, split};
//!
//! // 200 grey images of 8 × 8 pixels in four classes.
//! let grey = |count: u32| ImageSet::new([1, 8, 8], vec![90; 64 * count as usize], (0..count).map(|i| i % 4).collect::<Vec<_>>());
//! let classes = ["a", "b", "c", "d"].map(String::from).to_vec();
//! let normalization = Normalization { mean: vec![0.5], std: vec![0.25] };
//! let dataset = Dataset::new("grey", classes, normalization, Augmentation::NONE, grey(200)?, grey(40)?);
//! let split = split::split(&dataset, &SplitOptions::default())?;
//!
//! let poison = Poison {
//!     trigger: TriggerChoice::named("patch"),
//!     target: 0,
//!     labels: Labels::Dirty,
//!     count: Some(18),
//!     fraction: None,
//!     sampler: Sampler::NumpyLegacy,
//!     seed: 2,
//! };
//! let poisoned = poison.apply(&dataset, &split, None)?;
//! assert_eq!(poisoned.positions.len(), 18);
//! assert!(poisoned.positions.iter().all(|&position| poisoned.dataset.train.labels[position as usize] == 0));
//! assert_ne!(poisoned.dataset.fingerprint, dataset.fingerprint);
//!
//! // A model that always answers with the target: every attack succeeds, and a quarter of the clean answers are right.
//! let test = poison.triggered_test(&dataset, None)?;
//! let answers = vec![0; test.true_classes().len()];
//! assert_eq!(figures::asr(&answers, test.true_classes(), test.target())?, 100.0);
//! assert_eq!(figures::sa(&answers, &dataset.test.labels)?, 25.0);
//! # Ok::<(), unlearn_backdoor::Error>(())
//! ```

mod detector;
pub mod detectors;
mod error;
mod features;
pub mod figures;
mod k_means;
mod overlay;
mod parameter;
mod poison;
mod poisoned;
mod principal;
mod settings;
mod trigger;
pub mod triggers;

pub use detector::{ClassFinding, Detection, Detector, DetectorEntry, detector_entry};
pub use detectors::DETECTORS;
pub use error::{Error, Result};
pub use features::Features;
pub use overlay::Overlay;
pub use parameter::Parameter;
pub use poison::{Labels, Poison};
pub use poisoned::{Poisoned, TriggeredTest};
pub use settings::Settings;
pub use trigger::{PictureUse, Stamp, Trigger, TriggerChoice, TriggerEntry, trigger_entry};
pub use triggers::TRIGGERS;
