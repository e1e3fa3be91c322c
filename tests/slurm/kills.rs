//! Random kills of runs on this machine and on the cluster. It takes minutes, so it is run by hand:
//!
//!     UNLEARN_TEST_KILLS=200 cargo test -p unlearn-cli --test slurm -- --ignored --nocapture kills

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::cluster::{Cluster, SUITE, Watching, kill};

/// A number that looks random, from a seed and a position.
fn random(seed: u64, at: u64) -> u64 {
    let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..3 {
        bits ^= bits >> 29;
        bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    bits ^ bits >> 32
}

#[test]
#[ignore = "it takes minutes"]
fn kills_at_random_change_no_row() {
    let kills: u64 = std::env::var("UNLEARN_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let Some(cluster) = Cluster::start(SUITE) else { return };
    cluster.exits(0, &["run", "suite.toml", "--runs", "undisturbed", "--out", "undisturbed-report"]);
    let (rows, models) = (cluster.rows("undisturbed-report"), cluster.models("undisturbed"));
    let seed = 7;
    let (mut done, mut runs, start) = (0, 0, Instant::now());
    while done < kills {
        let is_slurm = runs % 2 == 0;
        let (store, report) = (format!("runs-{runs}"), format!("report-{runs}"));
        let mut arguments = vec!["run", "suite.toml", "--runs", &store, "--out", &report, "--checkpoint-interval", "0"];
        if is_slurm {
            arguments.extend(["--launcher", "slurm", "--set", "launcher.slurm.resubmit=100"]);
        } else if runs % 4 == 1 {
            arguments.extend(["--jobs", "2"]);
        }
        let mut watcher: Watching = cluster.spawn(&arguments);
        let first = done;
        // So many kills of one run that it is always over some time.
        let most = first + 12;
        loop {
            let pause = Duration::from_millis(100 + random(seed, done + 1000 * runs) % 1400);
            let until = Instant::now() + pause;
            let mut ended = None;
            while Instant::now() < until && ended.is_none() {
                ended = watcher.ended();
                thread::sleep(Duration::from_millis(20));
            }
            if let Some(status) = ended {
                if status.success() {
                    break;
                }
                assert_eq!(status.code(), None, "a run failed: {}", watcher.said());
                watcher = cluster.spawn(&arguments);
                continue;
            }
            if done >= most.min(kills) {
                continue;
            }
            let tasks = if is_slurm { cluster.processes(None) } else { Vec::new() };
            let pick = random(seed ^ 0xff, done) as usize % (tasks.len() + 1);
            kill("KILL", &[*tasks.get(pick).unwrap_or(&watcher.id())]);
            done += 1;
        }
        assert_eq!(cluster.rows(&report), rows, "run {runs}");
        assert!(cluster.models(&store) == models, "run {runs} left another model");
        assert!(cluster.computed(&store).values().all(|times| *times == 1));
        eprintln!("{done} kills in {} runs, {:.0} s", runs + 1, start.elapsed().as_secs_f64());
        runs += 1;
    }
}
