//! Bad input gives one clear message with place, fault and fix, the right exit code, and a store that stays readable.

use crate::{Place, SUITE};

/// Runs a suite with one changed line, and expects a refusal that contains every word.
fn refused(code: i32, from: &str, to: &str, words: &[&str]) {
    assert!(SUITE.contains(from), "`{from}` is in the suite");
    let place = Place::new(&SUITE.replacen(from, to, 1));
    let message = place.refuse(code, &["run", "suite.toml"]);
    for word in words {
        assert!(message.contains(word), "`{word}` in: {message}");
    }
    if place.path("runs").exists() {
        place.succeed(&["runs", "list"]);
        place.succeed(&["runs", "verify"]);
    }
}

#[test]
fn what_a_suite_must_not_say() {
    refused(2, "batch-size = 32", "batch-sise = 32", &["suite.toml", "`batch-sise`", "did you mean `batch-size`"]);
    refused(2, "[model]", "[modell]", &["suite.toml", "`modell`", "`model`"]);
    refused(2, "\"ft\"", "\"ftt\"", &["suite.toml", "`ftt`", "did you mean `ft`", "l1-sparse"]);
    refused(2, "\"omp\"", "\"ompp\"", &["suite.toml", "`ompp`", "did you mean `omp`"]);
    refused(2, "\"resnet8s\"", "\"resnet9s\"", &["suite.toml", "`resnet9s`", "resnet8s", "resnet20s"]);
    refused(2, "\"fashion-mnist-mini\"", "\"fashion\"", &["suite.toml", "fashion", "fashion-mnist-mini"]);
    refused(2, "class = 0", "class = 10", &["suite.toml", "10"]);
    refused(2, "fraction = 0.1", "fraction = 1.5", &["suite.toml", "1.5"]);
    refused(2, "sparsity = 0.9", "sparsity = 1.0", &["suite.toml", "`sparsity`", "`none`"]);
    refused(2, "rewind-epoch = 1", "rewind-epoch = 5", &["suite.toml", "`rewind-epoch` is 5", "2 epochs"]);
    refused(
        2,
        "method = \"ga\"\nepochs = 1",
        "method = \"ga\"\nepoch = 1",
        &["`ga`", "`epoch`", "did you mean `epochs`"],
    );
    let twice = "[[prune]]\nmethod = \"omp\"\nsparsity = 0.9\ncriterion = \"snip\"\nrewind-epoch = 1\n\n[[forget]]";
    refused(2, "[[forget]]", twice, &["suite.toml", "two [[prune]] tables", "`omp 90 %`", "name"]);
    refused(2, "\"ga\"", "\"ft\"", &["suite.toml", "two [[unlearn]] tables", "`ft`", "name"]);
    let disguised = "method = \"ga\"\nname = \"retrain-ls\"";
    refused(2, "method = \"ga\"", disguised, &["`name = \"retrain-ls\"`", "another method than `ga`"]);
    for standard in ["raw", "retrain"] {
        let plain = format!("method = \"{standard}\"");
        let renamed = format!("{plain}\nname = \"other\"");
        refused(2, &plain, &renamed, &["`name = \"other\"`", &format!("must keep the name `{standard}`")]);
    }
    refused(2, "seeds = [1]", "seeds = [1, 1]", &["suite.toml", "`suite.seeds`"]);
    refused(2, "[suite]", "[suite", &["suite.toml", "line 2"]);
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run() {
    let lr = "epochs = 2\nlr = 1e30";
    refused(1, "epochs = 2", lr, &["train · seed 1", "loss", "epoch 0", "lower `lr`"]);
    let ga = "method = \"ga\"\nlr = 1e30\nepochs = 5";
    refused(1, "method = \"ga\"\nepochs = 1", ga, &["unlearn ga", "lower `lr`"]);
}

#[test]
fn what_the_command_line_must_not_say() {
    let place = Place::new(SUITE);
    let refused = |code, arguments: &[&str], word: &str| {
        let message = place.refuse(code, arguments);
        assert!(message.contains(word), "`{word}` in: {message}");
    };
    refused(2, &["run", "suite.toml", "--set", "train.epochs"], "key=value");
    refused(2, &["run", "suite.toml", "--set", "unlearn.fit.lr=1"], "raw, retrain, ft, ga, l1-sparse");
    refused(2, &["run", "suite.toml", "--set", "train.epoch=1"], "did you mean `epochs`");
    refused(2, &["run", "suite.toml", "--device", "gpu"], "cuda:N");
    refused(2, &["run", "suite.toml", "--set", "train.epochs=1\ntrain.lr=99"], "more than one value");
    refused(2, &["run", "suite.toml", "--seeds=-1"], "a whole number from 1 to 1000");
    refused(2, &["run", "suite.toml", "--set", "data.convert=[0, 28, 28]"], "`[channels, height, width]`");
    refused(2, &["run", "suite.toml", "--set", "data.convert={ side = 28 }"], "three whole numbers from 1");
    refused(2, &["run", "absent.toml"], "absent.toml");
    refused(2, &["run", "suite.toml", "--device", "cuda:0"], "--features cuda");
    refused(1, &["inspect", "suite.toml"], "suite.toml");
    refused(2, &["runs", "list"], "runs");
}

/// What a newcomer types: the message says what, where and the fix.
#[test]
fn slips_of_a_first_day() {
    let place = Place::new(SUITE);
    place.succeed(&["train", "suite.toml"]);
    place.succeed(&["convert", "train:seed 1", "model.safetensors"]);
    std::fs::create_dir(place.path("folder")).unwrap();
    std::fs::write(place.path("notes.txt"), "hello\n").unwrap();
    std::fs::write(
        place.path("one.toml"),
        SUITE.replace("[[forget]]\nkind = \"random\"\nfraction = 0.1\n", "").replace("[[forget]]", "[forget]"),
    )
    .unwrap();
    std::fs::write(place.path("quoted.toml"), SUITE.replace("class = 0", "class = \"0\"")).unwrap();
    std::fs::write(place.path("slip.toml"), SUITE.replace("method = \"ga\"", "metod = \"ga\"")).unwrap();
    std::fs::write(
        place.path("dense.toml"),
        SUITE.replace(
            "[[prune]]\nmethod = \"none\"\n\n[[prune]]\nmethod = \"omp\"\nsparsity = 0.9\nrewind-epoch = 1\n",
            "",
        ),
    )
    .unwrap();
    for (code, line, words) in [
        (2, "run suite.tml", &["suite.tml", "there is no such file; did you mean `suite.toml`?"][..]),
        (2, "run nowhere/suite.toml", &["there is no folder nowhere"]),
        (2, "run suite.toml --data-dir nowhere", &["--data-dir", "there is no such folder"]),
        (2, "run suite.toml --data-dir notes.txt", &["--data-dir", "it is a file; name a folder"]),
        (2, "run suite.toml --out notes.txt", &["notes.txt", "it is a file", "`--out`"]),
        (2, "run one.toml", &["[forget]", "write `[[forget]]`, with two brackets"]),
        (2, "run quoted.toml", &["class `0`", "write 0 without quotes"]),
        (2, "run slip.toml", &["table 4 has none, but a key `metod`"]),
        (2, "run dense.toml --set prune.omp.sparsity=0.9", &["no [[prune]] table", "add one"]),
        (2, "run suite.toml --set data.train-limit=100000", &["`train-limit` 100000", "give a limit from 10 to 8000"]),
        (2, "run suite.toml --set data.name=folder", &["did you mean `folder:folder`?"]),
        (2, "datasets describe notes.npz", &["did you mean `npz:notes.npz`?"]),
        (1, "datasets describe npz:notes.txt", &["notes.txt", "it is a text file, not an `.npz`"]),
        (1, "datasets describe folder:folder", &["there is no folder `train` in it", "`train/CLASS/….png`"]),
        (2, "datasets export fashion-mnist-mini --to out.zip", &["out.zip", "`.npz`", "not as `.zip`"]),
        (2, "datasets split suite.toml --class Bagg", &["did you mean `Bag`?"]),
        (2, "predict model.safetensors --out out.npz --arch resnet18", &["`--arch` contradicts the file", "resnet8s"]),
        (2, "evaluate model.safetensors --class 0 --side 32", &["`--side` contradicts the file", "[1, 28, 28]"]),
        (2, "inspect trai:seed", &["unknown kind of stage `trai`", "did you mean `train`"]),
        (2, "report suite.toml --out x", &["what `[suite] name` says, not its file"]),
        (2, "stage suite.toml", &["it is a text file, and a description is JSON", "--dry-run --json"]),
        (1, "runs verify folder", &["folder: there is no certificate.json in it", "`unlearn forget --out`"]),
    ] {
        let message = place.refuse(code, &line.split(' ').collect::<Vec<_>>());
        for word in words {
            assert!(message.contains(word), "`{word}` for `{line}` in: {message}");
        }
    }
    assert!(!place.path("out.npz").exists() && !place.path("out.zip").exists());
}

#[test]
fn a_run_folder_that_cannot_be_written() {
    let place = Place::new(SUITE);
    std::fs::write(place.path("file"), "").unwrap();
    let message = place.refuse(2, &["run", "suite.toml", "--runs", "file/runs"]);
    assert!(message.contains("file/runs"), "{message}");
    let message = place.refuse(2, &["run", "suite.toml", "--runs", "/proc/runs"]);
    assert!(message.contains("/proc/runs"), "{message}");
}

/// This test needs the right to mount. Elsewhere only the store's own test covers a full device.
#[test]
fn a_full_disk() {
    let place = Place::new(SUITE);
    let disk = place.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk.to_str().unwrap()])
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("not allowed to mount a small disk: left out");
        return;
    }
    let message = place.refuse(1, &["run", "suite.toml", "--runs", "disk/runs"]);
    let listed = place.succeed(&["runs", "--runs", "disk/runs", "list"]);
    std::process::Command::new("umount").arg(&disk).status().unwrap();
    assert!(message.contains("disk/runs") && message.contains("space"), "{message}");
    assert!(!listed.contains("damaged"), "{listed}");
}

#[test]
fn datasets_that_are_damaged_or_do_not_fit() {
    let suite = SUITE.replace("fashion-mnist-mini", "fashion-mnist");
    let idx = |dimensions: &[u32], data: &[u8]| {
        let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
        bytes.extend(dimensions.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend(data);
        bytes
    };
    let images = idx(&[2, 28, 28], &[0; 2 * 784]);
    let labels = idx(&[2], &[0, 1]);
    for (name, train_images, train_labels, word) in [
        ("truncated", images[..900].to_vec(), labels.clone(), "truncated"),
        ("foreign", b"\x89PNG not idx at all".to_vec(), labels.clone(), "not an IDX file"),
        ("counts", images.clone(), idx(&[3], &[0, 1, 2]), "train-labels-idx1-ubyte"),
    ] {
        let place = Place::new(&suite);
        let folder = place.path(name);
        std::fs::create_dir(&folder).unwrap();
        for (file, bytes) in [
            ("train-images-idx3-ubyte", &train_images),
            ("train-labels-idx1-ubyte", &train_labels),
            ("t10k-images-idx3-ubyte", &images),
            ("t10k-labels-idx1-ubyte", &labels),
        ] {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
        let message = place.refuse(2, &["run", "suite.toml", "--data-dir", name]);
        for word in ["train-images-idx3-ubyte", word] {
            assert!(message.contains(word), "`{word}` in: {message}");
        }
    }
}
