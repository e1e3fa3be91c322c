//! Pictures that are decoded whenever they are asked for, since all of them would not fit into memory.

use crate::error::Result;
use crate::packed::Packed;
use crate::picture::Picture;
use crate::resize;

/// Pictures of a set of images.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Streamed {
    pictures: Vec<Packed>,
    /// Height and width that evaluation sees.
    side: usize,
    /// BLAKE3 over the files' names and lengths.
    pub(crate) digest: blake3::Hash,
}

impl Streamed {
    /// # Errors
    /// When a picture is not there.
    pub(crate) fn new(pictures: Vec<Packed>, side: usize) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        for picture in &pictures {
            let (name, len) = picture.identity()?;
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&len.to_le_bytes());
        }
        Ok(Self { pictures, side, digest: hasher.finalize() })
    }

    /// Picture `i` in colour.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn picture(&self, i: usize) -> Result<Picture> {
        Ok(self.pictures[i].decode()?.with_channels(3))
    }

    /// The middle of picture `i`, as ImageNet's models are evaluated: for 224 pixels, the shorter side is resized to 256.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn middle(&self, i: usize) -> Result<Picture> {
        let picture = resize::shorter_side(self.picture(i)?, self.side * 256 / 224);
        Ok(resize::middle_crop(picture, self.side, self.side))
    }
}
