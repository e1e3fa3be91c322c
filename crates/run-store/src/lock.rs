//! Locks, so that one process at a time computes a stage.
//!
//! The operating system ties a lock to the open file (`flock`), also over NFS. Some network file systems are mounted so
//! that a lock holds on one machine only. So the holder also writes a beat into the file every few seconds. Whoever gets
//! the system's lock on a file that another machine has signed watches for a while whether the file still beats. If it
//! does, two machines hold the same lock, and that is an error. If it does not, that machine or its process is gone.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{Result, StoreError};

/// Interval between two beats of a holder.
const BEAT: Duration = Duration::from_millis(if cfg!(test) { 40 } else { 4_000 });
/// How long the file of another machine must be without a beat before its holder counts as gone.
const SILENCE: Duration = Duration::from_millis(if cfg!(test) { 400 } else { 13_000 });

/// An exclusive lock on a stage. It is held until it is dropped or the process ends, in whatever way.
///
/// A file that stays behind after a kill locks nothing. It holds the id of the last process that took the lock and the
/// name of its machine, for messages to waiting processes.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    /// Stops the beats when it is dropped.
    stop: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
}

/// The result of one attempt to lock.
enum Taken {
    /// The lock.
    Mine(Lock),
    /// A description of the holder.
    Held(String),
    /// The holder has removed the file. A new file is needed.
    Stale,
}

impl Lock {
    /// Takes the lock, and waits for a holder if there is one. It reports once that it waits, and for whom.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        loop {
            match Self::attempt(path, true)? {
                Taken::Mine(lock) => return Ok(lock),
                Taken::Held(_) | Taken::Stale => {}
            }
        }
    }

    /// Takes the lock, or returns the holder.
    pub(crate) fn try_acquire(path: &Path) -> Result<Result<Self, String>> {
        loop {
            match Self::attempt(path, false)? {
                Taken::Mine(lock) => return Ok(Ok(lock)),
                Taken::Held(holder) => return Ok(Err(holder)),
                Taken::Stale => {}
            }
        }
    }

    /// The holder, if somebody holds the lock. Nothing is written.
    pub(crate) fn holder(path: &Path) -> Result<Option<String>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(StoreError::io("lock", path))?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(holder(&file))),
            Err(TryLockError::Error(source)) => Err(StoreError::io("lock", path)(source)),
        }
    }

    fn attempt(path: &Path, wait: bool) -> Result<Taken> {
        let error = || StoreError::io("lock", path);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(error())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if !wait => return Ok(Taken::Held(holder(&file))),
            Err(TryLockError::WouldBlock) => {
                tracing::info!(lock = %path.display(), holder = holder(&file), "another process computes this stage; waiting for it");
                file.lock().map_err(error())?;
            }
            Err(TryLockError::Error(source)) => return Err(error()(source)),
        }
        let mut lock = Self { file, path: path.to_path_buf(), stop: None, beats: None };
        if !lock.is_current().map_err(error())? {
            return Ok(Taken::Stale);
        }
        lock.refuse_beats_of_another_machine()?;
        lock.sign();
        Ok(Taken::Mine(lock))
    }

    /// Releases the lock and removes its file. The stage is finished, so nobody will need the lock again.
    pub(crate) fn retire(mut self) {
        self.still();
        let _ = fs::remove_file(&self.path); // A remaining file is harmless.
    }

    /// Whether a holder, as this type describes one, is a process of this machine that still runs. A child may hold the
    /// lock of a process that is gone ([`shared`](Self::shared)).
    pub fn is_alive_here(holder: &str) -> bool {
        let Some(id) = holder.strip_prefix("process ") else { return false };
        let (process, host) = id.split_at(id.find(' ').unwrap_or(id.len()));
        host == this_host() && Path::new("/proc").join(process).exists()
    }

    /// A handle for the standard input of a child process. The lock is then held until the child ends too.
    ///
    /// # Errors
    /// The system's error.
    pub fn shared(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Watches a file that another machine has signed until its holder must be gone.
    fn refuse_beats_of_another_machine(&self) -> Result<()> {
        let read = || File::open(&self.path).map(|file| signature(&file)).unwrap_or_default();
        let signed = read();
        let machine = |signature: &str| signature.lines().nth(1).map(str::to_owned);
        if machine(&signed).is_none_or(|machine| machine == this_machine()) {
            return Ok(());
        }
        tracing::info!(lock = %self.path.display(), "{} held this lock and may be gone; watching it for a few seconds", named(&signed));
        let until = Instant::now() + SILENCE;
        while Instant::now() < until {
            thread::sleep(BEAT / 8);
            let now = read();
            if now != signed && machine(&now).is_some() {
                return Err(StoreError::LocksDoNotHold { lock: self.path.clone(), holder: named(&now) });
            }
        }
        Ok(())
    }

    /// Writes this process's id and machine into the file, and beats from then on. A failure is ignored, because a full
    /// disk must not prevent a stage.
    fn sign(&mut self) {
        let text = format!("{}{}\n{}\n", std::process::id(), this_host(), this_machine());
        let _ = write(&mut self.file, &format!("{text}0\n"));
        let Ok(mut file) = self.file.try_clone() else { return };
        let (stop, stopped) = channel();
        let beat = move || {
            let mut number = 0_u64;
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                number += 1;
                let _ = write(&mut file, &format!("{text}{number}\n"));
            }
        };
        self.beats = thread::Builder::new().name("lock".into()).spawn(beat).ok();
        self.stop = Some(stop);
    }

    /// Stops the beats.
    fn still(&mut self) {
        self.stop = None;
        if let Some(beats) = self.beats.take() {
            let _ = beats.join(); // It cannot panic.
        }
    }

    /// Whether the file at the path is still the locked one. NFS asks its server when a file is opened, and may answer other
    /// questions from memory.
    #[cfg(unix)]
    fn is_current(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let locked = self.file.metadata()?;
        match File::open(&self.path).and_then(|file| file.metadata()) {
            Ok(named) => Ok((named.dev(), named.ino()) == (locked.dev(), locked.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Other systems do not allow removing an open file.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "the Unix form can fail")]
    fn is_current(&self) -> io::Result<bool> {
        Ok(true)
    }
}

impl Drop for Lock {
    /// A lock that is given up in peace says so. The next holder, on whatever machine, need not watch the file.
    fn drop(&mut self) {
        if self.beats.is_some() {
            self.still();
            let _ = self.file.set_len(0);
        }
    }
}

/// Replaces the content of a lock's file. NFS would keep it on this machine for half a minute, so it is flushed.
fn write(file: &mut File, text: &str) -> io::Result<()> {
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_data()
}

/// ` on NAME`, if the system gives its name.
fn this_host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { String::new() } else { format!(" on {name}") }
}

/// What differs between two machines, and between two starts of one machine. Processes with the same text share their
/// locks, whatever the file system.
fn this_machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("boot {}", boot.trim())
}

fn signature(mut file: &File) -> String {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    text
}

fn holder(file: &File) -> String {
    named(&signature(file))
}

/// The holder in a signature, for users.
fn named(signature: &str) -> String {
    match signature.lines().next().map(str::trim) {
        Some(id) if !id.is_empty() => format!("process {id}"),
        _ => "an unknown process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const ELSEWHERE: &str = "17 on node7\nboot 0000\n";

    #[test]
    fn a_lock_beats_while_it_is_held_and_says_when_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let lock = Lock::acquire(&path).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        assert!(first.starts_with(&format!("{}{}\nboot ", std::process::id(), this_host())), "{first}");
        thread::sleep(BEAT * 8);
        assert_ne!(fs::read_to_string(&path).unwrap(), first);
        let held = Lock::try_acquire(&path).unwrap().unwrap_err();
        assert_eq!(Lock::holder(&path).unwrap().as_ref(), Some(&held));
        assert_eq!(held, format!("process {}{}", std::process::id(), this_host()));
        assert!(Lock::is_alive_here(&held));
        assert!(!Lock::is_alive_here("process 17 on node7") && !Lock::is_alive_here("an unknown process"));
        drop(lock);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(Lock::holder(&path).unwrap(), None);
        assert!(Lock::try_acquire(&path).unwrap().is_ok());
    }

    #[test]
    fn the_lock_of_a_machine_that_is_gone_is_taken_after_a_silence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        fs::write(&path, format!("{ELSEWHERE}12\n")).unwrap();
        let start = Instant::now();
        let lock = Lock::try_acquire(&path).unwrap();
        assert!(lock.is_ok() && start.elapsed() >= SILENCE);
    }

    #[test]
    fn a_lock_that_another_machine_holds_as_well_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        fs::write(&path, format!("{ELSEWHERE}0\n")).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let other = {
            let (path, over) = (path.clone(), Arc::clone(&over));
            thread::spawn(move || {
                let mut file = File::options().write(true).open(path).unwrap();
                for beat in 1.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    write(&mut file, &format!("{ELSEWHERE}{beat}\n")).unwrap();
                    thread::sleep(BEAT);
                }
            })
        };
        let error = Lock::try_acquire(&path).unwrap_err().to_string();
        over.store(true, Ordering::Relaxed);
        other.join().unwrap();
        assert!(error.contains("process 17 on node7") && error.contains("locks"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_child_that_shares_a_lock_holds_it_after_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let lock = Lock::acquire(&path).unwrap();
        let shared = lock.shared().unwrap();
        let mut child = std::process::Command::new("sleep").arg("0.5").stdin(shared).spawn().unwrap();
        drop(lock);
        assert!(Lock::try_acquire(&path).unwrap().is_err());
        child.wait().unwrap();
        assert!(Lock::try_acquire(&path).unwrap().is_ok());
    }
}
