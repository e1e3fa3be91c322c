//! Results of torchvision's `RandAugment` for two pictures: `tests/golden/datasets/rand_augment_*.npy`, written by
//! the script beside them.

use crate::npy;
use crate::transforms::pillow_ops::Shape;
use crate::transforms::rand_augment::KINDS;

/// The strengths in the files.
const STRENGTHS: [usize; 4] = [1, 9, 18, 30];

/// A file's shape, its picture, and the results in the script's order.
fn read(mut file: &[u8]) -> (Shape, Vec<Vec<u8>>) {
    let header = npy::header(&mut file).unwrap();
    assert_eq!((header.descr.as_str(), header.column_major), ("|u1", false));
    let [_, channels, height, width] = header.shape[..] else { panic!("shape {:?}", header.shape) };
    let images = file.chunks_exact(channels * height * width).map(<[u8]>::to_vec).collect();
    ([channels, height, width], images)
}

#[test]
fn every_operation_is_torchvisions_pixel_for_pixel() {
    for colours in ["rgb", "grey"] {
        let (shape, images) = read(&unlearn_tests::golden::bytes(&format!("datasets/rand_augment_{colours}.npy")));
        let (picture, mut expected) = (&images[0], images[1..].iter());
        for kind in KINDS {
            for strength in STRENGTHS {
                for negative in [false, true] {
                    let mut image = picture.clone();
                    let operation = kind.operation(strength, negative, shape);
                    operation.apply(&mut image, shape);
                    assert_eq!(Some(&image), expected.next(), "{operation:?} of {shape:?}");
                }
            }
        }
        assert_eq!(expected.next(), None);
    }
}
