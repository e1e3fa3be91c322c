//! `unlearn export`: writes a trained model as a file for deployment.

use unlearn::models::Target;
use unlearn::network::Graph;
use unlearn_experiment::{Form, OpenedModel, TIMED_IMAGES, TIMED_ROUNDS, rates};
use unlearn_run_store::write_atomic;

use crate::{
    args::ExportArguments,
    convert::{check, check_output, check_record, check_safetensors, options},
    exit::Usage,
    inspect::source,
    outputs::Outputs,
};

pub(crate) fn export(arguments: &ExportArguments) -> anyhow::Result<()> {
    let ExportArguments { model, output, form, mask, measure, foreign } = arguments;
    check(foreign)?;
    check_safetensors(output)?;
    check_output(output)?;
    Outputs::default()
        .reads("the model", Some(model))
        .reads("`--mask`", mask.as_deref())
        .writes("the output", Some(output))
        .check()?;
    let opened = OpenedModel::open(model, mask.as_deref(), &options(foreign))?;
    let (original, bytes_read) = (opened.model, opened.read["model"].len());
    check_record(model, &original, foreign)?;
    let (what, form) = match (form.structured, form.sparse) {
        (true, _) => ("structured", Form::Structured),
        (_, true) => ("sparse", Form::Sparse),
        _ => ("dense", Form::Dense),
    };
    if form == Form::Sparse && original.mask.is_none() {
        return Err(
            Usage("the model has no mask, so there is nothing sparse to write; give one with `--mask`".into()).into()
        );
    }
    let exported = unlearn_experiment::export(&original, form, output)?;
    write_atomic(output, &exported.bytes)?;

    say!("{}: {}, {bytes_read} bytes", model.display(), source(original.source));
    let dense = original.to_bytes(Target::Dense)?.len();
    let share = 100.0 * exported.bytes.len() as f64 / dense as f64;
    say!("{}: {what}, {} bytes, {share:.1} % of a dense checkpoint's {dense}", output.display(), exported.bytes.len(),);
    let operations = |graph: &Graph| graph.conv_operations().iter().map(|(_, count)| count).sum::<usize>();
    for (what, count) in [
        ("parameters", Graph::parameter_count as fn(&Graph) -> usize),
        ("multiply-accumulates of convolutions, per image", operations),
    ] {
        say!("{what}: {} of {}", count(&exported.model.graph), count(&original.graph));
    }
    say!(
        "logits differ by at most {:.1e} of the largest, on {} images of noise",
        exported.difference,
        exported.compared
    );
    if *measure {
        let [before, after] = rates(&original, &exported.model)?;
        say!(
            "evaluation: {after:.0} images/s after, {before:.0} before, {:.2} times as fast (median of {TIMED_ROUNDS} alternating \
             passes over {TIMED_IMAGES} images)",
            after / before
        );
    }
    Ok(())
}
