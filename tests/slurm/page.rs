//! The page for operators, `docs/slurm.md`: every command in it, with the settings in it, on a cluster whose nodes are large
//! enough for them.

use std::fs;

use crate::cluster::{Cluster, SUITE};

/// The blocks of a page in a language, without their indent.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let (mut blocks, mut open): (Vec<String>, bool) = (Vec::new(), false);
    for line in page.lines().map(str::trim) {
        match line.strip_prefix("```") {
            Some(found) if !open && found == language => {
                blocks.push(String::new());
                open = true;
            }
            Some(_) => open = false,
            None if open => blocks.last_mut().unwrap().extend([line, "\n"]),
            None => {}
        }
    }
    blocks
}

#[test]
fn every_command_of_the_page_for_operators_does_what_the_page_says() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/slurm.md")).unwrap();
    // Nodes of this size are only said to be here.
    let settings = "SlurmdParameters=config_overrides\nNodeName=DEFAULT CPUs=8 RealMemory=32000 State=UNKNOWN\n";
    let Some(cluster) = Cluster::start_with(SUITE, settings) else { return };
    let [user] = &blocks(&page, "toml")[..] else { panic!("one block of settings") };
    // The page leaves the interval between two looks at its 15 seconds.
    fs::write(cluster.path("user.toml"), user.replace("[launcher.slurm]\n", "[launcher.slurm]\npoll = 0.3\n")).unwrap();
    let shared = cluster.path("shared");
    fs::create_dir_all(shared.join("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_unlearn"), shared.join("bin/unlearn")).unwrap();
    let commands: Vec<String> =
        blocks(&page, "sh").iter().flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let run = |command: &str| {
        let output = cluster.shell(&command.replace("/shared/", &format!("{}/", shared.display())));
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{command}: {said}");
        said
    };
    let said: Vec<(String, String)> = commands.iter().map(|command| (command.clone(), run(command))).collect();
    let of = |words: &str| {
        let found: Vec<&String> =
            said.iter().filter(|(command, _)| command.contains(words)).map(|(_, said)| said).collect();
        assert!(found.len() == 1, "{words}: {commands:?}");
        found[0].as_str()
    };
    assert_eq!(commands.len(), 6, "{commands:?}");
    assert!(of("srun ").contains("memory"));
    assert!(of("--dry-run").contains("14 to do"));
    // Evaluations are packed, as the settings on the page say.
    let ran = of("suite.toml --launcher slurm --runs /shared/runs");
    assert!(ran.contains("submitted 14 stages in 10 tasks"), "{ran}");
    assert!(of("launches --runs").contains("  finished  "));
    assert!(of("launches cancel").contains("nothing to cancel"));
    assert!(of("runs gc").contains("removed 0 stages"));
    let script = fs::read_to_string(&crate::cluster::files(&shared.join("runs/launches"), "sh")[0]).unwrap();
    for option in ["--partition=main", "--account=lab", "--cpus-per-task=4", "--mem=8G", "--time=8:00:00"] {
        assert!(script.contains(option), "{script}");
    }
}
