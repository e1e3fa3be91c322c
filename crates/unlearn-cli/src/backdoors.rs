//! `unlearn backdoors`: lists triggers and detectors, describes one, and draws images with triggers.

use unlearn::backdoor::{PictureUse, TRIGGERS, TriggerChoice};
use unlearn::datasets::picture;
use unlearn::samples::{ImageSet, sheet};
use unlearn_experiment::open_trigger_picture;
use unlearn_run_store::write_atomic;

use crate::{
    args::{BackdoorsArguments, BackdoorsCommand, DrawArguments},
    convert::check_new,
    datasets,
    exit::Usage,
    lists, output,
    outputs::Outputs,
    show::{self, List},
};

pub(crate) fn backdoors(arguments: &BackdoorsArguments) -> anyhow::Result<()> {
    match &arguments.command {
        None => lists::backdoors(),
        Some(BackdoorsCommand::Show { name }) => show::show(List::Backdoors, name, false)?,
        Some(BackdoorsCommand::Draw(arguments)) => draw(arguments)?,
    }
    Ok(())
}

fn draw(arguments: &DrawArguments) -> anyhow::Result<()> {
    let DrawArguments { triggers, out, .. } = arguments;
    check_new(out, arguments.replace)?;
    let triggers = if triggers.is_empty() {
        let without_picture = TRIGGERS.iter().filter(|entry| entry.picture != PictureUse::Required);
        without_picture.map(|entry| TriggerChoice::named(entry.name)).collect()
    } else {
        triggers.clone()
    };
    let mut files = Outputs::default().reads_dataset(Some(&arguments.dataset.name));
    for trigger in &triggers {
        files = files.reads("the trigger's picture", trigger.file());
    }
    files.writes("`--out`", Some(out)).check()?;
    let usage = |reason: String| Usage(format!("--trigger: {reason}"));
    let mut prepared = Vec::with_capacity(triggers.len());
    for trigger in &triggers {
        let overlay = trigger.file().map(open_trigger_picture).transpose().map_err(usage)?;
        let trigger = trigger.resolved(overlay.as_ref()).map_err(|error| usage(error.to_string()))?;
        prepared.push((trigger, overlay));
    }
    let dataset = datasets::open(&arguments.dataset)?;
    let images = &dataset.test;
    let ImageSet { channels, height, width, .. } = *images;
    let shape = [channels, height, width];
    let clean = shown(images, dataset.classes.len(), usize::from(arguments.count))
        .into_iter()
        .map(|position| Ok(images.image(position)?.to_vec()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    if clean.is_empty() {
        return Err(Usage(format!("{} has no test images to draw", dataset.name)).into());
    }
    let mut rows = vec![clean.clone()];
    for (trigger, overlay) in &prepared {
        let stamp = trigger.prepare(shape, overlay.as_ref()).map_err(|error| usage(error.to_string()))?;
        let mut row = clean.clone();
        for image in &mut row {
            stamp.apply(image);
        }
        rows.push(row);
    }
    write_atomic(out, &picture::encode(&sheet(shape, &rows))?)?;
    let names = prepared.iter().map(|(trigger, _)| trigger.name.as_str()).collect::<Vec<_>>().join(", ");
    let images = output::counted(clean.len(), "test image", "test images");
    say!("{}: {images} of {}, without a trigger and with {names}", out.display(), dataset.name);
    Ok(())
}

/// Positions of images to draw: the first of each class, then the second, and so on.
fn shown(images: &ImageSet, classes: usize, count: usize) -> Vec<usize> {
    let mut seen = vec![0_usize; classes];
    let mut order: Vec<(usize, u32, usize)> = images
        .labels
        .iter()
        .enumerate()
        .map(|(position, &label)| {
            let turn = &mut seen[label as usize];
            *turn += 1;
            (*turn, label, position)
        })
        .collect();
    order.sort_unstable();
    order.into_iter().take(count).map(|(.., position)| position).collect()
}
