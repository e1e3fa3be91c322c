//! Stand-ins for suites on CIFAR-10 and a pretrained ResNet-18 where neither is available: Fashion-MNIST written as
//! CIFAR-10's binary batches, and a Hub on the loopback device with `timm/resnet18.a1_in1k`.
//!
//! ```sh
//! cargo run --release -p unlearn-tests --example stand_in -- FOLDER &
//! HF_ENDPOINT=http://127.0.0.1:PORT HF_HOME=FOLDER/hf unlearn run configs/suites/cifar10-pretrained.toml --data-dir FOLDER
//! ```
//!
//! The images are real; their three channels are tinted depending on the image's number. The labels are
//! Fashion-MNIST's under CIFAR-10's names. The weights are an initialisation for ImageNet's 1000 classes with seed 0,
//! not those of the repository with that name. They show that the suite runs, but say nothing about the value of
//! pretraining.

use std::{error::Error, fs, io, path::Path};

use unlearn_datasets::registry::{OpenOptions, open};
use unlearn_models::{InputSpec, ModelFile, Source, Target, checkpoint::CheckpointInfo, find, initialize};
use unlearn_samples::ImageSet;
use unlearn_tests::HubServer;

const SIDE: usize = 32;
const BATCH: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give the folder to write to")?;
    let batches = Path::new(&folder).join("cifar-10-batches-bin");
    fs::create_dir_all(&batches)?;
    let dataset = open("fashion-mnist", &OpenOptions::default())?;
    for number in 0..5 {
        let positions = number * BATCH..(number + 1) * BATCH;
        fs::write(batches.join(format!("data_batch_{}.bin", number + 1)), records(&dataset.train, positions)?)?;
    }
    fs::write(batches.join("test_batch.bin"), records(&dataset.test, 0..BATCH)?)?;

    let hub = HubServer::start();
    hub.commit("timm/resnet18.a1_in1k", &[("model.safetensors", &resnet18()?)]);
    println!("HF_ENDPOINT={}", hub.endpoint());
    println!("serving until this input ends");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// A label and 3 × 32 × 32 bytes for each image at `positions`, framed by two black pixels.
fn records(images: &ImageSet, positions: std::ops::Range<usize>) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::with_capacity(positions.len() * (1 + 3 * SIDE * SIDE));
    for position in positions {
        bytes.push(images.labels[position] as u8);
        let grey = images.image(position)?;
        for channel in 0..3 {
            // The tint is between three quarters and all of the brightness, depending on number and channel.
            let tint = 192 + (position * 37 + channel * 101) % 64;
            let mut plane = [0_u8; SIDE * SIDE];
            for (y, row) in grey.chunks_exact(images.width).enumerate() {
                let start = (y + 2) * SIDE + 2;
                let tinted = row.iter().map(|&value| (usize::from(value) * tint / 255) as u8);
                plane[start..start + row.len()].iter_mut().zip(tinted).for_each(|(to, value)| *to = value);
            }
            bytes.extend_from_slice(&plane);
        }
    }
    Ok(bytes)
}

/// A ResNet-18 with ImageNet's stem and head, with the tensor names of timm and torchvision.
fn resnet18() -> Result<Vec<u8>, Box<dyn Error>> {
    let (mean, std) = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
    let input = InputSpec { shape: [3, 224, 224], classes: 1000, mean, std };
    let graph = find("resnet18")?.graph(&input)?;
    let state = initialize(&graph, 0);
    let info = CheckpointInfo::new("resnet18", input, "imagenet");
    Ok(ModelFile { source: Source::Dense, graph, state, mask: None, info }.to_bytes(Target::Torch)?)
}
