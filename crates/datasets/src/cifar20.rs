//! CIFAR-100 with its 20 coarse classes as labels. Each has five subclasses: the 100 fine classes.
//!
//! Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Works on forgetting train on the coarse classes and forget
//! a subclass, such as "rocket" of "vehicles 2" (Foster et al. 2024, arXiv 2308.07707, who call the data set `CifarSuper20`).

use crate::cifar100;
use crate::entry::{Entry, HubRepository};
use crate::formats::cifar::{self, Coding, Form};

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "cifar20",
    summary: "CIFAR-100's pictures, 32×32, with its 20 coarse classes; its 100 fine classes are their subclasses",
    classes: &[
        "aquatic_mammals",
        "fish",
        "flowers",
        "food_containers",
        "fruit_and_vegetables",
        "household_electrical_devices",
        "household_furniture",
        "insects",
        "large_carnivores",
        "large_man-made_outdoor_things",
        "large_natural_outdoor_scenes",
        "large_omnivores_and_herbivores",
        "medium_mammals",
        "non-insect_invertebrates",
        "people",
        "reptiles",
        "small_mammals",
        "trees",
        "vehicles_1",
        "vehicles_2",
    ],
    subclasses: cifar100::ENTRY.classes,
    files_of: Some(cifar100::ENTRY.name),
    class_count: 20,
    hub: Some(HubRepository {
        name: "uoft-cs/cifar100",
        folder: "cifar100",
        image: "img",
        label: "coarse_label",
        test: "test",
        subclass: Some("fine_label"),
    }),
    open: |entry, options| cifar::open(entry, &FORMS, options),
    ..cifar100::ENTRY
};

/// CIFAR-100's, with the coarse label as label.
pub(crate) const FORMS: [Form; 2] = [
    Form {
        coding: Coding::Records { label_bytes: 2, label: 0, subclass: Some(1) },
        names: "coarse_label_names.txt",
        ..cifar100::FORMS[0]
    },
    Form {
        coding: Coding::Pickle {
            labels: "coarse_labels",
            subclasses: Some("fine_labels"),
            names: "coarse_label_names",
        },
        ..cifar100::FORMS[1]
    },
];
