//! Event files beside TensorBoard's own writer (`tests/golden/tensorboard/events.py`), and what is written for a suite.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value as Json;
use unlearn_mia_eval::Registry;
use unlearn_reports::Results;
use unlearn_reports::tensorboard::{self, Scalar};

use crate::suite;

/// Reads the scalars of an event file without this program's writer: tag, then (step, value).
fn read(bytes: &[u8]) -> BTreeMap<String, Vec<(i64, f32)>> {
    let mut scalars: BTreeMap<String, Vec<(i64, f32)>> = BTreeMap::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let event = fields(&rest[12..12 + length]);
        rest = &rest[12 + length + 4..];
        let step = event.get(&2).map_or(0, |field| field.number as i64);
        let Some(summary) = event.get(&5) else { continue };
        let value = fields(&fields(&summary.bytes)[&1].bytes);
        let tag = String::from_utf8(value[&1].bytes.clone()).unwrap();
        scalars.entry(tag).or_default().push((step, f32::from_bits(value[&2].number as u32)));
    }
    scalars
}

#[derive(Default)]
struct Field {
    number: u64,
    bytes: Vec<u8>,
}

/// The fields of a protobuf message, by number.
fn fields(mut message: &[u8]) -> BTreeMap<u64, Field> {
    let varint = |message: &mut &[u8]| {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = message[0];
            *message = &message[1..];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    };
    let mut found = BTreeMap::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let size = match key & 7 {
            0 => {
                found.insert(key >> 3, Field { number: varint(&mut message), ..Field::default() });
                continue;
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let bytes = message[..size].to_vec();
        message = &message[size..];
        let mut eight = [0; 8];
        eight[..size.min(8)].copy_from_slice(&bytes[..size.min(8)]);
        found.insert(key >> 3, Field { number: u64::from_le_bytes(eight), bytes });
    }
    found
}

#[test]
fn event_files_are_those_of_tensorboard() {
    let golden: Json = serde_json::from_str(&unlearn_tests::golden::text("tensorboard/events.json")).unwrap();
    let bytes = unlearn_tests::golden::bytes("tensorboard/events.tfevents");
    // In the order of the script. TensorBoard read each value back with single precision, which is how it is written.
    let tags = ["train_loss", "validation accuracy, %", "figures/ua", &"ü".repeat(70)];
    let scalars: Vec<Scalar> = tags
        .iter()
        .flat_map(|tag| {
            let points = golden["scalars"][tag].as_array().unwrap();
            points.iter().map(|point| Scalar {
                tag: (*tag).to_owned(),
                step: point[0].as_i64().unwrap(),
                value: point[1].as_f64().unwrap(),
            })
        })
        .collect();
    assert_eq!(scalars.len(), 8);
    assert_eq!(tensorboard::events(golden["seconds"].as_f64().unwrap(), &scalars), bytes, "byte for byte");
    assert_eq!(read(&bytes)["train_loss"][2], (127, -1.5e-7));
}

#[test]
fn a_suite_has_its_curves_and_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let (store, index) = suite(&[1, 2]);
    let results = Results::gather(&store, &index, &Registry::standard().figures()).unwrap();
    let files = tensorboard::write(&store, &index, &results, folder.path()).unwrap();
    assert_eq!(
        tensorboard::write(&store, &index, &results, folder.path()).unwrap(),
        files,
        "written again, the same files"
    );
    let of = |word: &str| -> Vec<BTreeMap<String, Vec<(i64, f32)>>> {
        let named = files.iter().filter(|file| file.to_string_lossy().contains(word));
        named.map(|file| read(&fs::read(file).unwrap())).collect()
    };
    let trained = of("/table-1/stages/train-seed-");
    assert_eq!((trained.len(), trained[0]["train_loss"].len()), (2, 8));
    assert_eq!(
        trained[0]["validation_accuracy"].iter().map(|(step, _)| *step).collect::<Vec<_>>(),
        (0..8).collect::<Vec<_>>()
    );
    let [ft] = &of("/final/class-0-cifar-10-resnet18/ft-95-omp/")[..] else { panic!("{files:?}") };
    let ua = |seed: u64| {
        let row = results
            .rows
            .iter()
            .find(|row| row.method == "ft" && row.sparsity > 0.0 && row.seed == seed && row.forget == "class 0");
        row.unwrap().value("ua").unwrap() as f32
    };
    assert_eq!(ft["figures/ua"], [(1, ua(1)), (2, ua(2))]);
}
