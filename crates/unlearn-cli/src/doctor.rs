//! `unlearn doctor`: what this machine and this build have, and what hinders a run.

use std::path::Path;

use sysinfo::{Disks, MemoryRefreshKind, RefreshKind, System};
use unlearn::datasets::registry::DATA_VARIABLE;
use unlearn::network::{DeviceChoice, GraphBuilder, InstructionSet, instruction_set_asked_for};
use unlearn_run_store::{Machine, StageState, Store};

use crate::{args::DoctorArguments, output::counted};

const MIB: u64 = 1 << 20;
const GIB: f64 = (1 << 30) as f64;
/// Less free memory or disk than this is worth a warning.
const LITTLE: u64 = 1024 * MIB;

/// Prints one line for each thing that was looked at, then one for each problem.
///
/// # Errors
/// If something hinders every run.
pub(crate) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    say!("unlearn     {}", env!("CARGO_PKG_VERSION"));
    kernels(&mut problems);
    memory(&mut problems);
    devices();
    data(arguments, &mut problems);
    hub(&mut problems);
    store(&arguments.store.runs, &mut problems);
    for warning in &problems.warnings {
        say!("warning     {warning}");
    }
    for error in &problems.errors {
        say!("problem     {error}");
    }
    anyhow::ensure!(problems.errors.is_empty(), "{} found", counted(problems.errors.len(), "problem", "problems"));
    say!("result      nothing hinders a run");
    Ok(())
}

/// What was found.
#[derive(Default)]
struct Problems {
    /// What makes runs slow or small.
    warnings: Vec<String>,
    /// What makes runs fail.
    errors: Vec<String>,
}

fn kernels(problems: &mut Problems) {
    let sets: Vec<_> = InstructionSet::detected().map(|set| set.to_string()).collect();
    let Machine { cpu, cores, os } = Machine::this();
    say!("processor   {cpu}, {}", counted(cores, "thread", "threads"));
    say!("system      {os}");
    match instruction_set_asked_for() {
        Ok(_) => {
            say!("kernels     instruction sets {}; in use: {}", sets.join(", "), InstructionSet::in_use());
            let (mut graph, input) = GraphBuilder::new("doctor", [1, 2, 2]);
            let features = graph.global_avg_pool("pool", input);
            graph.linear("fc", features, 2);
            let graph = graph.finish();
            for (name, device) in [("portable", DeviceChoice::Cpu), ("native", DeviceChoice::CpuNative)] {
                if let Ok(arithmetic) = device.arithmetic(&graph) {
                    say!("arithmetic  {name}: `{arithmetic}`");
                }
            }
        }
        Err(error) => problems.errors.push(error.to_string()),
    }
    if InstructionSet::in_use() == InstructionSet::Scalar {
        problems.warnings.push("the kernels use no vector instructions, so training is many times slower".into());
    }
}

fn memory(problems: &mut Problems) {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let Ok(system) = System::new_with_specifics(memory) else { return };
    let (total, free) = (system.total_memory(), system.available_memory());
    say!("memory      {:.1} GiB, {:.1} GiB free", total as f64 / GIB, free as f64 / GIB);
    if free < LITTLE {
        problems.warnings.push(format!(
            "only {} MiB of memory are free; a training of ResNet-18 with batches of 64 needs about 800",
            free / MIB
        ));
    }
}

fn devices() {
    let built: Vec<_> =
        [("cuda", cfg!(feature = "cuda")), ("cudnn", cfg!(feature = "cudnn")), ("metal", cfg!(feature = "metal"))]
            .into_iter()
            .filter_map(|(name, built)| built.then_some(name))
            .collect();
    if built.is_empty() {
        say!("gpu         this build has none; see docs/gpu.md for builds with `cuda` or `metal`");
    } else {
        let first = DeviceChoice::first_gpu().map_or("none opened".to_owned(), |device| format!("`--device {device}`"));
        say!("gpu         built with {}; {first}", built.join(", "));
    }
}

fn data(arguments: &DoctorArguments, problems: &mut Problems) {
    let variable = std::env::var_os(DATA_VARIABLE).filter(|folder| !folder.is_empty());
    let named = [("--data-dir", arguments.data_dir.clone()), (DATA_VARIABLE, variable.map(Into::into))];
    let mut any = false;
    for (name, folder) in named.into_iter().filter_map(|(name, folder)| Some((name, folder?))) {
        any = true;
        say!("data        {name}: {}", folder.display());
        if !folder.is_dir() {
            problems.errors.push(format!("{name} names `{}`, which is no folder", folder.display()));
        }
    }
    if !any {
        say!("data        no folder named by --data-dir or {DATA_VARIABLE}; `fashion-mnist-mini` needs none");
    }
}

fn hub(problems: &mut Problems) {
    match unlearn::hub::Options::from_environment() {
        Ok(options) => {
            let token = if options.token.is_some() { "with a token" } else { "without a token" };
            let offline = if options.offline { ", offline" } else { "" };
            say!("hub         {}, {token}{offline}; cache: {}", options.endpoint, options.cache.display());
        }
        Err(error) => problems.errors.push(error.to_string()),
    }
}

fn store(folder: &Path, problems: &mut Problems) {
    if folder.exists() {
        match Store::open_existing(folder).and_then(|store| store.stages()) {
            Ok(stages) => {
                let count =
                    |wanted: fn(&StageState) -> bool| stages.iter().filter(|stage| wanted(&stage.state)).count();
                let damaged = count(|state| matches!(state, StageState::Damaged(_)));
                say!(
                    "store       {}: {}, {} unfinished, {damaged} damaged",
                    folder.display(),
                    counted(stages.len(), "stage", "stages"),
                    count(|state| *state == StageState::Unfinished)
                );
                if damaged > 0 {
                    problems.warnings.push(format!(
                        "{} in {} cannot be read; `unlearn runs verify` names them",
                        counted(damaged, "stage", "stages"),
                        folder.display()
                    ));
                }
            }
            Err(error) => problems.errors.push(error.to_string()),
        }
    } else {
        say!("store       {}: not there yet; the first run makes it", folder.display());
    }
    if let Some(free) = free_disk(folder) {
        say!("disk        {:.1} GiB free for the store", free as f64 / GIB);
        if free < LITTLE {
            problems.warnings.push(format!("only {} MiB of disk are free for the store", free / MIB));
        }
    }
}

/// Free bytes of the disk that holds a folder, or would hold it.
fn free_disk(folder: &Path) -> Option<u64> {
    let absolute = std::path::absolute(folder).ok()?;
    let existing = absolute.ancestors().find_map(|ancestor| ancestor.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let holds = disks.iter().filter(|disk| existing.starts_with(disk.mount_point()));
    holds.max_by_key(|disk| disk.mount_point().as_os_str().len()).map(sysinfo::Disk::available_space)
}
