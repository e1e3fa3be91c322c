//! The readers on damaged files. What they refuse is up to them; they must neither panic nor take memory out of proportion.
//! Tests only.
//!
//! Each test damages sound files for two seconds, or for as many as `UNLEARN_FUZZ_SECONDS` says; a file that a reader
//! panics on is left in the temporary folder. Under `ulimit -v`, an allocation out of proportion ends the test as well.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_pcg::Pcg64;
use unlearn_torch_files::StateDict;

use crate::{
    ImportOptions, ModelFile, Target,
    sparse_checkpoint::tests::{pruned, resealed},
};

/// Numbers that lengths, counts and offsets go wrong at.
const NUMBERS: [u64; 10] =
    [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, u64::MAX - 7, u64::MAX];

/// Text of headers and names, and its ends.
const TEXTS: [&[u8]; 9] = [b"\"", b"}", b"[", b"_orig", b"_mask", b"module.", b"-1", b"1e99", b"18446744073709551615"];

/// One to four injuries of a sound file.
fn damage(files: &[Vec<u8>], random: &mut Pcg64) -> Vec<u8> {
    let mut bytes = files.choose(random).unwrap().clone();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let some = random.random_range(0..=64).min(bytes.len() - at);
        match random.random_range(0..7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + some)),
            2 => {
                let other = files.choose(random).unwrap();
                let from = random.random_range(0..other.len());
                let to = (from + random.random_range(1..=256)).min(other.len());
                bytes.splice(at..at + some, other[from..to].iter().copied());
            }
            3 => {
                let number = NUMBERS.choose(random).unwrap().to_le_bytes();
                let width = *[1, 2, 4, 8].choose(random).unwrap();
                bytes[at..].iter_mut().zip(&number[..width]).for_each(|(byte, new)| *byte = *new);
            }
            4 => drop(bytes.splice(at..at, TEXTS.choose(random).unwrap().iter().copied())),
            5 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte = random.random()),
            _ => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.random_range(0..8)),
        }
    }
    bytes
}

fn run(name: &str, files: &[Vec<u8>], read: impl Fn(&[u8])) {
    let seconds = env::var("UNLEARN_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    // Files are numbered, and each depends on its number alone; a long run begins where short ones never come.
    let first: u64 = if seconds.is_some() { 1 << 32 } else { 0 };
    let mut number = first;
    while Instant::now() < end {
        let bytes = damage(files, &mut Pcg64::seed_from_u64(number));
        if catch_unwind(AssertUnwindSafe(|| read(&bytes))).is_err() {
            let path = env::temp_dir().join(format!("unlearn-fuzz-{name}-{number}"));
            fs::write(&path, &bytes).unwrap();
            panic!("the reader panicked on {}", path.display());
        }
        number += 1;
    }
    eprintln!("{name}: {} damaged files", number - first);
}

fn read_model(bytes: &[u8]) {
    let _ = ModelFile::read(bytes, &ImportOptions::default(), Path::new("damaged"));
}

#[test]
fn torch_files() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/torch-files");
    let names = [
        "zip.pth",
        "legacy.pth",
        "protocol4.pth",
        "dtypes-legacy.pth",
        "views-legacy.pth",
        "parameters.pth",
        "pruned.pth.tar",
        "hostile-legacy.pth",
    ];
    let files: Vec<_> = names.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect();
    run("torch", &files, |bytes| {
        for (_, tensor) in StateDict::read(bytes).iter().flat_map(StateDict::iter) {
            assert_eq!(tensor.to_f32().len(), tensor.len());
        }
        read_model(bytes);
    });
}

#[test]
fn checkpoints() {
    let (graph, state, mask, info) = pruned("resnet8s");
    let model = ModelFile { source: crate::Source::Dense, graph, state, mask: Some(mask.clone()), info };
    let mut files: Vec<_> = [Target::Sparse, Target::Sparse, Target::Dense, Target::Torch]
        .map(|target| model.to_bytes(target).unwrap())
        .into();
    files.push(mask.to_bytes().unwrap());
    run("checkpoint", &files, |bytes| {
        read_model(bytes);
        // With a checksum that fits again, damage is met further in.
        if let Some(bytes) = resealed(bytes) {
            read_model(&bytes);
        }
    });
}
