//! Tests of readers on damaged files. A reader may refuse any damaged file. It must not panic, overflow the stack,
//! allocate memory out of proportion to the file, or run without end.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_pcg::Pcg64;

/// Environment variable: number of seconds for which a test damages files. The default is two.
const SECONDS: &str = "UNLEARN_FUZZ_SECONDS";

/// Environment variable: path of the file that a process with limited memory is reading.
const FILE: &str = "UNLEARN_FUZZ_FILE";

/// Limit of the address space in KiB. It covers the program, its threads, and what readers need for a damaged file.
const MEMORY: u32 = 320 << 10;

/// Longer than any reader takes for a file of a few KiB, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Values at which lengths, counts and offsets are likely to fail.
const NUMBERS: [u64; 10] =
    [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, u64::MAX - 7, u64::MAX];

/// Fragments of headers and names.
const TEXTS: [&[u8]; 9] = [b"\"", b"}", b"[", b"_orig", b"_mask", b"module.", b"-1", b"1e99", b"18446744073709551615"];

/// Most of a file is weights or pixels. Half of the changes are made in this number of bytes at its ends, where its
/// structure is.
const ENDS: usize = 400;

/// Damages the `sound` files, each of a few KiB, in ever new ways for two seconds, or for the seconds in
/// `UNLEARN_FUZZ_SECONDS`, and calls `read` on each damaged file.
///
/// On Linux, this runs in a separate process with little memory, so that an excessive allocation ends the process as
/// a panic does. The process runs only the test named `test`, which must be the caller.
///
/// # Panics
/// If the reader panics, or its process fails. The damaged file is left in the temporary folder.
pub fn fuzz(test: &str, sound: &[Vec<u8>], read: impl Fn(&[u8])) {
    match env::var_os(FILE) {
        Some(file) => damage_for_a_while(test, sound, read, file.into()),
        None if cfg!(target_os = "linux") => limited(test),
        None => damage_for_a_while(test, sound, read, left_behind(test)),
    }
}

fn left_behind(test: &str) -> PathBuf {
    env::temp_dir().join(format!("unlearn-{}-{}", test.replace("::", "-"), std::process::id()))
}

/// Runs the test in a process with little memory.
fn limited(test: &str) {
    let file = left_behind(test);
    let child = Command::new("sh")
        .args(["-c", r#"ulimit -v "$0" && exec "$@""#, &MEMORY.to_string()])
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        // Each thread and each arena of the allocator takes address space, used or not.
        .envs([("RAYON_NUM_THREADS", "2"), ("MALLOC_ARENA_MAX", "1")])
        .env(FILE, &file)
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let [output, errors] = [&child.stdout, &child.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let file = file.display();
    assert!(child.status.success(), "the reader failed on {file} ({}):\n{errors}\n{output}", child.status);
    let summary = output.lines().find(|line| line.ends_with(" damaged files"));
    println!("{}", summary.unwrap_or_else(|| panic!("`{test}` is not the name of this test:\n{output}")));
}

fn damage_for_a_while(test: &str, sound: &[Vec<u8>], read: impl Fn(&[u8]), file: PathBuf) {
    let seconds = env::var(SECONDS).ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    // Files are numbered, and each depends on its number only. A long run starts at a number that short runs never
    // reach.
    let first: u64 = if seconds.is_some() { 1 << 32 } else { 0 };
    let mut number = first;
    while Instant::now() < end {
        let bytes = damage(sound, &mut Pcg64::seed_from_u64(number));
        fs::write(&file, &bytes).unwrap();
        let start = Instant::now();
        read(&bytes);
        assert!(start.elapsed() < PATIENCE, "the reader took {:?}", start.elapsed());
        number += 1;
    }
    fs::remove_file(file).unwrap();
    println!("\n{test}: {} damaged files", number - first);
}

/// Applies one to four changes to a sound file.
fn damage(files: &[Vec<u8>], random: &mut Pcg64) -> Vec<u8> {
    let mut bytes = files.choose(random).unwrap().clone();
    for _ in 0..random.random_range(1..=4) {
        let at = place(bytes.len(), random);
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

fn place(len: usize, random: &mut Pcg64) -> usize {
    match random.random_range(0..4) {
        0 => random.random_range(0..=len.min(ENDS)),
        1 => len - random.random_range(0..=len.min(ENDS)),
        _ => random.random_range(0..=len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removes the files that a failure leaves.
    struct Tidied(&'static str);

    impl Drop for Tidied {
        fn drop(&mut self) {
            let _ = fs::remove_file(left_behind(self.0));
        }
    }

    fn check(test: &'static str, read: impl Fn(&[u8])) {
        let _tidied = Tidied(test);
        fuzz(test, &[vec![0; 64]], read);
    }

    #[test]
    #[should_panic(expected = "the reader failed on")]
    fn a_reader_that_panics_is_found() {
        let read = |bytes: &[u8]| assert!(bytes.len() < 64, "too long");
        check("damaged_files::tests::a_reader_that_panics_is_found", read);
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[should_panic(expected = "the reader failed on")]
    fn a_reader_that_takes_memory_out_of_proportion_is_found() {
        let read = |bytes: &[u8]| drop(std::hint::black_box(vec![0_u8; bytes.len() << 24]));
        check("damaged_files::tests::a_reader_that_takes_memory_out_of_proportion_is_found", read);
    }

    #[test]
    fn a_reader_that_refuses_is_right() {
        check("damaged_files::tests::a_reader_that_refuses_is_right", |_| {});
    }
}
