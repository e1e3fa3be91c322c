//! How long a model takes to load from a dense and from a sparse checkpoint: `files MASK`, a mask for a ResNet on images of 32 pixels a side.
//!
//! The files lie in memory's cache, as after a first look at them; from a cold disk the bytes decide.

use std::{error::Error, fs, path::Path, time::Instant};

use unlearn_masks::Mask;
use unlearn_models::{
    ImportOptions, InputSpec, ModelFile, Source, Target, checkpoint::CheckpointInfo, find, initialize,
};

const ROUNDS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let mask = Mask::load(Path::new(&std::env::args().nth(1).ok_or("usage: files MASK")?))?;
    let channels = mask.get("conv1.weight").ok_or("the mask covers no `conv1.weight`")?.shape()[1];
    let input =
        InputSpec { shape: [channels, 32, 32], classes: 10, mean: vec![0.5; channels], std: vec![0.25; channels] };
    let graph = find(mask.architecture())?.graph(&input)?;
    let info = CheckpointInfo { config: "none".into(), ..CheckpointInfo::new(&graph.arch, input, "none") };
    let mut model = ModelFile { source: Source::Dense, state: initialize(&graph, 1), graph, mask: None, info };
    model.apply(&mask)?;
    let folder = tempfile::tempdir()?;
    let forms =
        [("dense", Target::Dense), ("sparse", Target::Sparse)].map(|(name, target)| (folder.path().join(name), target));
    for (path, target) in &forms {
        fs::write(path, model.to_bytes(*target)?)?;
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for ((path, _), times) in forms.iter().zip(&mut times) {
            let start = Instant::now();
            let read = ModelFile::read(&fs::read(path)?, &ImportOptions::default(), path)?;
            times.push(start.elapsed().as_secs_f64());
            assert_eq!(read.state.parameters(), model.state.parameters());
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    };
    let [dense, sparse] = times.each_mut().map(median);
    for ((path, _), seconds) in forms.iter().zip([dense, sparse]) {
        println!("{}: {} bytes, {:.1} ms", path.display(), fs::metadata(path)?.len(), 1e3 * seconds);
    }
    println!("the sparse one loads {:.2} times as fast (median of {ROUNDS}, in turn)", dense / sparse);
    Ok(())
}
