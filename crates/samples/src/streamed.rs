//! Pictures that are decoded on demand, because all of them would not fit into memory.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;

use crate::error::Result;
use crate::picture::Picture;
use crate::resize;

/// The reason why a picture cannot be read: what, where, and the fix, as worded by the type that stores it.
pub type PictureError = Box<dyn StdError + Send + Sync>;

/// Stored pictures, for example in files or in rows of a table. This crate knows no file format. The code that opens
/// datasets implements this trait.
pub trait Pictures: Debug + Send + Sync {
    /// Number of pictures.
    fn count(&self) -> usize;

    /// The identity of picture `i` without its content: a name, and a length in bytes.
    ///
    /// # Errors
    /// If it is missing.
    fn identity(&self, i: usize) -> std::result::Result<(String, u64), PictureError>;

    /// Picture `i`, decoded, in grey or colour and of any size.
    ///
    /// # Errors
    /// If it cannot be read.
    fn picture(&self, i: usize) -> std::result::Result<Picture, PictureError>;
}

/// Pictures of an image set.
#[derive(Debug)]
pub(crate) struct Streamed {
    pictures: Box<dyn Pictures>,
    /// Height and width in evaluation.
    side: usize,
    /// BLAKE3 over the names and lengths.
    pub(crate) digest: blake3::Hash,
}

/// Two sets are equal if their pictures have the same names and lengths.
impl PartialEq for Streamed {
    fn eq(&self, other: &Self) -> bool {
        (self.side, self.digest) == (other.side, other.digest)
    }
}

impl Eq for Streamed {}

impl Streamed {
    /// # Errors
    /// If a picture is missing.
    pub(crate) fn new(pictures: impl Pictures + 'static, side: usize) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        for i in 0..pictures.count() {
            let (name, len) = pictures.identity(i)?;
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&len.to_le_bytes());
        }
        Ok(Self { pictures: Box::new(pictures), side, digest: hasher.finalize() })
    }

    /// Picture `i` in colour.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn picture(&self, i: usize) -> Result<Picture> {
        Ok(self.pictures.picture(i)?.with_channels(3))
    }

    /// The middle of picture `i`, as in the evaluation of ImageNet models: for 224 pixels, the shorter side is
    /// resized to 256.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn middle(&self, i: usize) -> Result<Picture> {
        let picture = resize::shorter_side(self.picture(i)?, self.side * 256 / 224);
        Ok(resize::middle_crop(picture, self.side, self.side))
    }
}

/// Some of the pictures of a set.
#[derive(Debug)]
pub(crate) struct Chosen {
    all: Arc<Streamed>,
    positions: Vec<u32>,
}

impl Chosen {
    pub(crate) fn new(all: Arc<Streamed>, positions: &[u32]) -> Self {
        Self { all, positions: positions.to_vec() }
    }
}

impl Pictures for Chosen {
    fn count(&self) -> usize {
        self.positions.len()
    }

    fn identity(&self, i: usize) -> std::result::Result<(String, u64), PictureError> {
        self.all.pictures.identity(self.positions[i] as usize)
    }

    fn picture(&self, i: usize) -> std::result::Result<Picture, PictureError> {
        self.all.pictures.picture(self.positions[i] as usize)
    }
}

#[cfg(test)]
mod tests {
    use crate::picture::Sides;
    use crate::{ImageSet, Normalization};

    use super::*;

    /// Flat grey pictures of 4 × 6 pixels with the given names. Picture 2 cannot be read.
    #[derive(Debug)]
    struct Flat(&'static [&'static str]);

    impl Pictures for Flat {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn identity(&self, i: usize) -> std::result::Result<(String, u64), PictureError> {
            Ok((self.0[i].to_owned(), 7))
        }

        fn picture(&self, i: usize) -> std::result::Result<Picture, PictureError> {
            if i == 2 {
                return Err(format!("failed to read {}: it is gone", self.0[i]).into());
            }
            Ok(Picture { sides: Sides { channels: 1, height: 4, width: 6 }, pixels: vec![i as u8 * 10; 24] })
        }
    }

    const NAMES: [&str; 3] = ["a.png", "b.png", "c.png"];

    #[test]
    fn pictures_are_decoded_in_colour_when_they_are_asked_for() {
        let set = ImageSet::streamed(Flat(&NAMES), vec![0, 1, 1], 2).unwrap();
        assert_eq!((set.len(), set.image_len(), set.pixels()), (3, 12, None));
        assert_eq!(*set.image(1).unwrap(), [10; 12]);
        let picture = set.picture(1).unwrap();
        assert_eq!(picture.sides, Sides { channels: 3, height: 4, width: 6 });
        for error in [set.image(2).unwrap_err(), Normalization::of(&set).unwrap_err()] {
            assert_eq!(error.to_string(), "failed to read c.png: it is gone");
        }
    }

    #[test]
    fn sets_are_the_same_whose_names_sides_and_labels_are() {
        let set = |names, labels: [u32; 3], side| ImageSet::streamed(Flat(names), labels.to_vec(), side).unwrap();
        let reference = set(&NAMES, [0, 1, 1], 2);
        assert_eq!(reference, set(&NAMES, [0, 1, 1], 2));
        for other in
            [set(&["a.png", "b.png", "d.png"], [0, 1, 1], 2), set(&NAMES, [0, 1, 0], 2), set(&NAMES, [0, 1, 1], 3)]
        {
            assert_ne!(reference, other);
        }
    }

    #[test]
    fn each_picture_has_a_label() {
        let error = ImageSet::streamed(Flat(&NAMES), vec![0, 1], 2).unwrap_err().to_string();
        assert_eq!(error, "2 labels do not make a set of 3 pictures; each picture has one");
    }
}
