//! Stops on signals, with the state saved.
//!
//! A signal that was ignored when the program began stays ignored. `nohup` makes a program ignore SIGHUP, which the
//! end of its terminal sends. A shell without job control makes a background program ignore SIGINT, which Ctrl-C
//! sends.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;

/// Set by the first signal.
pub(crate) static INTERRUPT: AtomicBool = AtomicBool::new(false);

/// Exit code of a command that a signal stopped.
const INTERRUPTED: i32 = 130;

/// After this call, the first SIGINT, SIGTERM or SIGHUP sets [`INTERRUPT`] and prints `said`. A second one stops at
/// once.
pub(crate) fn stop_on_signals(said: &'static str) -> anyhow::Result<()> {
    unlearn::hub::stop_when_set(&INTERRUPT);
    listen(move || {
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            unlearn::files::abandon();
            std::process::exit(INTERRUPTED);
        }
        if !said.is_empty() {
            note!("{said}");
        }
    })
    .context("failed to listen for interrupts")
}

/// After this call, the first SIGINT, SIGTERM or SIGHUP ends the program. It leaves no unfinished file. This is for commands that save no
/// state.
pub(crate) fn end_on_signals() -> anyhow::Result<()> {
    listen(|| {
        unlearn::files::abandon();
        fault!("interrupted; no unfinished file is left");
        std::process::exit(INTERRUPTED);
    })
    .context("failed to listen for interrupts")
}

/// After this call, a write beyond the limit on the size of a file (`ulimit -f`) is an error like that of a full disk. By
/// default, the system would send SIGXFSZ, which ends the program without a word.
#[cfg(unix)]
pub(crate) fn survive_file_size_limit() {
    // A handler is enough: the system then fails the write. Nothing reads the flag. If the handler cannot be set, the
    // program works as it would without.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

#[cfg(not(unix))]
pub(crate) fn survive_file_size_limit() {}

#[cfg(unix)]
fn listen(mut heard: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    let ignored = ignored();
    let wanted = [(SIGINT, "INT"), (SIGTERM, "TERM"), (SIGHUP, "HUP")];
    let wanted = wanted.into_iter().filter(|(_, name)| !ignored.contains(name)).map(|(signal, _)| signal);
    let mut signals = Signals::new(wanted)?;
    std::thread::Builder::new().name("signals".into()).spawn(move || signals.forever().for_each(|_| heard()))?;
    Ok(())
}

#[cfg(not(unix))]
fn listen(heard: impl FnMut() + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(heard)
}

/// Which of the three signals this process ignores.
#[cfg(target_os = "linux")]
fn ignored() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let Some(mask) = mask else { return asked_of_a_shell() };
    let bits = [("HUP", 1), ("INT", 2), ("TERM", 15)];
    bits.into_iter().filter(|(_, number)| mask >> (number - 1) & 1 == 1).map(|(name, _)| name).collect()
}

#[cfg(all(unix, not(target_os = "linux")))]
fn ignored() -> Vec<&'static str> {
    asked_of_a_shell()
}

/// The same, found by a shell: it inherits the ignored signals of this process, and survives only those.
#[cfg(unix)]
fn asked_of_a_shell() -> Vec<&'static str> {
    let survives = |name: &&str| {
        let script = format!("kill -s {name} $$; exit 0");
        let status = std::process::Command::new("sh").args(["-c", &script]).status();
        status.is_ok_and(|status| status.success())
    };
    ["HUP", "INT", "TERM"].into_iter().filter(survives).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_shell_and_the_system_agree_on_what_is_ignored() {
        assert_eq!(asked_of_a_shell(), ignored());
    }
}
