//! `unlearn forget`: makes a trained model forget what a request lists, and writes a certificate.

use anyhow::bail;
use unlearn::metrics::{Figures, Value};
use unlearn_certificates::{Certificate, Measured, SigningKey, Threshold};
use unlearn_experiment::{
    MODEL_FILE,
    deletion::{Deleted, Deletion, DeletionOptions, Requested, Stated},
};

use crate::{args::ForgetArguments, exit::Usage, progress::ConsoleReporter, run::run_options};

pub(crate) fn forget(arguments: &ForgetArguments) -> anyhow::Result<()> {
    arguments.compute.interval()?;
    let thresholds = arguments.thresholds.iter().map(|text| text.parse());
    let thresholds: Vec<Threshold> =
        thresholds.collect::<Result<_, _>>().map_err(|e| Usage(format!("--threshold: {e}")))?;
    let signer = arguments.sign.as_deref().map(SigningKey::load).transpose();
    let signer = signer.map_err(|error| Usage(format!("--sign: {error}")))?;
    let stated = arguments.suite.clone().map(|suite| Stated { suite, seed: arguments.seed });
    let deletion = Deletion::resolve(&DeletionOptions {
        checkpoint: arguments.checkpoint.clone(),
        key: arguments.key.clone(),
        mask: arguments.mask.clone(),
        data: arguments.data.clone(),
        request: match (&arguments.request, arguments.subclasses.request()) {
            (_, Some(subclass)) => Requested::Subclass(subclass),
            (Some(path), None) => Requested::List(path.clone()),
            (None, None) => return Err(Usage("give `--request FILE` or `--subclass NAME`".to_owned()).into()),
        },
        method: arguments.method.clone(),
        assignments: arguments.assignments.clone(),
        thresholds,
        attacks: arguments.attacks.clone(),
        features: arguments.mia.clone(),
        draws: arguments.draws,
        members: arguments.members,
        retrain: arguments.retrain.clone(),
        retrain_key: arguments.retrain_key.clone(),
        stated,
        environment: arguments.compute.environment.environment()?,
    })?;
    let reporter = ConsoleReporter::new(false);
    let options = run_options(&reporter, &arguments.compute, unlearn_experiment::Launcher::Here)?;
    let certificate = match deletion.run(&arguments.out, &options, signer.as_ref())? {
        Deleted::Now(certificate) => certificate,
        Deleted::Before(certificate) => {
            say!("{}: this deletion was done on {} already", arguments.out.display(), certificate.finished);
            certificate
        }
    };
    print(&certificate, &arguments.compute.environment.environment()?.registry.figures());
    for name in [MODEL_FILE, Certificate::FILE] {
        say!("{}", arguments.out.join(name).display());
    }
    say!("{}", certificate.statement());
    let failed = certificate.measured.thresholds.iter().filter(|verdict| !verdict.passed).count();
    if failed > 0 {
        bail!("{failed} of {} thresholds failed; the certificate says so", certificate.measured.thresholds.len());
    }
    Ok(())
}

fn print(certificate: &Certificate, figures: &Figures) {
    let Measured { retrain, thresholds, .. } = &certificate.measured;
    let beside = if retrain.is_some() { "Retrain" } else { "" };
    say!("{:<30} {:>16} {:>16} {beside:>16}", "", "before", "after");
    for line in certificate.measured.lines(figures) {
        let shown = |value: &Option<Value>| line.shown(value.as_ref());
        let beside = if retrain.is_some() { shown(&line.retrain) } else { String::new() };
        say!("{:<30} {:>16} {:>16} {beside:>16}", line.name, shown(&line.before), shown(&line.after));
    }
    for verdict in thresholds {
        let word = if verdict.passed { "passed" } else { "FAILED" };
        let measured =
            if verdict.measured.is_nan() { "undefined".to_owned() } else { format!("{:.2}", verdict.measured) };
        say!("{}: {word} at {measured}", verdict.threshold);
    }
}
