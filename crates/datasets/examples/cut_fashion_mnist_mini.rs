//! Cuts `fashion-mnist-mini`, the embedded part of Fashion-MNIST, out of the whole dataset.
//!
//! ```text
//! apt-get install dataset-fashion-mnist
//! cargo run -p unlearn-datasets --example cut_fashion_mnist_mini
//! ```
//!
//! Writes four gzipped IDX files into `data/fashion-mnist-mini` and prints their BLAKE3 hashes. The output is the
//! same every time, because it has no time stamps and keeps images in file order.

use std::error::Error;
use std::fs;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use unlearn_datasets::fashion_mnist_mini::{TEST_PER_CLASS, TRAIN_PER_CLASS, cut};
use unlearn_datasets::idx_folder::{TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS};
use unlearn_datasets::{idx, registry};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fashion-mnist-mini");
    fs::create_dir_all(&folder)?;
    let full = registry::open("fashion-mnist", &registry::OpenOptions::default())?;
    for (full, per_class, images_name, labels_name) in [
        (&full.train, TRAIN_PER_CLASS, TRAIN_IMAGES, TRAIN_LABELS),
        (&full.test, TEST_PER_CLASS, TEST_IMAGES, TEST_LABELS),
    ] {
        let set = cut(full, per_class)?;
        let labels = set.labels.iter().map(|&label| u8::try_from(label)).collect::<Result<Vec<_>, _>>()?;
        let shape = [set.len() as u32, set.height as u32, set.width as u32];
        write(&folder, images_name, &shape, set.pixels().ok_or("its images are in memory")?)?;
        write(&folder, labels_name, &shape[..1], &labels)?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, shape: &[u32], elements: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    idx::encode(shape, elements, &mut encoder)?;
    let bytes = encoder.finish()?;
    let file = format!("{name}.gz");
    fs::write(folder.join(&file), &bytes)?;
    println!("{}  {file}  {} bytes", blake3::hash(&bytes).to_hex(), bytes.len());
    Ok(())
}
