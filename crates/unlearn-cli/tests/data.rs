//! Data in the forms that users have: sets by path, refusals before training, and positions for a request.

use super::*;

/// The images are deterministic noise. The labels cycle through the classes.
fn idx_folder(folder: &Path, train: u32, test: u32) {
    std::fs::create_dir_all(folder).unwrap();
    let write = |name: &str, head: &[u8], sides: &[u32], bytes: Vec<u8>| {
        let sides: Vec<u8> = sides.iter().flat_map(|side| side.to_be_bytes()).collect();
        std::fs::write(folder.join(name), [head, &sides, &bytes].concat()).unwrap();
    };
    for (part, count) in [("train", train), ("t10k", test)] {
        let pixels = (0..count * 784).map(|i| ((i * i) >> 7) as u8).collect();
        write(&format!("{part}-images-idx3-ubyte"), &[0, 0, 8, 3], &[count, 28, 28], pixels);
        write(
            &format!("{part}-labels-idx1-ubyte"),
            &[0, 0, 8, 1],
            &[count],
            (0..count).map(|i| (i % 10) as u8).collect(),
        );
    }
}

#[test]
fn the_datasets_own_folder_is_opened_and_its_count_is_checked() {
    let place = Place::new(SUITE);
    idx_folder(&place.path("data"), 60, 20);
    idx_folder(&place.path("data/kmnist"), 30, 10);
    let refused = place.refuse(1, &["datasets", "describe", "kmnist", "--data-dir", "data"]);
    assert!(
        refused.contains("data/kmnist/train-images-idx3-ubyte holds 30 training images, but 60000 are published"),
        "{refused}"
    );
    assert!(refused.contains("`idx:data/kmnist`"), "{refused}");
    assert!(refused.contains("kmnist lies in several places: data/kmnist is taken, and not "), "{refused}");
    let described = place.succeed(&["datasets", "describe", "idx:data/kmnist"]);
    assert!(described.contains("30 training images: 3 of each class"), "{described}");
    assert!(place.succeed(&["inspect", "data/kmnist"]).contains("idx:data/kmnist"));
    assert!(place.refuse(2, &["datasets", "describe", "idx:"]).contains("the path is missing"));
}

#[test]
fn positions_that_a_suite_trains_on_are_printed_and_a_request_may_name_them() {
    let suite = SUITE
        .replace("seeds = [1]", "seeds = [1, 2]")
        .replace("kind = \"class\"\nclass = 0", "kind = \"indices\"\npath = \"ids.txt\"");
    let place = Place::new(&suite);
    let split = |more: &[&str]| -> Vec<u32> {
        let printed = place.succeed(&[&["datasets", "split", "suite.toml"], more].concat());
        printed.lines().map(|line| line.parse().unwrap()).collect()
    };
    let [one, two] = [split(&["--seed", "1"]), split(&["--seed", "2"])];
    assert_eq!((one.len(), two.len(), split(&["--seed", "1", "--validation"]).len()), (180, 180, 20));
    let both = split(&[]);
    assert_eq!(both, one.iter().copied().filter(|i| two.contains(i)).collect::<Vec<_>>());
    let dresses = split(&["--class", "Dress"]);
    assert!(dresses == split(&["--class", "3"]) && (10..=18).contains(&dresses.len()), "{dresses:?}");
    assert!(
        place
            .refuse(2, &["datasets", "split", "suite.toml", "--class", "Hat"])
            .contains("valid classes: 0 (T-shirt/top)")
    );

    std::fs::write(place.path("ids.txt"), dresses.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        .unwrap();
    place.succeed(&["run", "suite.toml", "--dry-run"]);
    let held_out = split(&["--seed", "2", "--validation"]);
    std::fs::write(place.path("ids.txt"), format!("{}\n", held_out[0])).unwrap();
    assert!(place.refuse(2, &["run", "suite.toml", "--dry-run"]).contains("in the validation split"));
}

/// Uncompressed NumPy arrays, each with its name, NumPy type, shape and bytes.
fn npz(path: &Path, arrays: &[(&str, &str, &str, Vec<u8>)]) {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, descr, shape, data) in arrays {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let file = [b"\x93NUMPY\x01\0", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), data].concat();
        let crc = !file.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
        });
        let name = format!("{name}.npy");
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.to_le_bytes(),
            &(file.len() as u32).to_le_bytes(),
            &(file.len() as u32).to_le_bytes(),
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let offset = (archive.len() as u32).to_le_bytes();
        directory.extend([&b"PK\x01\x02\x14\0"[..], &common, &[0; 10], &offset, name.as_bytes()].concat());
        archive.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), &file].concat());
    }
    let (at, len, count) = (archive.len() as u32, directory.len() as u32, (arrays.len() as u16).to_le_bytes());
    let end = [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &len.to_le_bytes(), &at.to_le_bytes(), &[0, 0]].concat();
    std::fs::write(path, [archive, directory, end].concat()).unwrap();
}

const BY_PATH: &str = r#"
[suite]
name = "s"
seeds = [1]
[data]
name = "npz:d.npz"
[model]
arch = "resnet8s"
[train]
epochs = 1
batch-size = 16
lr = 0.01
[[forget]]
kind = "class"
class = 0
[[unlearn]]
method = "ft"
epochs = 1
"#;

/// Images of 8 × 8 pixels whose third channel is 0.
fn images(count: usize) -> Vec<u8> {
    (0..count * 192).map(|i| if i % 3 == 2 { 0 } else { ((i * i) >> 3) as u8 }).collect()
}

fn labels(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i % 4) as u8).collect()
}

#[test]
fn a_channel_of_one_value_is_trained_on_and_named() {
    let place = Place::new(BY_PATH);
    let part = |name, count: usize| (name, "|u1", format!("({count}, 8, 8, 3)"), images(count));
    let (train, test) = (part("x_train", 80), part("x_test", 20));
    let arrays = [
        (train.0, train.1, &*train.2, train.3),
        ("y_train", "|u1", "(80,)", labels(80)),
        (test.0, test.1, &*test.2, test.3),
        ("y_test", "|u1", "(20,)", labels(20)),
    ];
    npz(&place.path("d.npz"), &arrays);
    let output = place.run(&["run", "suite.toml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("channel 2 of 3 has the value 0 in every pixel"), "{said}");
}

#[test]
fn a_set_without_test_images_is_refused_before_the_first_stage() {
    let place = Place::new(BY_PATH);
    let arrays = [
        ("x_train", "|u1", "(80, 8, 8, 3)", images(80)),
        ("y_train", "|u1", "(80,)", labels(80)),
        ("x_test", "|u1", "(0, 8, 8, 3)", vec![]),
        ("y_test", "|u1", "(0,)", vec![]),
    ];
    npz(&place.path("d.npz"), &arrays);
    let refused = place.refuse(2, &["run", "suite.toml"]);
    assert!(refused.contains("`x_test`") || refused.contains("no test images"), "{refused}");
    assert!(!place.path("runs").join("train").exists());
    let mut floats = arrays;
    floats[0].1 = "<f4";
    npz(&place.path("d.npz"), &floats);
    let refused = place.refuse(2, &["run", "suite.toml"]);
    assert!(
        refused.contains("d.npz: array `x_train`: elements are numbers with a point, of 32 bits ('<f4')"),
        "{refused}"
    );
}
