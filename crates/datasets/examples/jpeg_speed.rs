//! Measures the time to decode JPEG and PNG files with one thread, and nothing else.
//!
//! ```sh
//! cargo run --release -p unlearn-datasets --example jpeg_speed -- ROUNDS FILE…
//! ```
//!
//! `xtask/peer/jpeg_speed.py` runs this beside Pillow and torchvision. `docs/datasets.md` gives the results.

use std::error::Error;
use std::time::Instant;

use unlearn_datasets::picture;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u32 = arguments.next().ok_or("how many rounds? ROUNDS FILE…")?.parse()?;
    let files = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    for file in (0..rounds).flat_map(|_| &files) {
        std::hint::black_box(picture::decode(file)?);
    }
    let count = f64::from(rounds) * files.len() as f64;
    println!("{:.3} ms a picture", start.elapsed().as_secs_f64() * 1000.0 / count);
    Ok(())
}
