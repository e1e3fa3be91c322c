//! The identity of a deletion, and whether a certificate's key matches its content.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use unlearn_certificates::{Basis, Certificate, Finding, Threshold};
use unlearn_models::Origin;
use unlearn_run_store::{Artifact, StageSpec};

use super::Certified;
use crate::Environment;

/// Everything that decides what is done and certified.
pub(super) struct Identity<'a> {
    pub(super) input: &'a BTreeMap<String, Artifact>,
    pub(super) dictionaries: &'a BTreeMap<String, String>,
    pub(super) forget: &'a [u32],
    pub(super) before: &'a [u32],
    /// `[data]` as in a suite, with its seed.
    pub(super) data: Value,
    pub(super) fingerprint: &'a str,
    pub(super) recipe: Value,
    pub(super) seed: u64,
    pub(super) init: Option<&'a Origin>,
    pub(super) stated_by: Basis,
    pub(super) method: &'a str,
    pub(super) parameters: &'a Value,
    pub(super) attacks: Value,
    pub(super) thresholds: Vec<&'a Threshold>,
    pub(super) arithmetic: &'a str,
    /// The signer's public key, in hexadecimal.
    pub(super) signer: Option<String>,
}

impl Identity<'_> {
    /// The description whose key is the deletion's key.
    pub(super) fn spec(&self) -> StageSpec {
        let mut config = json!({
            "input": self.input, "forget": self.forget, "before": self.before, "data": self.data,
            "recipe": self.recipe, "stated-by": self.stated_by, "method": self.method,
            "parameters": self.parameters, "attacks": self.attacks, "thresholds": self.thresholds,
            "arithmetic": self.arithmetic, "signer": self.signer,
        });
        if !self.dictionaries.is_empty() {
            config["dictionaries"] = json!(self.dictionaries);
        }
        if let Some(init) = self.init {
            config["init"] = json!(init);
        }
        StageSpec::new("forget", config, self.fingerprint, self.seed)
    }
}

/// Checks whether the method exists, whether the certificate's key is the hash of its content, and whether the model
/// names the same key.
pub fn check_identity(certified: &Certified<'_>, environment: &Environment) -> Vec<Finding> {
    let Certified { certificate, model } = certified;
    let mut findings = vec![match environment.methods.find(&certificate.method.name) {
        Ok(method) => Finding::holds("method", format!("`{}`: {}", method.name, method.summary)),
        Err(unknown) => Finding::fails("method", unknown.to_string()),
    }];
    let what = "key";
    if certificate.format < 2 {
        findings.push(Finding::unchecked(what, "certificates of format 1 do not hold everything that decides it"));
        return findings;
    }
    let model = match model {
        Ok(model) => model,
        Err(reason) => {
            findings.push(Finding::fails(what, format!("the model, which names it too, cannot be read: {reason}")));
            return findings;
        }
    };
    let Certificate { key, request, data, method, input, dictionaries, measured, signature, .. } = certificate;
    let identity = Identity {
        input,
        dictionaries,
        forget: &request.ids,
        before: &request.before,
        data: data.split.clone(),
        fingerprint: &data.fingerprint,
        recipe: method.recipe.clone(),
        seed: method.seed,
        init: model.info.training.as_ref().and_then(|training| training.init.as_ref()),
        stated_by: data.stated_by,
        method: &method.name,
        parameters: &method.parameters,
        attacks: measured.attacks.clone().unwrap_or_default(),
        thresholds: measured.thresholds.iter().map(|verdict| &verdict.threshold).collect(),
        arithmetic: &method.executor,
        signer: signature.as_ref().map(|signature| signature.public_key.clone()),
    };
    let found = identity.spec().key();
    findings.push(if model.info.config != key.as_str() {
        Finding::fails(what, format!("it is {key}, and the model was left by the deletion {}", model.info.config))
    } else if found != *key {
        let or = if signature.is_none() { "; something was changed, or a signature taken out" } else { "" };
        Finding::fails(what, format!("it is {key}, but the certificate's content has the key {found}{or}"))
    } else {
        Finding::holds(what, format!("{key} is the hash of what decides the deletion, and the model names it"))
    });
    findings
}
