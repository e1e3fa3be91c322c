//! Triggers on images of any size and channel count, and detectors on features of any size.

use proptest::prelude::*;
use serde_json::Map;
use unlearn_backdoor::{DETECTORS, Error, Features, Overlay, PictureUse, TRIGGERS, TriggerChoice};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every trigger with its defaults either refuses the images, or gives the same result each time and treats each image separately.
    #[test]
    fn triggers_fit_any_shape_or_say_so(
        channels in 1_usize..6,
        height in 1_usize..40,
        width in 1_usize..40,
        seed in any::<u64>(),
    ) {
        let shape = [channels, height, width];
        let image: Vec<u8> = (0..channels * height * width)
            .map(|i| ((i as u64).wrapping_mul(0x9E37_79B9).wrapping_add(seed) >> 7) as u8)
            .collect();
        let overlay = Overlay::new([3, 2], 2, &[9, 255, 90, 128, 200, 0, 3, 1, 77, 254, 255, 255]).unwrap();
        for entry in TRIGGERS {
            let picture = (entry.picture == PictureUse::Required).then_some(&overlay);
            match entry.prepare(&Map::new(), shape, picture) {
                Ok(stamp) => {
                    let [mut one, mut two] = [image.clone(), image.clone()];
                    stamp.apply(&mut one);
                    stamp.apply(&mut vec![0; image.len()]);
                    stamp.apply(&mut two);
                    prop_assert_eq!(one, two);
                }
                Err(Error::Unfit { reason, .. }) => prop_assert!(!reason.is_empty()),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }

    /// A patch changes exactly its square.
    #[test]
    fn a_patch_changes_its_square_and_nothing_else(
        channels in 1_usize..4,
        height in 1_usize..20,
        width in 1_usize..20,
        size in 1_usize..22,
        margin in 0_usize..22,
    ) {
        let choice = TriggerChoice::named("patch").with("size", size).with("margin", margin).with("value", 200);
        let Ok(stamp) = choice.prepare([channels, height, width], None) else {
            prop_assert!(size + margin > height.min(width));
            return Ok(());
        };
        let mut image = vec![7; channels * height * width];
        stamp.apply(&mut image);
        for (i, pixel) in image.iter().enumerate() {
            let [y, x] = [i / width % height, i % width];
            let within = |at: usize, side: usize| (side - margin - size..side - margin).contains(&at);
            prop_assert_eq!(*pixel == 200, within(y, height) && within(x, width));
        }
    }

    /// Any values of settings are refused or give a trigger, without a panic.
    #[test]
    fn any_numbers_are_refused_or_used(
        alpha in any::<f64>(),
        strength in any::<f64>(),
        grid in 0_u32..80,
        frequency in any::<f64>(),
        width in 1_usize..30,
    ) {
        for choice in [
            TriggerChoice::named("blend").with("alpha", alpha),
            TriggerChoice::named("warp").with("strength", strength).with("grid", grid),
            TriggerChoice::named("sig").with("frequency", frequency).with("amplitude", alpha),
        ] {
            if let Ok(stamp) = choice.prepare([1, 5, width], None) {
                stamp.apply(&mut vec![128; 5 * width]);
            }
        }
    }

    /// Detectors accept features of any size. They name only samples that they were given, and each at most once.
    #[test]
    fn detectors_take_any_features(
        samples in 1_usize..40,
        dims in 1_usize..30,
        classes in 1_u32..4,
        scale in prop_oneof![Just(0.0_f32), Just(1e-20), Just(1.0), Just(1e18)],
        seed in any::<u32>(),
    ) {
        let values: Vec<f32> = (0..samples * dims)
            .map(|i| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 8e6 * scale)
            .collect();
        let labels: Vec<u32> = (0..samples as u32).map(|i| i % classes).collect();
        let positions: Vec<u32> = (0..samples as u32).map(|i| i * 5 + 2).collect();
        let features = Features::new(&values, dims, &labels, &positions).unwrap();
        for entry in DETECTORS {
            let found = entry.detect(&Map::new(), &features).unwrap();
            prop_assert!(found.suspicious.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(found.suspicious.iter().all(|position| positions.contains(position)));
            let counted: usize = found.classes.iter().map(|class| class.suspicious).sum();
            prop_assert_eq!(counted, found.suspicious.len());
            let finite = |class: &unlearn_backdoor::ClassFinding| class.statistics.iter().all(|(_, value)| value.is_finite());
            prop_assert!(found.classes.iter().all(finite));
        }
    }
}
