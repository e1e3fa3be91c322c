//! Checks whether the content of a certificate is consistent: derived figures, draws, the Retrain, and the times.

use unlearn_metrics::{Evidence, Figures, Need, Retrain, Values, figures::mia_efficacy};

use crate::{Certificate, Finding, Measured};

/// Checks parts of a certificate against each other.
pub(crate) fn check(certificate: &Certificate, figures: &Figures) -> Vec<Finding> {
    let mut findings = derived(&certificate.measured, figures);
    findings.extend(draws(certificate, figures));
    findings.extend(retrain(certificate, figures));
    findings.push(times(certificate));
    findings
}

/// The models of a certificate, with their descriptions.
fn models(measured: &Measured) -> Vec<(&'static str, &Values)> {
    let Measured { before, after, retrain, .. } = measured;
    let beside = retrain.as_ref().map(|values| ("of Retrain", values));
    [("before", before), ("after", after)].into_iter().chain(beside).collect()
}

/// Computes every derived figure again from those beside it.
fn derived(measured: &Measured, figures: &Figures) -> Vec<Finding> {
    let (mut findings, mut sound) = (Vec::new(), 0);
    for (model, values) in models(measured) {
        let beside = measured.retrain.as_ref().filter(|theirs| !std::ptr::eq(*theirs, values));
        let retrain = beside.map(|figures| Retrain { scores: None, figures });
        let evidence = Evidence { scores: None, rte_seconds: None, figures: values, retrain };
        for (figure, said) in figures.iter().filter_map(|figure| Some((figure, values.get(figure.name.as_ref())?))) {
            let what = || format!("figure {} {model}", figure.name);
            match (figure.compute)(&evidence) {
                Ok(Some(follows)) if follows == *said => sound += 1,
                Ok(Some(follows)) => findings.push(Finding::fails(
                    what(),
                    format!("it is {}, but the figures beside it give {}", said.value, follows.value),
                )),
                // It is measured, and does not follow from other figures. Or there is no Retrain, which another check
                // reports.
                Ok(None) => {}
                Err(error) => findings.push(Finding::fails(what(), error.to_string())),
            }
        }
    }
    if findings.is_empty() && sound > 0 {
        findings.push(Finding::holds("derived figures", format!("{sound} follow from those beside them")));
    }
    findings
}

/// Checks the draws of figures: every model must have equally many, and no more than the certificate says. Some
/// features have fewer draws, because they cost more.
fn draws(certificate: &Certificate, figures: &Figures) -> Vec<Finding> {
    let measured = &certificate.measured;
    let stated = match &measured.attacks {
        Some(attacks) => attacks.get("draws").and_then(serde_json::Value::as_u64),
        // Format 1 did not record the number: one draw.
        None if certificate.format == 1 => Some(1),
        None => None,
    };
    let Some(stated) = stated.and_then(|stated| usize::try_from(stated).ok()) else {
        return vec![Finding::fails(
            "attacks",
            "the certificate does not say how many draws its attacks were fitted on",
        )];
    };
    let attack = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let all = || models(measured).into_iter().flat_map(|(_, values)| values);
    let mut findings = Vec::new();
    for (model, values) in models(measured) {
        for (name, value) in values {
            let needs_attack = figures.get(name).is_some_and(|figure| figure.needs.contains(&Need::Attack));
            let of_attack = attack(name);
            let is_drawn = needs_attack
                && (of_attack == mia_efficacy::NAME
                    || all().any(|(other, value)| attack(other) == of_attack && !value.draws.is_empty()));
            if value.undefined.is_some() {
                continue;
            }
            let most = all().filter(|(other, _)| *other == name).map(|(_, value)| value.draws.len()).max();
            let (found, most) = (value.draws.len(), most.unwrap_or(0));
            let what = format!("draws of {name} {model}");
            if is_drawn && (found == 0 || found > stated) {
                let reason = format!("it has {found}, but its attack was fitted on 1 to {stated}");
                findings.push(Finding::fails(what, reason));
            } else if found != most {
                findings.push(Finding::fails(what, format!("it has {found}, but {most} on another model")));
            } else if !is_drawn && found > 0 {
                findings.push(Finding::fails(what, format!("it has {found}, but nothing is drawn for it")));
            }
        }
    }
    findings
}

/// Checks that figures of a Retrain are there if and only if a Retrain was read.
fn retrain(certificate: &Certificate, figures: &Figures) -> Vec<Finding> {
    let what = "Retrain";
    let was_read = certificate.input.keys().any(|role| role.starts_with("retrain "));
    let Measured { before, after, retrain, .. } = &certificate.measured;
    let compared = before
        .keys()
        .chain(after.keys())
        .find(|name| figures.get(name).is_some_and(unlearn_metrics::Figure::needs_retrain));
    match (was_read, retrain, compared) {
        (true, None, _) => vec![Finding::fails(what, "one was read, but its figures are missing")],
        (false, Some(_), _) => vec![Finding::fails(what, "there are figures of one, but the inputs name none")],
        (false, None, Some(name)) => {
            vec![Finding::fails(what, format!("`{name}` is measured against one, but the inputs name none"))]
        }
        _ => vec![],
    }
}

/// Checks that the deletion ended after its start.
fn times(certificate: &Certificate) -> Finding {
    let Certificate { started, finished, .. } = certificate;
    let is_time = |text: &str| {
        let form = "0000-00-00T00:00:00Z";
        text.len() == form.len()
            && text
                .bytes()
                .zip(form.bytes())
                .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
    };
    if let Some(text) = [started, finished].into_iter().find(|text| !is_time(text)) {
        return Finding::fails("times", format!("`{text}` is not a time in the program's form (2026-01-31T12:00:00Z)"));
    }
    // In this form, the texts sort like the times.
    if started <= finished {
        Finding::holds("times", format!("from {started} to {finished}"))
    } else {
        Finding::fails("times", format!("it was begun at {started}, after it was finished at {finished}"))
    }
}

#[cfg(test)]
mod tests {
    use unlearn_metrics::{
        Value,
        figures::{avg_gap, mia_distance, tow},
    };

    use super::*;
    use crate::{certificate::tests::example, check::tests::figures};
    use unlearn_run_store::Artifact;

    /// A certificate with a Retrain and every figure that follows from its own.
    fn compared() -> Certificate {
        let mut certificate = example();
        certificate.input.insert("retrain model".into(), Artifact::of_bytes(b"retrain"));
        certificate.measured.attacks = Some(serde_json::json!({ "draws": 2 }));
        let drawn = |first| Value::over_draws(vec![first, first + 10.0]).unwrap();
        let values = |ua: f64, efficacy: f64| -> Values {
            let exact =
                [("ua", ua), ("ra", 99.0), ("ta", 90.0)].map(|(name, value)| (name.to_owned(), Value::exact(value)));
            exact.into_iter().chain([("mia_efficacy.confidence".to_owned(), drawn(efficacy))]).collect()
        };
        let (mut before, mut after, mut theirs) = (values(1.0, 20.0), values(95.0, 70.0), values(97.0, 75.0));
        let registry = figures();
        registry.complete(&mut theirs, None, None, None, |_| true).unwrap();
        for ours in [&mut before, &mut after] {
            let beside = Retrain { scores: None, figures: &theirs };
            registry.complete(ours, None, None, Some(beside), |_| true).unwrap();
        }
        assert!([avg_gap::NAME, tow::NAME, mia_distance::NAME].iter().all(|name| after.contains_key(*name)));
        let measured = &mut certificate.measured;
        (measured.before, measured.after, measured.retrain) = (before, after, Some(theirs));
        certificate
    }

    fn failures(certificate: &Certificate) -> Vec<String> {
        let findings = check(certificate, &figures()).into_iter();
        findings.filter(Finding::is_failure).map(|finding| finding.what).collect()
    }

    #[test]
    fn what_follows_from_other_figures_is_computed_again() {
        assert_eq!(failures(&compared()), [""; 0]);
        let changed = |edit: &dyn Fn(&mut Certificate)| {
            let mut certificate = compared();
            edit(&mut certificate);
            failures(&certificate)
        };
        for name in [avg_gap::NAME, tow::NAME, mia_distance::NAME] {
            let set = |c: &mut Certificate| c.measured.after.get_mut(name).unwrap().value *= 0.5;
            assert_eq!(changed(&set), [format!("figure {name} after")]);
        }
        let better = |c: &mut Certificate| c.measured.after.get_mut("ua").unwrap().value = 97.0;
        assert_eq!(changed(&better), ["figure avg_gap after", "figure tow after"]);
        let theirs = |c: &mut Certificate| c.measured.retrain.as_mut().unwrap().get_mut("ra").unwrap().value = 98.0;
        assert_eq!(changed(&theirs).len(), 6);
        assert!(changed(&|c| c.measured.retrain = None).contains(&"Retrain".to_owned()));
        let none_given = |c: &mut Certificate| {
            c.measured.retrain = None;
            c.input.remove("retrain model");
        };
        assert_eq!(changed(&none_given), ["Retrain"]);
        let stripped = |c: &mut Certificate| {
            let value = c.measured.after.get_mut("mia_efficacy.confidence").unwrap();
            *value = Value::exact(value.value);
        };
        assert!(changed(&stripped).contains(&"draws of mia_efficacy.confidence after".to_owned()));
        assert_eq!(changed(&|c| c.measured.attacks = Some(serde_json::json!({ "draws": 1 }))).len(), 6);
        assert_eq!(changed(&|c| c.measured.attacks = Some(serde_json::json!({ "draws": 3 }))), [""; 0]);
        let fewer = |c: &mut Certificate| {
            let value = c.measured.before.get_mut("mia_efficacy.confidence").unwrap();
            *value = Value::over_draws(vec![value.value]).unwrap();
        };
        assert!(changed(&fewer).contains(&"draws of mia_efficacy.confidence before".to_owned()));
    }
}
