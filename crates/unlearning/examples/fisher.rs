//! Time of Fisher information and influence for resnet20s on images of Fashion-MNIST's shape, with all or some
//! weights kept.
//!
//! `cargo run --release -p unlearn-unlearning --example fisher [FISHER_SAMPLES] [INFLUENCE_SAMPLES] [DENSITY]`
//!
//! `xtask/peer/per_sample_loop.py` does the same in PyTorch, one gradient at a time.

use std::time::Instant;

use unlearn_models::{InputSpec, find, initialize};
use unlearn_network::{DeviceChoice, Network, ParameterKind};
use unlearn_samples::{Augmentation, ImageSet};
use unlearn_training::{Recipe, Session, Task};
use unlearn_unlearning::{
    Estimator, FisherOptions, InfluenceOptions, Request, Solver, empirical_fisher, expected_fisher, influence,
};

const SIDE: usize = 28;
const CLASSES: usize = 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let fisher_samples: usize = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let influence_samples: usize = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let density: f64 = arguments.next().map_or(Ok(1.0), |text| text.parse())?;

    let input = InputSpec { shape: [1, SIDE, SIDE], classes: CLASSES, mean: vec![0.286], std: vec![0.353] };
    let graph = find("resnet20s")?.graph(&input)?;
    let mut network = Network::new(graph.clone(), initialize(&graph, 1), DeviceChoice::Cpu)?;
    let kept = |i: usize| (i * 7919 % 1000) as f64 / 1000.0 < density;
    let of_parameter = |kind, len: usize| (kind == ParameterKind::ConvWeight).then(|| (0..len).map(kept).collect());
    if density < 1.0 {
        network.prune(graph.parameters.iter().map(|p| of_parameter(p.kind, p.shape.iter().product())).collect())?;
    }
    let count = fisher_samples.max(influence_samples) + 1;
    let pixels: Vec<u8> = (0..count * SIDE * SIDE).map(|i| ((i * 31 + i * i / 5) % 256) as u8).collect();
    let labels: Vec<u32> = (0..count).map(|i| (i % CLASSES) as u32).collect();
    let images = ImageSet::new([1, SIDE, SIDE], pixels, labels)?;
    let positions: Vec<u32> = (0..count as u32).collect();
    let (forget, retain) = positions.split_at(1);
    let width = network.row_layout().width();
    let recipe = Recipe::default();
    let mut request = Request::new(
        &mut network,
        Task {
            images: &images,
            validation: &[],
            recipe: &recipe,
            augmentation: Augmentation::NONE,
            device: DeviceChoice::Cpu,
            seed: 1,
            session: Session::unattended(),
        },
        forget,
        retain,
    );

    // The first call makes the executor plan and fills its buffer pools.
    empirical_fisher(&mut request, &retain[..retain.len().min(64)])?;
    let clock = Instant::now();
    let options = FisherOptions { estimator: Estimator::PerSample, batch_size: 64, augment: false };
    expected_fisher(&mut request, &retain[..fisher_samples], options)?;
    let fisher = clock.elapsed().as_secs_f64();
    println!("{width} parameters kept");
    println!("fisher: {:.2} ms a sample, {fisher_samples} samples", 1e3 * fisher / fisher_samples as f64);

    request.retain = &retain[..influence_samples];
    for solver in [Solver::Woodbury, Solver::ConjugateGradients] {
        let clock = Instant::now();
        let options = InfluenceOptions { solver, samples: influence_samples, memory_mib: 0, augment: false };
        let found = influence(&mut request, &options)?;
        let seconds = clock.elapsed().as_secs_f64();
        let iterations = found.iterations;
        println!("influence by {solver:?}: {seconds:.2} s, {influence_samples} samples, {iterations} iterations");
    }
    Ok(())
}
