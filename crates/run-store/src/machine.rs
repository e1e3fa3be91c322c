//! The machine that computed a stage, and the resources that the stage used.

use std::fs;
use std::thread::available_parallelism;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// The machine that computed a stage. Nothing in it identifies its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// CPU model as the kernel names it. On systems other than Linux, the architecture.
    pub cpu: String,
    /// Number of hardware threads that this process may use.
    pub cores: usize,
    /// Operating system, kernel release and architecture.
    pub os: String,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let cpu =
            fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| field(&text, "model name").map(str::to_owned));
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let os = [std::env::consts::OS, release.trim(), std::env::consts::ARCH];
        Self {
            cpu: cpu.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: available_parallelism().map_or(1, std::num::NonZero::get),
            os: os.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
        }
    }
}

/// Resources that a stage has used so far, over all processes that worked on it.
///
/// CPU time and memory are those of the whole process, from `/proc/self`, and `None` if there is no such file. So
/// stages that run at the same time in one process count each other's use. Wall time is always the stage's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// When the first process began, RFC 3339.
    pub(crate) started: String,
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) peak_rss_mib: Option<f64>,
}

impl Usage {
    /// No use yet.
    pub(crate) fn none(started: String) -> Self {
        Self { started, wall_seconds: 0.0, cpu_seconds: None, peak_rss_mib: None }
    }
}

/// Measures the use that one process adds to a stage's [`Usage`].
#[derive(Debug)]
pub(crate) struct Meter {
    before: Usage,
    started: Instant,
    cpu_at_start: Option<f64>,
}

impl Meter {
    /// Starts to measure, on top of the use of earlier processes.
    pub(crate) fn start(before: Usage) -> Self {
        // Asks the kernel to reset the peak memory of the process, so that it becomes this stage's. If this is not
        // allowed, the peak also covers earlier work and is still an upper bound.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { before, started: Instant::now(), cpu_at_start: cpu_seconds() }
    }

    /// The use up to now.
    pub(crate) fn read(&self) -> Usage {
        let cpu = cpu_seconds().zip(self.cpu_at_start).map(|(now, start)| now - start);
        Usage {
            started: self.before.started.clone(),
            wall_seconds: self.before.wall_seconds + self.started.elapsed().as_secs_f64(),
            cpu_seconds: cpu.map(|cpu| cpu + self.before.cpu_seconds.unwrap_or(0.0)),
            peak_rss_mib: peak_rss_mib().map(|peak| peak.max(self.before.peak_rss_mib.unwrap_or(0.0))),
        }
    }
}

/// User and system time of this process, over all threads.
fn cpu_seconds() -> Option<f64> {
    // The kernel reports times in USER_HZ, which is 100 on every architecture that runs Rust on Linux.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the command in parentheses and may contain spaces. The fields after it are regular.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / TICKS_PER_SECOND)
}

/// Peak resident memory of this process.
fn peak_rss_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 = field(&status, "VmHWM")?.split_whitespace().next()?.parse().ok()?;
    Some(kib as f64 / 1024.0)
}

/// The value of the first `name: value` line.
fn field<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_cpu_and_an_os() {
        let machine = Machine::this();
        assert!(
            machine.cores >= 1 && !machine.cpu.is_empty() && machine.os.contains(std::env::consts::ARCH),
            "{machine:?}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_and_memory_are_counted_on_top_of_what_was_used_before() {
        let before =
            Usage { started: "then".to_owned(), wall_seconds: 100.0, cpu_seconds: Some(50.0), peak_rss_mib: None };
        let meter = Meter::start(before);
        let ballast = vec![1_u8; 64 << 20];
        let mut sum = 0_u64;
        while meter.started.elapsed().as_millis() < 300 {
            sum =
                ballast.iter().step_by(4096).fold(sum, |sum, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        }
        std::hint::black_box(sum);
        let used = meter.read();
        assert_eq!(used.started, "then");
        assert!(used.wall_seconds >= 100.3 && used.wall_seconds < 130.0, "{used:?}");
        assert!(used.cpu_seconds.unwrap() > 50.02, "{used:?}");
        assert!(used.peak_rss_mib.unwrap() > 64.0, "{used:?}");
    }
}
