//! Batches of images, shuffled and augmented ahead of the training thread.
//!
//! The plan, the epoch and the batch's number determine a batch: the order follows from (seed, epoch), and each
//! sample's transform from (seed, epoch, sample). So an epoch can be entered at any batch, with the same bits as a
//! run from its start.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use unlearn_random::{shuffle, stream};

use crate::batch_images::{ByteImages, Images};
use crate::error::{Error, Result};
use crate::image_set::ImageSet;
use crate::resize;
use crate::transforms::resized_crop::{self, Part};
use crate::transforms::{Augmentation, Mixed, RandAugment, Transform, cutout, mixup};

/// Number of batches that are prepared ahead.
const AHEAD: usize = 2;

/// Threads that decode pictures. They have their own pool, so that decoding and a model's arithmetic never share a
/// queue.
static DECODERS: LazyLock<ThreadPool> = LazyLock::new(|| {
    let named = ThreadPoolBuilder::new().thread_name(|number| format!("decoder {number}"));
    named.build().unwrap_or_else(|error| panic!("the system refuses threads to decode pictures: {error}"))
});

/// Samples, ready for a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// `[n, channels, height, width]`, scaled to 0..1, not normalised.
    pub images: Images,
    /// One class number per sample.
    pub labels: Vec<u32>,
    /// Position of each sample in its image set.
    pub indices: Vec<u32>,
    /// The mixture, if samples were overlaid. Then images are mixtures, and labels come in pairs.
    pub mixed: Option<Mixed>,
}

impl Batch {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no sample. Batches of a plan are never empty.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// How samples become batches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchOptions {
    /// Samples per batch.
    pub batch_size: usize,
    /// Whether the samples of each epoch are shuffled.
    pub shuffle: bool,
    /// The transforms of images.
    pub augmentation: Augmentation,
    /// `RandAugment` after that, if any (arXiv 1909.13719).
    pub rand_augment: Option<RandAugment>,
    /// Side in pixels of a square cut out of every image after that, if any (arXiv 1708.04552).
    pub cutout: Option<usize>,
    /// α of mixup's shares, if the samples of a batch are overlaid with one another (arXiv 1710.09412).
    pub mixup: Option<f64>,
    /// Whether an incomplete last batch is left out of the epoch.
    pub drop_last: bool,
    /// Seed of order and transforms.
    pub seed: u64,
}

impl BatchOptions {
    /// Shuffled and augmented, with every sample once per epoch.
    pub fn training(batch_size: usize, augmentation: Augmentation, seed: u64) -> Self {
        Self { shuffle: true, augmentation, seed, ..Self::evaluation(batch_size) }
    }

    /// Unchanged images in the order of their indices, for evaluation and attacks.
    pub fn evaluation(batch_size: usize) -> Self {
        Self {
            batch_size,
            shuffle: false,
            augmentation: Augmentation::NONE,
            rand_augment: None,
            cutout: None,
            mixup: None,
            drop_last: false,
            seed: 0,
        }
    }
}

/// The samples of an image set to be seen, and how. It is cheap to clone.
///
/// A last batch of a single sample is merged into the previous one, because batch normalisation cannot compute a
/// variance from one sample: 257 samples in batches of 128 make batches of 128 and 129. A plan of one sample, or of
/// batch size 1, keeps single samples.
#[derive(Debug, Clone)]
pub struct BatchPlan {
    images: ImageSet,
    labels: Arc<[u32]>,
    indices: Arc<[u32]>,
    options: BatchOptions,
    in_bytes: bool,
}

impl BatchPlan {
    /// A plan over the samples `indices` of `images`.
    ///
    /// # Errors
    /// If the batch size is 0, an index is outside the set, a number is out of range, or the crop's padding, the
    /// cutout or `RandAugment` does not suit the image.
    pub fn new(images: &ImageSet, indices: impl Into<Arc<[u32]>>, options: BatchOptions) -> Result<Self> {
        let indices = indices.into();
        if options.batch_size == 0 {
            return Err(Error::BatchSizeZero);
        }
        let count = images.len();
        if let Some(&index) = indices.iter().find(|&&index| index as usize >= count) {
            return Err(Error::BatchIndex { index, count });
        }
        let (padding, height, width) = (options.augmentation.crop_padding, images.height, images.width);
        if padding > height.min(width) {
            return Err(Error::CropPadding { padding, height, width });
        }
        if let Some(side) = options.cutout.filter(|side| !(1..=height.min(width)).contains(side)) {
            return Err(Error::Cutout { side, height, width });
        }
        if let Some(RandAugment { operations, magnitude }) = options.rand_augment.filter(|it| !it.is_sound()) {
            return Err(Error::RandAugment { operations, magnitude });
        }
        if options.rand_augment.is_some() && ![1, 3].contains(&images.channels) {
            return Err(Error::RandAugmentChannels { channels: images.channels });
        }
        if let Some(alpha) = options.mixup.filter(|alpha| mixup::distribution(*alpha).is_none()) {
            return Err(Error::Mixup { alpha });
        }
        Ok(Self { images: images.clone(), labels: images.labels.clone(), indices, options, in_bytes: false })
    }

    /// The same plan with other labels, one for each position of the image set (not for each of the plan's indices).
    ///
    /// # Errors
    /// If there are not exactly as many labels as images.
    pub fn with_labels(self, labels: impl Into<Arc<[u32]>>) -> Result<Self> {
        let labels = labels.into();
        if labels.len() != self.images.len() {
            return Err(Error::LabelOverride { found: labels.len(), expected: self.images.len() });
        }
        Ok(Self { labels, ..self })
    }

    /// The same plan, whose batches hold bytes where that loses nothing: without cutout and mixup, which make values
    /// that are no bytes. The values of a batch stay the same.
    #[must_use]
    pub fn in_bytes(self, in_bytes: bool) -> Self {
        Self { in_bytes, ..self }
    }

    /// The samples, in the given order.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// How samples become batches.
    pub fn options(&self) -> &BatchOptions {
        &self.options
    }

    /// `[channels, height, width]` of a sample.
    pub fn image_shape(&self) -> [usize; 3] {
        [self.images.channels, self.images.height, self.images.width]
    }

    /// Number of batches per epoch.
    pub fn batches_per_epoch(&self) -> usize {
        let size = self.options.batch_size;
        let (full, rest) = (self.indices.len() / size, self.indices.len() % size);
        match rest {
            0 => full,
            _ if self.options.drop_last => full,
            1 if full > 0 => full,
            _ => full + 1,
        }
    }

    /// Samples per epoch: all of them, or with `drop_last` those of full batches.
    pub fn samples_per_epoch(&self) -> usize {
        let size = self.options.batch_size;
        if self.options.drop_last { self.indices.len() / size * size } else { self.indices.len() }
    }

    /// The samples in the order of `epoch`.
    pub fn order(&self, epoch: u64) -> Vec<u32> {
        let mut order = self.indices.to_vec();
        if self.options.shuffle {
            shuffle(&mut stream("order", &[self.options.seed, epoch]), &mut order);
        }
        order
    }

    /// The batches of `epoch` from number `first_batch` on, prepared ahead by a separate thread.
    ///
    /// Dropping the iterator ends and joins the thread. The iterator ends after an error, such as an unreadable
    /// picture. Pictures that are not in memory are decoded by a pool of threads that all plans share. Memory holds
    /// the current batch, those ahead, and the pictures that are being decoded.
    ///
    /// # Panics
    /// If the system refuses another thread.
    pub fn epoch(&self, epoch: u64, first_batch: usize) -> Batches {
        let plan = self.clone();
        let (sender, receiver) = sync_channel(AHEAD);
        let last_batch = self.batches_per_epoch();
        let thread = thread::spawn(move || {
            let order = plan.order(epoch);
            for number in first_batch..last_batch {
                let batch = DECODERS.install(|| plan.batch(epoch, &order, number));
                let failed = batch.is_err();
                // The receiver is gone after the iterator is dropped, so the rest is not needed.
                if sender.send(batch).is_err() || failed {
                    break;
                }
            }
        });
        Batches { receiver: Some(receiver), thread: Some(thread), left: last_batch.saturating_sub(first_batch) }
    }

    /// Batch `number` of an epoch with this `order`, prepared by the calling thread's pool.
    ///
    /// # Errors
    /// If a picture that is not in memory cannot be read.
    ///
    /// # Panics
    /// If the epoch has no such batch, or `order` does not belong to this plan.
    pub fn batch(&self, epoch: u64, order: &[u32], number: usize) -> Result<Batch> {
        let size = self.options.batch_size;
        let last = number + 1 == self.batches_per_epoch();
        let end = if last { self.samples_per_epoch() } else { (number + 1) * size };
        let indices = order[number * size..end].to_vec();

        let image_len = self.images.image_len();
        let images = if self.in_bytes && self.options.cutout.is_none() && self.options.mixup.is_none() {
            self.bytes(epoch, &indices)?.into()
        } else {
            self.values(epoch, &indices)?.into()
        };
        let labels = indices.iter().map(|&index| self.labels[index as usize]).collect();
        let mut batch = Batch { images, labels, indices, mixed: None };
        if let Some(shares) = self.options.mixup.and_then(mixup::distribution) {
            mixup::mix([self.options.seed, epoch, number as u64], &shares, image_len, &mut batch);
        }
        Ok(batch)
    }

    /// The samples of a batch, scaled to 0..1.
    fn values(&self, epoch: u64, indices: &[u32]) -> Result<Vec<f32>> {
        Ok(self.each(indices, |index, out| self.sample(epoch, index, out))?.0)
    }

    /// The same as bytes, with what crop and mirror are left to do.
    fn bytes(&self, epoch: u64, indices: &[u32]) -> Result<ByteImages> {
        let (bytes, transforms) = self.each(indices, |index, out| self.sample_bytes(epoch, index, out))?;
        Ok(ByteImages { bytes, shape: self.image_shape(), transforms })
    }

    /// Runs `write` for the image of each sample.
    fn each<T: Clone + Default + Send, R: Send>(
        &self,
        indices: &[u32],
        write: impl Fn(u32, &mut [T]) -> Result<R> + Sync,
    ) -> Result<(Vec<T>, Vec<R>)> {
        let image_len = self.images.image_len();
        let mut images = vec![T::default(); indices.len() * image_len];
        let BatchOptions { augmentation, rand_augment, .. } = self.options;
        let results = if self.images.pixels().is_some() && !augmentation.resized_crop && rand_augment.is_none() {
            // A copy with a mirror takes less time than waking other threads.
            let samples = indices.iter().zip(images.chunks_exact_mut(image_len));
            samples.map(|(&index, out)| write(index, out)).collect::<Result<_>>()?
        } else {
            let samples = indices.par_iter().zip(images.par_chunks_exact_mut(image_len));
            samples.map(|(&index, out)| write(index, out)).collect::<Result<_>>()?
        };
        Ok((images, results))
    }

    /// Writes the bytes of sample `index` of `epoch`, without cutout, and returns what crop and mirror are left to do.
    fn sample_bytes(&self, epoch: u64, index: u32, out: &mut [u8]) -> Result<Transform> {
        let BatchOptions { augmentation, rand_augment, seed, .. } = self.options;
        if rand_augment.is_some() {
            // Its results are bytes again, after crop and mirror.
            let mut values = vec![0.0; out.len()];
            self.sample(epoch, index, &mut values)?;
            out.iter_mut().zip(values).for_each(|(byte, value)| *byte = (value * 255.0).round() as u8);
            return Ok(Transform::IDENTITY);
        }
        if augmentation.resized_crop {
            self.resized(epoch, index, out)?;
        } else {
            out.copy_from_slice(&self.images.image(index as usize)?);
        }
        Ok(augmentation.transform(seed, epoch, index))
    }

    /// Writes sample `index` of `epoch`, scaled to 0..1.
    fn sample(&self, epoch: u64, index: u32, out: &mut [f32]) -> Result<()> {
        self.cropped(epoch, index, out)?;
        let key = [self.options.seed, epoch, index.into()];
        if let Some(operations) = self.options.rand_augment {
            operations.apply(key, self.image_shape(), out);
        }
        if let Some(side) = self.options.cutout {
            cutout::cut(key, side, self.image_shape(), out);
        }
        Ok(())
    }

    /// The same after crop and flip only.
    fn cropped(&self, epoch: u64, index: u32, out: &mut [f32]) -> Result<()> {
        let BatchOptions { augmentation, seed, .. } = self.options;
        let transform = augmentation.transform(seed, epoch, index);
        if !augmentation.resized_crop {
            transform.apply(&self.images.image(index as usize)?, self.image_shape(), out);
            return Ok(());
        }
        let mut planes = vec![0; out.len()];
        self.resized(epoch, index, &mut planes)?;
        transform.apply(&planes, self.image_shape(), out);
        Ok(())
    }

    /// Writes a random part of picture `index`, resized, as planes of bytes.
    fn resized(&self, epoch: u64, index: u32, planes: &mut [u8]) -> Result<()> {
        let picture = self.images.picture(index as usize)?;
        let mut rng = stream("resized crop", &[self.options.seed, epoch, index.into()]);
        let Part { corner, sides } = resized_crop::draw(&mut rng, picture.sides);
        let part = resize::crop(picture, corner, sides);
        resize::resize(part, self.images.height, self.images.width).write_planes(planes);
        Ok(())
    }
}

/// The batches of one epoch; see [`BatchPlan::epoch`].
#[derive(Debug)]
pub struct Batches {
    receiver: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
    left: usize,
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let batch = self.receiver.as_ref()?.recv().ok();
        match batch {
            Some(Ok(_)) => self.left -= 1,
            Some(Err(_)) => self.left = 0,
            None => self.finish(),
        }
        batch
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Batches {}

impl Batches {
    /// Joins the thread. A panic in it is passed on, unless this thread already panics.
    fn finish(&mut self) {
        self.receiver = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const CROP_AND_FLIP: Augmentation = Augmentation { crop_padding: 1, flip: true, ..Augmentation::NONE };

    /// `count` images of 2 channels, 3 × 4 pixels, all different. Labels are positions modulo 5.
    fn set(count: u32) -> ImageSet {
        let pixels: Vec<u8> = (0..count * 24).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        ImageSet::new([2, 3, 4], pixels, (0..count).map(|i| i % 5).collect::<Vec<_>>()).unwrap()
    }

    fn plan(count: u32, options: BatchOptions) -> BatchPlan {
        BatchPlan::new(&set(count), (0..count).collect::<Vec<_>>(), options).unwrap()
    }

    fn sizes(count: u32, options: BatchOptions) -> Vec<usize> {
        let plan = plan(count, options);
        let batches = plan.epoch(0, 0);
        assert_eq!(batches.len(), plan.batches_per_epoch());
        let sizes: Vec<_> = batches.map(|batch| batch.unwrap().len()).collect();
        assert_eq!(sizes.len(), plan.batches_per_epoch());
        assert_eq!(sizes.iter().sum::<usize>(), plan.samples_per_epoch());
        sizes
    }

    #[test]
    fn evaluation_sees_plain_images_scaled_and_in_order() {
        let images = set(10);
        let plan = BatchPlan::new(&images, vec![7, 2, 9], BatchOptions::evaluation(2)).unwrap();
        let batches: Vec<_> = plan.epoch(3, 0).map(Result::unwrap).collect();
        assert_eq!(batches.len(), 1, "the single last sample joins the batch before it");
        assert_eq!(batches[0].indices, [7, 2, 9]);
        assert_eq!(batches[0].labels, [2, 2, 4]);
        let expected: Vec<f32> = [7, 2, 9]
            .iter()
            .flat_map(|&i| images.image(i).unwrap().to_vec())
            .map(|byte| f32::from(byte) / 255.0)
            .collect();
        assert_eq!(batches[0].images, expected);
    }

    #[test]
    fn training_batches_are_the_naive_loop() {
        let options = BatchOptions::training(4, CROP_AND_FLIP, 11);
        let plan = plan(23, options);
        let order = plan.order(2);
        let mut position = 0;
        for batch in plan.epoch(2, 0).map(Result::unwrap) {
            for (sample, &index) in batch.indices.iter().enumerate() {
                assert_eq!(index, order[position]);
                let mut image = [0.0; 24];
                let transform = CROP_AND_FLIP.transform(11, 2, index);
                transform.apply(&plan.images.image(index as usize).unwrap(), [2, 3, 4], &mut image);
                assert_eq!(batch.images[sample * 24..][..24], image);
                assert_eq!(batch.labels[sample], index % 5);
                position += 1;
            }
        }
        assert_eq!(position, 23);
    }

    #[test]
    fn cutout_follows_crop_and_flip() {
        let options = BatchOptions::training(4, CROP_AND_FLIP, 11);
        let with = plan(8, BatchOptions { cutout: Some(2), ..options });
        for (batch, whole) in with.epoch(2, 0).zip(plan(8, options).epoch(2, 0)) {
            let (batch, mut whole) = (batch.unwrap(), whole.unwrap());
            for (image, &index) in whole.images.chunks_exact_mut(24).zip(&whole.indices) {
                cutout::cut([11, 2, index.into()], 2, [2, 3, 4], image);
            }
            assert_eq!(batch, whole);
        }
    }

    #[test]
    fn rand_augment_comes_between_crop_and_cutout() {
        let shape = [3, 8, 8];
        let pixels: Vec<u8> = (0..6 * 192_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        let images = ImageSet::new(shape, pixels, vec![0; 6]).unwrap();
        let rand_augment = RandAugment { operations: 2, magnitude: 9 };
        let cropped = BatchOptions::training(6, CROP_AND_FLIP, 11);
        let options = BatchOptions { rand_augment: Some(rand_augment), cutout: Some(3), ..cropped };
        let epoch = |options| {
            let plan = BatchPlan::new(&images, (0..6).collect::<Vec<_>>(), options).unwrap();
            plan.epoch(2, 0).next().unwrap().unwrap()
        };
        let (batch, mut expected) = (epoch(options), epoch(cropped));
        for (image, &index) in expected.images.chunks_exact_mut(192).zip(&expected.indices) {
            rand_augment.apply([11, 2, index.into()], shape, image);
            cutout::cut([11, 2, index.into()], 3, shape, image);
        }
        assert_eq!(batch, expected);
    }

    #[test]
    fn an_epoch_repeats_and_can_be_entered_anywhere() {
        let options = BatchOptions { mixup: Some(0.2), ..BatchOptions::training(8, CROP_AND_FLIP, 1) };
        let plan = plan(50, options);
        let whole: Vec<_> = plan.epoch(5, 0).map(Result::unwrap).collect();
        for first in 0..=whole.len() + 1 {
            let rest: Vec<_> = plan.epoch(5, first).map(Result::unwrap).collect();
            assert_eq!(rest, whole[first.min(whole.len())..], "from batch {first}");
        }
    }

    #[test]
    fn epochs_and_seeds_have_their_own_order() {
        let one = plan(50, BatchOptions::training(8, CROP_AND_FLIP, 1));
        let two = plan(50, BatchOptions::training(8, CROP_AND_FLIP, 2));
        assert_ne!(one.order(0), one.order(1));
        assert_ne!(one.order(0), two.order(0));
        assert_eq!(one.order(0).into_iter().collect::<HashSet<_>>(), (0..50).collect());
    }

    #[test]
    fn a_samples_transform_does_not_depend_on_its_company() {
        let images = set(30);
        let image = |indices: Vec<u32>, batch_size| {
            let options = BatchOptions::training(batch_size, CROP_AND_FLIP, 1);
            let plan = BatchPlan::new(&images, indices, options).unwrap();
            let mut batches = plan.epoch(4, 0).map(Result::unwrap);
            batches.find_map(|batch| {
                let at = batch.indices.iter().position(|&index| index == 17)?;
                Some(batch.images[at * 24..][..24].to_vec())
            })
        };
        let expected = image((0..30).collect(), 7);
        assert!(expected.is_some());
        assert_eq!(image(vec![17], 1), expected);
        assert_eq!(image(vec![20, 17, 3], 2), expected);
    }

    #[test]
    fn a_single_last_sample_joins_the_batch_before_it() {
        let keep = BatchOptions::training(4, Augmentation::NONE, 1);
        let drop = BatchOptions { drop_last: true, ..keep };
        let single = BatchOptions { batch_size: 1, ..keep };
        assert_eq!(sizes(9, keep), [4, 5]);
        assert_eq!(sizes(10, keep), [4, 4, 2]);
        assert_eq!(sizes(8, keep), [4, 4]);
        assert_eq!(sizes(1, keep), [1]);
        assert_eq!(sizes(0, keep), [0; 0]);
        assert_eq!(sizes(9, drop), [4, 4]);
        assert_eq!(sizes(3, drop), [0; 0]);
        assert_eq!(sizes(3, single), [1, 1, 1]);
    }

    #[test]
    fn batches_in_bytes_have_the_same_values_to_the_bit() {
        let training = BatchOptions::training(4, CROP_AND_FLIP, 7);
        let images =
            ImageSet::new([3, 6, 8], (0..11 * 144).map(|i| (i * i / 5) as u8).collect::<Vec<_>>(), vec![0; 11])
                .unwrap();
        let rand_augment = Some(RandAugment { operations: 2, magnitude: 15 });
        let resized = Augmentation { resized_crop: true, ..CROP_AND_FLIP };
        for (options, bytes) in [
            (training, true),
            (BatchOptions::evaluation(4), true),
            (BatchOptions { rand_augment, ..training }, true),
            (BatchOptions { augmentation: resized, ..training }, true),
            (BatchOptions { cutout: Some(3), ..training }, false),
            (BatchOptions { mixup: Some(0.4), ..training }, false),
        ] {
            let indices: Vec<u32> = (0..11).collect();
            let plan = BatchPlan::new(&images, indices, options).unwrap();
            let found: Vec<Batch> = plan.clone().in_bytes(true).epoch(2, 0).map(Result::unwrap).collect();
            let expected: Vec<Batch> = plan.epoch(2, 0).map(Result::unwrap).collect();
            assert_eq!(found, expected, "{options:?}");
            assert!(found.iter().all(|batch| batch.images.bytes().is_some() == bytes), "{options:?}");
            assert!(expected.iter().all(|batch| batch.images.bytes().is_none()), "{options:?}");
        }
    }

    #[test]
    fn labels_can_be_replaced_by_position() {
        let plan = plan(10, BatchOptions::evaluation(4)).with_labels((100..110).collect::<Vec<_>>()).unwrap();
        let labels: Vec<_> = plan.epoch(0, 0).flat_map(|batch| batch.unwrap().labels).collect();
        assert_eq!(labels, (100..110).collect::<Vec<_>>());
    }

    #[test]
    fn an_epoch_dropped_early_ends_its_thread() {
        let plan = plan(1000, BatchOptions::training(2, CROP_AND_FLIP, 1));
        let shared = Arc::strong_count(&plan.indices);
        drop(plan.epoch(0, 0));
        let mut batches = plan.epoch(0, 0);
        assert!(batches.next().is_some());
        drop(batches);
        // The thread held its own clone of the plan.
        assert_eq!(Arc::strong_count(&plan.indices), shared);
    }

    #[test]
    fn an_exhausted_epoch_stays_exhausted() {
        let plan = plan(4, BatchOptions::evaluation(2));
        let mut batches = plan.epoch(0, 0);
        assert_eq!(batches.by_ref().count(), 2);
        assert_eq!(batches.len(), 0);
        assert!(batches.next().is_none());
    }

    #[test]
    fn impossible_plans_are_refused() {
        let images = set(5);
        let refuses = |indices: Vec<u32>, options, message: &str| {
            let error = BatchPlan::new(&images, indices, options).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        refuses(vec![0], BatchOptions::evaluation(0), "batch size 0");
        refuses(vec![0, 5], BatchOptions::evaluation(2), "index 5 is outside the image set of 5 images");
        let wide = Augmentation { crop_padding: 4, flip: false, ..Augmentation::NONE };
        refuses(vec![0], BatchOptions::training(2, wide, 1), "crop padding 4 exceeds the image (3×4 pixels)");
        for side in [0, 4] {
            let options = BatchOptions { cutout: Some(side), ..BatchOptions::evaluation(2) };
            refuses(vec![0], options, &format!("cutout of {side} pixels a side in images of 3×4"));
        }
        for [operations, magnitude] in [[0, 9], [2, 31]] {
            let rand_augment = Some(RandAugment { operations, magnitude });
            let options = BatchOptions { rand_augment, ..BatchOptions::evaluation(2) };
            refuses(vec![0], options, &format!("{operations} operations at magnitude {magnitude}"));
        }
        let rand_augment = Some(RandAugment { operations: 2, magnitude: 9 });
        refuses(vec![0], BatchOptions { rand_augment, ..BatchOptions::evaluation(2) }, "not in images of 2 channels");
        for alpha in [0.0, f64::NAN] {
            let options = BatchOptions { mixup: Some(alpha), ..BatchOptions::evaluation(2) };
            refuses(vec![0], options, &format!("mixup with α = {alpha}"));
        }
        let error = plan(5, BatchOptions::evaluation(2)).with_labels(vec![1, 2]).unwrap_err().to_string();
        assert!(error.starts_with("2 replacement labels for an image set of 5 images"), "{error}");
    }
}
