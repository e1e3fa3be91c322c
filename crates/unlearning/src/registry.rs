//! Every unlearning method by name.

use crate::{
    Error, Result,
    ff::Ff,
    fisher_sample::FisherSample,
    ft::Ft,
    ga::Ga,
    iu::Iu,
    l1_sparse::L1Sparse,
    method::{Entry, entry},
    raw::Raw,
    retrain::Retrain,
    ssd::Ssd,
};

/// All methods, in the order of the report's rows.
pub static METHODS: &[Entry] = &[
    entry::<Raw>(),
    entry::<Retrain>(),
    entry::<Ft>(),
    entry::<Ga>(),
    entry::<Ff>(),
    entry::<FisherSample>(),
    entry::<Iu>(),
    entry::<Ssd>(),
    entry::<L1Sparse>(),
];

/// Looks a method up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn find(name: &str) -> Result<&'static Entry> {
    METHODS.iter().find(|m| m.name == name).ok_or_else(|| {
        let similarity = |m: &&Entry| strsim::jaro_winkler(m.name, name);
        let nearest = METHODS.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        let suggestion = nearest.map(|m| format!(" (did you mean `{}`?)", m.name)).unwrap_or_default();
        let valid = METHODS.iter().map(|m| m.name).collect::<Vec<_>>().join(", ");
        Error::UnknownMethod { name: name.into(), suggestion, valid }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unlearn_datasets::{Augmentation, ImageSet};
    use unlearn_models::{InputSpec, initialize};
    use unlearn_network::{DeviceChoice, Network, ParameterKind};
    use unlearn_training::{Recipe, Session};

    use super::*;
    use crate::Request;

    #[test]
    fn every_method_is_documented_uniquely_named_and_refuses_unknown_keys() {
        for (i, method) in METHODS.iter().enumerate() {
            assert!(METHODS[..i].iter().all(|other| other.name != method.name), "{} twice", method.name);
            assert!(!method.summary.is_empty() && !method.source.is_empty(), "{}", method.name);
            let defaults = method.resolve(&json!({})).unwrap();
            assert_eq!(method.resolve(&defaults).unwrap(), defaults, "{}", method.name);
            let message = method.resolve(&json!({ "nonsense": 1 })).unwrap_err().to_string();
            assert!(message.contains(method.name) && message.contains("`nonsense`"), "{message}");
        }
        assert!(find("l1sparse").err().unwrap().to_string().contains("did you mean `l1-sparse`"));
    }

    /// A small model with every second convolution weight pruned, and 24 images of 4 classes.
    fn pruned_network() -> Network {
        let input = InputSpec { shape: [1, 8, 8], classes: 4, mean: vec![0.5], std: vec![0.25] };
        let graph = unlearn_models::find("resnet8s").unwrap().graph(&input).unwrap();
        let mut network = Network::new(graph.clone(), initialize(&graph, 1), DeviceChoice::Cpu).unwrap();
        let every_second =
            |kind, len: usize| (kind == ParameterKind::ConvWeight).then(|| (0..len).map(|i| i % 2 == 0).collect());
        let kept = graph.parameters.iter().map(|p| every_second(p.kind, p.shape.iter().product())).collect();
        network.prune(kept).unwrap();
        network
    }

    #[test]
    fn every_method_runs_keeps_the_mask_and_repeats() {
        let pixels: Vec<u8> = (0..24 * 64).map(|i| ((i * 31 + i * i / 5) % 256) as u8).collect();
        let images = ImageSet::new([1, 8, 8], pixels, (0..24).map(|i| i % 4).collect::<Vec<u32>>()).unwrap();
        let (forget, rest): (Vec<u32>, Vec<u32>) = (0..24).partition(|i| i % 4 == 0);
        let (validation, retain) = rest.split_at(4);
        let recipe = Recipe { epochs: 2, batch_size: 8, ..Recipe::default() };
        let apply = |method: &Entry| {
            let mut network = pruned_network();
            let mut request = Request {
                network: &mut network,
                images: &images,
                forget: &forget,
                retain,
                validation,
                recipe: &recipe,
                augmentation: Augmentation { crop_padding: 1, flip: true },
                seed: 9,
                session: Session::unattended(),
            };
            // A quarter of the images is forgotten, and no weight can be ten times as important to a quarter as to all.
            let config = if method.name == "ssd" { json!({ "alpha": 1.5 }) } else { json!({}) };
            let outcome = method.run(&config, &mut request).unwrap();
            assert!(outcome.seconds >= 0.0);
            network
        };
        let untouched = pruned_network();
        for method in METHODS {
            let network = apply(method);
            let graph = network.graph().clone();
            assert_eq!(network.state().first_non_finite(&graph), None, "{}", method.name);
            let changed = network.state().parameters() != untouched.state().parameters();
            assert_eq!(changed, method.name != "raw", "{}", method.name);
            for (kept, values) in network.kept().iter().zip(network.state().parameters()) {
                for (value, _) in values.iter().zip(kept.iter().flatten()).filter(|(_, kept)| !**kept) {
                    assert_eq!(value.to_bits(), 0, "{}: a pruned weight came back", method.name);
                }
            }
            assert_eq!(apply(method).state().parameters(), network.state().parameters(), "{}", method.name);
        }
    }
}
