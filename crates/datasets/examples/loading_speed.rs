//! Measures how many images per second become batches. For JPEG files in folders or tables, this includes reading,
//! decoding, cutting and resizing.
//!
//! ```sh
//! cargo run --release -p unlearn-datasets --example loading_speed -- [LOCATION]
//! RAYON_NUM_THREADS=1 cargo run --release -p unlearn-datasets --example loading_speed -- 'parquet:PATH?stream=224'
//! ```
//!
//! LOCATION is `folder:PATH?stream=224` or `parquet:PATH?stream=224`. `docs/datasets.md` gives the results and the
//! peers.

use std::error::Error;
use std::time::Instant;

use unlearn_datasets::registry::{OpenOptions, open};
use unlearn_samples::{Augmentation, BatchOptions, BatchPlan, ImageSet, RandAugment};

fn main() -> Result<(), Box<dyn Error>> {
    let pixels: Vec<u8> = (0..10_000 * 3072_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    let images = ImageSet::new([3, 32, 32], pixels, vec![0; 10_000])?;
    let augmentation = Augmentation { crop_padding: 4, flip: true, ..Augmentation::NONE };
    let options = BatchOptions::training(256, augmentation, 1);
    rate("3×32×32 in memory, cropped and mirrored", &images, options, 5)?;
    let rand_augment = Some(RandAugment { operations: 2, magnitude: 9 });
    rate("the same, with RandAugment", &images, BatchOptions { rand_augment, ..options }, 5)?;
    rate("the same, with mixup", &images, BatchOptions { mixup: Some(0.2), ..options }, 5)?;
    if let Some(location) = std::env::args().nth(1) {
        let start = Instant::now();
        let dataset = open(&location, &OpenOptions::default())?;
        println!("{location}: opened in {:.2} seconds", start.elapsed().as_secs_f64());
        let training = BatchOptions::training(64, dataset.augmentation, 1);
        rate("the first pass over training parts", &dataset.train, training, 1)?;
        rate("training parts", &dataset.train, training, 3)?;
        rate("evaluation's middle", &dataset.train, BatchOptions::evaluation(64), 3)?;
    }
    Ok(())
}

/// Prints the rate of the fastest of `epochs`.
fn rate(what: &str, images: &ImageSet, options: BatchOptions, epochs: u64) -> Result<(), Box<dyn Error>> {
    let plan = BatchPlan::new(images, (0..images.len() as u32).collect::<Vec<_>>(), options)?;
    let mut best = f64::INFINITY;
    for epoch in 0..epochs {
        let start = Instant::now();
        for batch in plan.epoch(epoch, 0) {
            std::hint::black_box(batch?);
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what}: {:.0} images a second", images.len() as f64 / best);
    Ok(())
}
