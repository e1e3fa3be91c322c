//! A forward pass of a batch, in the form in which the network's executor takes images best.

use unlearn_network::{Mode, Network, Pixels, Placement};
use unlearn_samples::{Batch, Images, Transform};

use crate::Result;

/// Logits `[count, classes]` for a batch. A batch in bytes reaches a device as bytes.
///
/// # Errors
/// As [`Network::forward`].
pub fn see(network: &mut Network, batch: &Batch, mode: Mode, logits: &mut Vec<f32>) -> Result<()> {
    if network.takes_bytes() {
        as_pixels(&batch.images, |pixels| network.forward_pixels(pixels, mode, logits))?;
    } else {
        network.forward(&batch.images, mode, logits)?;
    }
    Ok(())
}

/// Calls `take` with the images, as bytes if they are bytes.
pub(crate) fn as_pixels<R>(images: &Images, take: impl FnOnce(Pixels<'_>) -> R) -> R {
    let Some(bytes) = images.bytes() else { return take(Pixels::Floats(images)) };
    let moves = bytes.transforms.iter().any(|transform| *transform != Transform::IDENTITY);
    let placement = |transform: &Transform| Placement {
        down: transform.down as i32,
        right: transform.right as i32,
        flip: transform.flip,
    };
    let placements: Vec<_> = bytes.transforms.iter().filter(|_| moves).map(placement).collect();
    take(Pixels::Bytes { bytes: &bytes.bytes, placements: &placements })
}

#[cfg(test)]
mod tests {
    use unlearn_samples::{Augmentation, BatchOptions, BatchPlan, ImageSet};

    use super::*;

    #[test]
    fn bytes_and_placements_make_the_values_of_the_batch() {
        let images =
            ImageSet::new([2, 5, 4], (0..6 * 40).map(|i| (i * 7) as u8).collect::<Vec<_>>(), vec![0; 6]).unwrap();
        for augmentation in [Augmentation { crop_padding: 2, flip: true, ..Augmentation::NONE }, Augmentation::NONE] {
            let plan = BatchPlan::new(&images, [0, 1, 2, 3, 4, 5], BatchOptions::training(6, augmentation, 3)).unwrap();
            let values = plan.epoch(1, 0).next().unwrap().unwrap().images;
            let bytes = plan.in_bytes(true).epoch(1, 0).next().unwrap().unwrap().images;
            as_pixels(&bytes, |pixels| {
                let Pixels::Bytes { placements, .. } = pixels else { panic!("no bytes") };
                assert_eq!(placements.is_empty(), augmentation == Augmentation::NONE);
                assert_eq!(*pixels.floats([2, 5, 4]), *values);
            });
            as_pixels(&values, |pixels| assert!(matches!(pixels, Pixels::Floats(_))));
        }
    }
}
