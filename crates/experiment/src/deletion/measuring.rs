//! Measures a model, and repeats the measurements of a certificate.

use unlearn::parts::{Purpose, network};
use unlearn_certificates::{Certificate, Finding};
use unlearn_metrics::{Figure, Figures, Need, Unit, Values, figures::mia_efficacy};
use unlearn_mia_eval::{MemberSelection, Settings};
use unlearn_models::ModelFile;
use unlearn_run_store::Machine;
use unlearn_samples::Division;

use super::{Certified, samples, statement::open};
use crate::{
    Environment, Error, Materials, Result,
    judgement::{Judging, judge},
    setting::Setting,
    suite::EFFICACY,
};

/// Maximum difference, in points, of a figure from the certificate's on another executor or processor. If one sample
/// of the figure's set weighs more, one sample is allowed.
pub const CLOSENESS: f64 = 0.5;

/// Repeats the measurements on the model that a deletion left, and compares them with its certificate.
/// `data` is the dataset's name, or a folder that holds the dataset. On the certificate's executor and processor,
/// every digit must agree. Elsewhere a figure may differ as [`CLOSENESS`] says. The figures before the deletion, the
/// run time and every figure that needs a Retrain cannot be measured again.
///
/// # Errors
/// If the data or the device cannot be opened.
pub fn measure_again(certified: &Certified<'_>, data: &str, environment: &Environment) -> Result<Vec<Finding>> {
    let Certified { certificate, model } = certified;
    let (_, materials) = open(data, &certificate.data.name, environment)?;
    let opened = serde_json::from_value(certificate.data.split.clone())
        .map_err(|error| format!("the certificate's split is damaged: {error}"))
        .and_then(|section| materials.data(&section));
    let found = match opened {
        Ok(opened) => opened.dataset.fingerprint.clone(),
        Err(reason) => return Ok(vec![Finding::fails("data", reason)]),
    };
    if found != certificate.data.fingerprint {
        let other = format!("`{data}` has the fingerprint {found}, not {}", certificate.data.fingerprint);
        return Ok(vec![Finding::fails("data", other)]);
    }
    let model = match model {
        Ok(model) => model,
        Err(reason) => return Ok(vec![Finding::fails("model", reason.clone())]),
    };
    let executor = environment.device.arithmetic(&model.graph).map_err(Error::Device)?;
    let (setting, division) = match divide(&materials, model, certificate) {
        Ok(divided) => divided,
        Err(reason) => return Ok(vec![Finding::fails("sets", reason)]),
    };
    let sets = format!("{} images to forget, {} to retain", setting.history.forgotten.len(), division.retain.len());
    let mut findings = vec![Finding::holds("sets", format!("{sets}, as the model itself says"))];
    let attacks = match attacks(certificate) {
        Ok(attacks) => attacks,
        Err(reason) => return Ok(vec![Finding::fails("attacks", reason)]),
    };
    let sets = setting.sets(&division);
    let registry = &environment.registry;
    let judging = Judging { registry, settings: &attacks, rte_seconds: None, retrain: None, interrupt: None };
    let measured = network(model, environment.device)
        .map_err(Box::new)
        .and_then(|mut network| judge(&mut network, &sets, &judging));
    match measured {
        Err(error) => findings.push(Finding::fails("metrics", error.to_string())),
        Ok(measured) => {
            let same = executor == certificate.method.executor && Machine::this().cpu == certificate.machine.cpu;
            findings.extend(compare(&measured.figures, certificate, same, &environment.registry.figures()));
        }
    }
    Ok(findings)
}

/// Checks the certificate's sets against the model and the data. The error is a reason for users.
fn divide(materials: &Materials, model: &ModelFile, certificate: &Certificate) -> Result<(Setting, Division), String> {
    let Certificate { request, data, method, .. } = certificate;
    let all = request.all();
    let training = model.info.training.as_ref().ok_or("the model does not say what it was asked to forget")?;
    if training.forgotten != all {
        return Err("the model says that it was asked to forget other images than the certificate names".into());
    }
    let said = (&training.data, &training.fingerprint, &training.recipe, training.seed);
    if said != (&data.split, &data.fingerprint, &method.recipe, method.seed) {
        return Err("the model and the certificate state different trainings".into());
    }
    let setting = Setting::of(training, materials)?;
    if let Some(id) = all.iter().find(|id| setting.split.train.binary_search(id).is_err()) {
        return Err(format!("image {id} is not in the training split"));
    }
    let division = setting.division();
    let samples = samples(&setting, &division, &all);
    if (samples, &division.whole_classes) != (data.samples, &data.whole_classes) {
        return Err(format!(
            "they have {samples:?} without the classes {:?}, not {:?} without {:?}",
            division.whole_classes, data.samples, data.whole_classes
        ));
    }
    Ok((setting, division))
}

/// The attack settings that the certificate states. The error is a reason for users.
fn attacks(certificate: &Certificate) -> Result<Settings, String> {
    if let Some(attacks) = &certificate.measured.attacks {
        return serde_json::from_value(attacks.clone()).map_err(|e| e.to_string());
    }
    // Format 1 used one draw, on the features that it has figures of.
    let feature = |name: &String| Some(name.strip_prefix("mia_efficacy.")?.to_owned());
    Ok(Settings {
        attacks: vec![EFFICACY.into()],
        mia: certificate.measured.after.keys().filter_map(feature).collect(),
        draws: 1,
        members: MemberSelection::Stratified,
        seed: Purpose::Attack.seed(certificate.method.seed),
    })
}

fn compare(measured: &Values, certificate: &Certificate, same: bool, figures: &Figures) -> Vec<Finding> {
    let Certificate { measured: claimed, data, .. } = certificate;
    // Format 1 did not name the table's efficacy beside that of its feature.
    let wanted = |name: &&String| claimed.attacks.is_some() || *name != mia_efficacy::NAME;
    let mut findings: Vec<Finding> = (measured.keys().filter(wanted))
        .filter(|name| !claimed.after.contains_key(*name))
        .map(|name| {
            Finding::fails(format!("metric {name}"), "it can be measured, but the certificate does not name it")
        })
        .collect();
    for (name, claim) in &claimed.after {
        let what = format!("metric {name}");
        let Some(figure) = figures.get(name) else {
            findings.push(Finding::fails(what, "this program knows no such figure"));
            continue;
        };
        let Some(found) = measured.get(name) else {
            findings.push(if figure.needs.contains(&Need::RunTime) || figure.needs_retrain() {
                Finding::unchecked(what, "it cannot be measured again from the folder")
            } else {
                Finding::fails(what, "it cannot be measured")
            });
            continue;
        };
        if found.undefined.is_some() && found == claim {
            findings.push(Finding::holds(what, "undefined again"));
            continue;
        }
        let (found, claim) = (found.value, claim.value);
        let allowed = if same { 0.0 } else { leeway(figure, data.samples.behind(figure), claim) };
        findings.push(if found.to_bits() == claim.to_bits() {
            Finding::holds(what, format!("{found} again"))
        } else if (found - claim).abs() <= allowed {
            Finding::holds(
                what,
                format!("{found} here, {claim} there; another executor may be {allowed:.2} points off"),
            )
        } else {
            Finding::fails(what, format!("{found} here, not {claim}; it may be {allowed:.2} points off"))
        });
    }
    findings
}

/// Maximum difference on another executor. For a figure that counts samples: [`CLOSENESS`] or one sample. For any
/// other figure: the same share of its value.
fn leeway(figure: &Figure, samples: usize, claim: f64) -> f64 {
    match figure.unit {
        Unit::Percent | Unit::Points => CLOSENESS.max(100.0 / samples.max(1) as f64),
        Unit::Seconds | Unit::Steps | Unit::Nats | Unit::None => CLOSENESS / 100.0 * claim.abs().max(1.0),
    }
}
