//! Stored pictures, in files or in rows of a table, and their conversion to images of one shape.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
#[cfg(feature = "parquet")]
use std::sync::Arc;

use rayon::prelude::*;
use unlearn_samples::ImageSet;
use unlearn_samples::resize;
use unlearn_samples::{Picture, PictureError, Pictures, Sides};

use crate::error::{Error, Result, damaged};
#[cfg(feature = "parquet")]
use crate::formats::parquet::StoredTable;
use crate::formats::picture::{self, Checked};

/// Maximum bytes of one picture's file.
pub(crate) const FILE_LIMIT: u64 = 1 << 28;

/// A PNG or JPEG file that is not decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packed {
    /// A file of its own.
    File(PathBuf),
    /// A row of the table in a file.
    #[cfg(feature = "parquet")]
    Row {
        /// The table's file.
        table: Arc<Path>,
        /// Number of the row.
        row: usize,
        /// The picture's file.
        bytes: Vec<u8>,
    },
    /// A row of a table that stays on disk.
    #[cfg(feature = "parquet")]
    Stored {
        /// The table.
        table: Arc<StoredTable>,
        /// Number of the row.
        row: usize,
    },
}

impl Packed {
    fn read(&self) -> Result<Cow<'_, [u8]>> {
        match self {
            #[cfg(feature = "parquet")]
            Self::Row { bytes, .. } => Ok(bytes.into()),
            #[cfg(feature = "parquet")]
            Self::Stored { table, row } => table.read(*row).map(Cow::from),
            Self::File(path) => {
                let failed = |source| Error::Io { action: "read", path: path.into(), source };
                unlearn_files::read(path, FILE_LIMIT).map(Cow::from).map_err(failed)
            }
        }
    }

    /// The file, if the picture has one of its own.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            #[cfg(feature = "parquet")]
            Self::Row { .. } | Self::Stored { .. } => None,
        }
    }

    fn refuse(&self, problem: &str) -> Error {
        #[cfg(feature = "parquet")]
        let in_row = |path, row| damaged(path, format!("the image in row {row}: {problem}"));
        match self {
            Self::File(path) => damaged(path, problem),
            #[cfg(feature = "parquet")]
            Self::Row { table, row, .. } => in_row(table, row),
            #[cfg(feature = "parquet")]
            Self::Stored { table, row } => in_row(table.path(), row),
        }
    }

    fn try_map<T>(&self, f: impl FnOnce(&[u8]) -> Checked<T>) -> Result<T> {
        f(&self.read()?).map_err(|problem| self.refuse(&problem))
    }

    /// The identity of a picture without its content. For a file: its name and its length in bytes. For a table on
    /// disk: the table's name and length, and the row's number. For a row in memory: its own length.
    ///
    /// # Errors
    /// If a file is missing.
    pub(crate) fn identity(&self) -> Result<(String, u64)> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self {
            #[cfg(feature = "parquet")]
            Self::Stored { table, row } => Ok((format!("{} {row}", name(table.path())), table.len)),
            #[cfg(feature = "parquet")]
            Self::Row { row, bytes, .. } => Ok((row.to_string(), bytes.len() as u64)),
            Self::File(path) => {
                let found =
                    path.metadata().map_err(|source| Error::Io { action: "find", path: path.into(), source })?;
                Ok((name(path), found.len()))
            }
        }
    }

    /// The dimensions, from the header.
    pub(crate) fn sides(&self) -> Result<Sides> {
        self.try_map(picture::sides)
    }

    /// The picture.
    pub(crate) fn decode(&self) -> Result<Picture> {
        self.try_map(picture::decode)
    }
}

impl Pictures for PackedSet {
    fn count(&self) -> usize {
        self.pictures.len()
    }

    fn identity(&self, i: usize) -> std::result::Result<(String, u64), PictureError> {
        Ok(self.pictures[i].identity()?)
    }

    fn picture(&self, i: usize) -> std::result::Result<Picture, PictureError> {
        Ok(self.pictures[i].decode()?)
    }
}

/// The conversion of pictures to images of one shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// All pictures must have the shape.
    Exact,
    /// The shorter side is resized to that of the shape, and the middle is taken.
    Middle,
}

/// Pictures with one label each.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedSet {
    pub(crate) pictures: Vec<Packed>,
    pub(crate) labels: Vec<u32>,
}

impl PackedSet {
    /// Images of `side` × `side` pixels that are decoded from their files on demand.
    ///
    /// # Errors
    /// If a picture is missing.
    pub(crate) fn stream(mut self, side: usize) -> Result<ImageSet> {
        let labels = std::mem::take(&mut self.labels);
        Ok(ImageSet::streamed(self, labels, side)?)
    }

    /// The common shape `[channels, height, width]` of all pictures, or the shape for `size`. It is in colour if any
    /// picture is. `None` for an empty set.
    ///
    /// # Errors
    /// If a picture cannot be read, or two differ in size and there is no `size`.
    pub(crate) fn shape(&self, size: Option<usize>) -> Result<Option<[usize; 3]>> {
        let Some(first) = self.pictures.first() else { return Ok(None) };
        let Sides { height, width, .. } = first.sides()?;
        let channels = self.pictures.par_iter().map(|packed| {
            let found = packed.sides()?;
            if size.is_some() || (found.height, found.width) == (height, width) {
                return Ok(found.channels);
            }
            let Sides { height: found_height, width: found_width, .. } = found;
            Err(packed.refuse(&format!(
                "it has {found_height}×{found_width} pixels, but the first has {height}×{width}; give one size to all, as \
                 in `folder:PATH?size=64`"
            )))
        });
        let channels = channels.try_reduce(|| 1, |a, b| Ok(a.max(b)))?;
        let [height, width] = size.map_or([height, width], |size| [size; 2]);
        Ok(Some([channels, height, width]))
    }

    /// The pictures as images `[channels, height, width]`, decoded in parallel.
    ///
    /// # Errors
    /// If a picture cannot be read, or does not fit.
    pub(crate) fn unpack(&self, shape: [usize; 3], fit: Fit) -> Result<ImageSet> {
        let [channels, height, width] = shape;
        let image_len = channels * height * width;
        let mut pixels = Vec::new();
        let len = self.pictures.len().checked_mul(image_len);
        if len.is_none_or(|len| pixels.try_reserve_exact(len).is_err()) {
            let count = self.pictures.len();
            let problem = format!(
                "{count} pictures of {height}×{width} pixels exceed the memory; leave them on disk, as in `folder:PATH?stream=224`"
            );
            return Err(self
                .pictures
                .first()
                .map_or_else(|| damaged(Path::new(""), &*problem), |first| first.refuse(&problem)));
        }
        pixels.resize(len.unwrap_or_default(), 0);
        let images = pixels.par_chunks_exact_mut(image_len.max(1)).zip(&self.pictures);
        images.try_for_each(|(out, packed)| -> Result<()> {
            if fit == Fit::Exact {
                let Sides { height: found_height, width: found_width, .. } = packed.sides()?;
                if (found_height, found_width) != (height, width) {
                    let problem =
                        format!("it has {found_height}×{found_width} pixels, where {height}×{width} are expected");
                    return Err(packed.refuse(&problem));
                }
            }
            let picture = packed.decode()?.with_channels(channels);
            resize::middle(picture, height, width).write_planes(out);
            Ok(())
        })?;
        Ok(ImageSet::new(shape, pixels, self.labels.clone())?)
    }
}

// Rows of a table stand for pictures.
#[cfg(all(test, feature = "parquet"))]
mod tests {
    use super::*;

    fn set(sides: &[[usize; 3]]) -> PackedSet {
        let row = |(row, &[channels, height, width]): (usize, &[usize; 3])| {
            let pixels = vec![row as u8; channels * height * width];
            let bytes = picture::encode(&Picture { sides: Sides { channels, height, width }, pixels }).unwrap();
            Packed::Row { table: Path::new("table").into(), row, bytes }
        };
        let labels = (0..sides.len() as u32).collect();
        PackedSet { pictures: sides.iter().enumerate().map(row).collect(), labels }
    }

    #[test]
    fn one_colour_picture_makes_the_set_colour() {
        let set = set(&[[1, 2, 3], [3, 2, 3], [1, 2, 3]]);
        assert_eq!(set.shape(None).unwrap(), Some([3, 2, 3]));
        let images = set.unpack([3, 2, 3], Fit::Exact).unwrap();
        assert_eq!((&*images.image(2).unwrap(), images.labels.to_vec()), (&[2; 18][..], vec![0, 1, 2]));
        assert_eq!(PackedSet::default().shape(None).unwrap(), None);
    }

    #[test]
    fn pictures_of_other_sides_are_refused_or_cut_to_the_middle() {
        let set = set(&[[1, 2, 3], [1, 4, 3]]);
        assert_eq!(
            set.shape(None).unwrap_err().to_string(),
            "failed to read table: the image in row 1: it has 4×3 pixels, but the first has 2×3; give one size to all, as in \
             `folder:PATH?size=64`"
        );
        assert_eq!(set.shape(Some(5)).unwrap(), Some([1, 5, 5]));
        let error = set.unpack([1, 2, 3], Fit::Exact).unwrap_err().to_string();
        assert!(error.ends_with("it has 4×3 pixels, where 2×3 are expected"), "{error}");
        assert_eq!(set.unpack([1, 2, 2], Fit::Middle).unwrap().pixels().unwrap()[4..], [1; 4]);
    }

    #[test]
    fn what_exceeds_the_memory_is_an_error() {
        let set = set(&[[1, 2, 3], [1, 2, 3]]);
        let error = set.unpack([1, 1 << 31, 1 << 31], Fit::Middle).unwrap_err().to_string();
        assert!(
            error.contains("2 pictures of 2147483648×2147483648 pixels exceed the memory; leave them on disk"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Packed::File("no/such.png".into()).decode().unwrap_err().to_string();
        assert!(error.starts_with("failed to read no/such.png"), "{error}");
    }
}
