//! All triggers by name. Each has one file, and one line here.

pub mod blend;
pub mod image;
pub mod patch;
pub mod sig;
pub mod warp;

use crate::trigger::{TriggerEntry, trigger_entry};

/// All triggers.
pub static TRIGGERS: &[TriggerEntry] = &[
    trigger_entry::<patch::Patch>(),
    trigger_entry::<blend::Blend>(),
    trigger_entry::<warp::Warp>(),
    trigger_entry::<sig::Sig>(),
    trigger_entry::<image::Image>(),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value, json};

    use super::*;
    use crate::{Overlay, PictureUse};

    fn overlay() -> Overlay {
        Overlay::new([2, 2], 2, &[200, 255, 0, 128, 90, 255, 7, 64]).unwrap()
    }

    fn table(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_trigger_is_documented_uniquely_named_and_changes_images() {
        let names: BTreeSet<_> = TRIGGERS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), TRIGGERS.len());
        let overlay = overlay();
        for entry in TRIGGERS {
            assert!(!entry.summary.is_empty() && !entry.source.is_empty(), "{}", entry.name);
            let defaults = entry.resolve(&Map::new()).unwrap();
            let documented: BTreeSet<_> = entry.parameters.iter().map(|parameter| parameter.key).collect();
            assert_eq!(documented, defaults.keys().map(String::as_str).collect(), "{}", entry.name);
            let texts = entry.parameters.iter().all(|it| !it.meaning.is_empty() && !it.range.is_empty());
            assert!(texts, "{}", entry.name);
            let picture = (entry.picture == PictureUse::Required).then_some(&overlay);
            for shape in [[1, 28, 28], [3, 32, 20], [5, 16, 40]] {
                let stamp = entry.prepare(&defaults, shape, picture).unwrap();
                let before: Vec<u8> = (0..shape.iter().product::<usize>()).map(|i| (i * 37 % 251) as u8).collect();
                let mut after = before.clone();
                stamp.apply(&mut after);
                assert_ne!(before, after, "{} {shape:?}", entry.name);
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let refuses = |name: &str, settings: Value, message: &str| {
            let entry = unlearn_names::find("trigger", name, TRIGGERS, |entry| entry.name).unwrap();
            let error = entry.resolve(&table(&settings)).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        refuses("patch", json!({ "size": 0 }), "trigger `patch`: `size` is 0; it must be at least 1");
        refuses("patch", json!({ "value": 256 }), "`value` is 256; it must be 0 to 255");
        refuses("patch", json!({ "value": "white" }), "`value` cannot be \"white\"");
        refuses("patch", json!({ "offset": 1 }), "unknown key `offset`");
        refuses("blend", json!({ "alpha": 0 }), "`alpha` is 0; it must be above 0 and at most 1");
        refuses("blend", json!({ "alpha": 1.5 }), "`alpha` is 1.5");
        refuses("blend", json!({ "seed": -1 }), "`seed` cannot be -1");
        refuses("warp", json!({ "strength": 0 }), "`strength` is 0");
        refuses("warp", json!({ "grid": 1 }), "`grid` is 1; it must be 2 to 64");
        refuses("sig", json!({ "amplitude": 256 }), "`amplitude` is 256; it must be above 0 and at most 255");
        refuses("sig", json!({ "frequency": 0 }), "`frequency` is 0; it must be above 0");
        refuses("image", json!({ "corner": "middle" }), "`corner` cannot be \"middle\"");
    }

    #[test]
    fn a_trigger_that_does_not_fit_the_images_is_refused() {
        let large = Overlay::new([9, 2], 1, &[0; 18]).unwrap();
        let refuses = |name: &str, settings: Value, shape, picture, message: &str| {
            let entry = unlearn_names::find("trigger", name, TRIGGERS, |entry| entry.name).unwrap();
            let error = entry.prepare(&table(&settings), shape, picture).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        refuses(
            "patch",
            json!({}),
            [1, 28, 5],
            None,
            "trigger `patch` does not fit: 4 pixels a side, 2 from the right and bottom edges, take 6×6 pixels, but \
             images have 28×5 (height × width); make `size` or `margin` smaller",
        );
        refuses("patch", json!({ "size": 1, "margin": 4_294_967_295_u32 }), [1, 28, 28], None, "take 4294967296×");
        refuses(
            "image",
            json!({}),
            [1, 10, 28],
            Some(&large),
            "a picture of 9×2 pixels (height × width), 2 from the edges, does not fit into images of 10×28",
        );
        refuses("image", json!({}), [1, 28, 28], None, "needs a picture");
        refuses("sig", json!({}), [3, 9, 12], None, "6 periods need images more than 12 pixels wide");
        refuses("warp", json!({}), [3, 1, 1], None, "images of 1×1");
        refuses("warp", json!({}), [0, 9, 9], None, "have no pixel");
        let clear = Overlay::new([2, 2], 2, &[0; 8]).unwrap();
        refuses("image", json!({}), [1, 28, 28], Some(&clear), "transparent everywhere");
        let part = overlay();
        refuses("blend", json!({}), [1, 28, 28], Some(&part), "without transparency");
        let colour = Overlay::new([2, 2], 3, &[0; 12]).unwrap();
        refuses("blend", json!({}), [2, 28, 28], Some(&colour), "images of 2 channels");
    }
}
