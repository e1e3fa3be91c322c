//! The commands of the README and of the pages in `docs`, run on a store that holds more than one of each thing. `covered.rs` checks that no
//! page is forgotten.

mod covered;

use unlearn::datasets::picture;
use unlearn::samples::Sides;

use crate::{Place, SUITE};

/// The text of a page, by its path from the root of the repository.
pub(crate) fn page(name: &str) -> String {
    let path = format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The blocks of a page in a language.
pub(crate) fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The lines of a page's `sh` blocks, in order, but for those of `cargo`, which need a checkout.
pub(crate) fn commands(page: &str) -> Vec<&str> {
    let lines = blocks(page, "sh").into_iter().flat_map(str::lines);
    lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("cargo ")).collect()
}

fn succeed(place: &Place, command: &str) -> String {
    let output = place.shell(command);
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme() {
    let page = page("README.md");
    let place = Place::new(SUITE);
    let [suite] = blocks(&page, "toml")[..] else { panic!("one suite") };
    std::fs::write(place.path("first.toml"), suite).unwrap();
    let commands = commands(&page);
    assert!(commands.len() > 6, "{commands:?}");
    for command in commands {
        succeed(&place, command);
    }
    assert!(place.path("report/report.html").is_file());
}

#[test]
fn the_page_on_stages() {
    let page = page("docs/stages.md");
    let place = Place::new(SUITE);
    let lines = commands(&page);
    assert!(lines.len() >= 5, "{lines:?}");
    for line in lines {
        succeed(&place, line);
    }
    let plan = place.succeed(&["run", "suite.toml", "--dry-run"]);
    assert!(plan.contains("42 done, 0 to do"), "{plan}");
}

#[test]
fn the_page_on_reports() {
    let page = page("docs/reports.md");
    let place = Place::new(SUITE);
    let commands = commands(&page);
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        succeed(&place, command);
    }
    assert!(place.path("compared/compare.html").is_file() && place.path("events/tiny/final").is_dir());
}

#[test]
fn the_page_on_datasets() {
    let page = page("docs/datasets.md");
    let place = Place::new(SUITE);
    let quick = format!("{}/../../configs/suites/quick.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(quick, place.path("quick.toml")).unwrap();
    let printed: Vec<String> = commands(&page).into_iter().map(|command| succeed(&place, command)).collect();
    assert_eq!(printed.len(), 7);
    // Folders have the pictures class by class, so the fingerprints differ; the counts are equal.
    for text in &printed[2..4] {
        assert!(text.contains("8000 training images") && text.contains("2000 test images"), "{text}");
    }
    assert_eq!(printed[5].lines().count() + printed[6].lines().count(), 720 + 800, "class 3, and what is held out");
}

#[test]
fn the_page_on_backdoors() {
    let page = page("docs/backdoor.md");
    let place = Place::new(SUITE);
    let [suite] = blocks(&page, "toml")[..] else { panic!("one suite") };
    std::fs::write(place.path("cleanse.toml"), suite).unwrap();
    let printed: Vec<String> = commands(&page).into_iter().map(|command| succeed(&place, command)).collect();
    assert_eq!(printed.len(), 6);
    for word in ["ASR", "clean", "poison found", "C5", "found by activation-clustering"] {
        assert!(printed[1].contains(word), "{word} in {}", printed[1]);
    }
    let results: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("runs/reports/cleanse/results.json")).unwrap()).unwrap();
    let rates = |method: &str| -> Vec<f64> {
        let rows = results["rows"].as_array().unwrap().iter().filter(|row| row["method"] == method);
        rows.map(|row| row["figures"]["asr"]["value"].as_f64().unwrap()).collect()
    };
    assert!(rates("clean").iter().all(|rate| *rate < 15.0), "a clean model's ASR is at chance: {:?}", rates("clean"));
    assert!(rates("raw").iter().all(|rate| *rate > 40.0), "the backdoor was learnt: {:?}", rates("raw"));
    let report = std::fs::read_to_string(place.path("runs/reports/cleanse/report.html")).unwrap();
    assert!(report.contains("data:image/png;base64,") && report.contains("What detectors found"), "{report}");
    assert!(printed[3].starts_with("blend\n"), "{}", printed[3]);
    // Four rows of ten grey images of 28 × 28, with white between them.
    let sheet = picture::decode(&std::fs::read(place.path("triggers.png")).unwrap()).unwrap();
    assert_eq!(sheet.sides, Sides { channels: 1, height: 4 * 30 - 2, width: 10 * 30 });
    let row = |number: usize| &sheet.pixels[number * 30 * 300..][..28 * 300];
    assert!((1..4).all(|number| row(number) != row(0)), "a trigger changes its row");
    // Of the first image, the square of 4 × 4 pixels that is two pixels from the corner.
    let square = (22..26).flat_map(|y| &row(1)[y * 300 + 22..][..4]);
    assert!(square.clone().count() == 16 && square.clone().all(|&value| value == 255), "a white square");
}

#[test]
fn the_page_on_judging() {
    let page = page("docs/judging.md");
    let audit = blocks(&page, "toml").into_iter().find(|block| block.contains("[audit]")).unwrap();
    let audited = Place::new(&format!("{SUITE}\n{audit}"));
    let report = audited.succeed(&["run", "suite.toml", "--set", "unlearn.ft.epochs=1"]);
    for word in ["what is left of the forgotten data: class 0", "Probe", "CKA to before", "Relearn steps"] {
        assert!(report.contains(word), "{word} in {report}");
    }
    let place = Place::new(SUITE);
    for file in ["model.npz", "retrain.npz", "unlearned_margins.npy", "retrained_margins.npy"] {
        let golden = unlearn_tests::golden::path(&format!("score-files/{file}"));
        std::fs::copy(golden, place.path(file)).unwrap();
    }
    let printed: Vec<String> = commands(&page).into_iter().map(|command| succeed(&place, command)).collect();
    let [judged, margins, plan, attacked] = &printed[..] else { panic!("four commands: {printed:?}") };
    assert!(judged.contains("Avg. gap") && place.path("judged.html").is_file(), "{judged}");
    assert!(margins.contains("klom") && margins.contains("u-lira"), "{margins}");
    assert!(plan.contains("a third of the pool · omp 90 % · seed 9"), "{plan}");
    for word in ["u-lira", "ruli", "klom", "Was the sample unlearned?", "too few models", "The most vulnerable tenth"] {
        assert!(attacked.contains(word), "{word} in {attacked}");
    }
    let folder = place.path("pool/reports/tiny-pool-9");
    let results: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("attacks.json")).unwrap()).unwrap();
    // 180 samples are trained on in the suite; a pool divides them.
    assert_eq!((results["models"].as_u64(), results["samples"].as_u64()), (Some(9), Some(180)));
    assert!(folder.join("roc-unlearning-dense.svg").is_file() && folder.join("report.html").is_file());
}

#[test]
fn the_page_on_tuning() {
    let page = page("docs/tuning.md");
    let place = Place::new(SUITE);
    let commands = commands(&page);
    assert_eq!(commands.len(), 2);
    for command in commands {
        assert!(succeed(&place, command).contains("l1-sparse"), "{command}");
    }
}

#[test]
fn the_page_on_transfer() {
    let page = page("docs/transfer.md");
    let place = Place::new(SUITE);
    let [suite] = blocks(&page, "toml")[..] else { panic!("one suite") };
    std::fs::write(place.path("clothes.toml"), suite).unwrap();
    let commands = commands(&page);
    assert_eq!(commands.len(), 4);
    let printed: Vec<String> = commands.into_iter().map(|command| succeed(&place, command)).collect();
    for words in ["transfer linear-probe", "transfer fine-tune", "rank by gradient", "rank by removal"] {
        assert!(printed[0].contains(words), "{words}: {}", printed[0]);
    }
    for kind in ["\ntransfer ", "\nrank "] {
        assert!(printed[3].contains(kind), "{kind}: {}", printed[3]);
    }
    let table = std::fs::read_to_string(place.path("report/table.md")).unwrap();
    for words in ["Target probe", "Target FT", "Spearman's ρ", "| C6 "] {
        assert!(table.contains(words), "{words}: {table}");
    }
}

#[test]
fn the_pages_for_newcomers() {
    for (name, suite, least) in [
        ("docs/install.md", None, 4),
        ("docs/first-run.md", Some("first.toml"), 4),
        ("docs/recipes/forget-a-class.md", Some("class.toml"), 5),
    ] {
        let page = page(name);
        let place = Place::new(SUITE);
        if let (Some(file), [suite]) = (suite, &blocks(&page, "toml")[..]) {
            std::fs::write(place.path(file), suite).unwrap();
        }
        let commands = commands(&page);
        assert!(commands.len() >= least, "{name}: {commands:?}");
        for command in commands {
            succeed(&place, command);
        }
    }
}

#[test]
fn the_recipes_for_figures_and_other_programs_models() {
    let place = Place::new(SUITE);
    for file in ["model.npz", "retrain.npz"] {
        let golden = unlearn_tests::golden::path(&format!("score-files/{file}"));
        std::fs::copy(golden, place.path(file)).unwrap();
    }
    place.succeed(&["run", "suite.toml"]);
    place.succeed(&["convert", "train:seed 1", "model.pth"]);
    std::fs::write(place.path("first.toml"), SUITE).unwrap();
    std::fs::write(place.path("ids.txt"), place.succeed(&["datasets", "split", "suite.toml", "--class", "0"])).unwrap();
    for name in
        ["docs/recipes/choose-a-figure.md", "docs/recipes/judge-my-pytorch-model.md", "crates/unlearn-cli/README.md"]
    {
        let page = page(name);
        let commands = commands(&page);
        assert!(commands.len() >= 3, "{name}");
        for command in commands {
            succeed(&place, command);
        }
    }
}

/// `unlearn manual --form short-help --out crates/unlearn-cli/tests` makes it again.
#[test]
fn the_short_help_of_every_command_is_as_it_was_read() {
    const FILE: &str = "short-help.txt";
    let place = Place::new(SUITE);
    place.succeed(&["manual", "--form", "short-help", "--out", "."]);
    let text = std::fs::read_to_string(place.path(FILE)).unwrap();
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
    assert_eq!(wide, [""; 0], "every line fits a terminal of 100 columns");
    assert!(
        text == page(&format!("crates/unlearn-cli/tests/{FILE}")),
        "{FILE} is out of date: read it, and make it again"
    );
    // The file holds what a terminal shows.
    let shown = place.succeed(&["runs", "gc", "-h"]);
    assert!(text.contains(&format!("\n$ unlearn runs gc -h\n{}\n", shown.trim())), "{shown}");
}

/// `unlearn manual --form markdown --out docs/reference` makes them again.
#[test]
fn the_reference_pages_are_those_of_the_registries() {
    let place = Place::new(SUITE);
    place.succeed(&["manual", "--form", "markdown", "--out", "reference"]);
    let made = std::fs::read_dir(place.path("reference")).unwrap().map(|entry| entry.unwrap().file_name());
    let made: Vec<String> = made.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(made.len(), 8, "{made:?}");
    for name in made {
        let text = std::fs::read_to_string(place.path("reference").join(&name)).unwrap();
        assert!(text == page(&format!("docs/reference/{name}")), "docs/reference/{name} is out of date: make it again");
    }
}
