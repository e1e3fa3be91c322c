//! Writes a file in one step: it is complete, or it does not exist.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::read::named;

/// Ending of the temporary files of [`write_atomic`]. A killed process may leave one behind.
const TEMPORARY: &str = ".tmp";

/// Why a path cannot be written to: it names something that is not a regular file, and a rename would replace that. It
/// is the inner error of an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAFile(&'static str);

impl fmt::Display for NotAFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is {}, and a file would replace it; name a new file, or one that may be replaced", self.0)
    }
}

impl std::error::Error for NotAFile {}

/// Refuses the path of an output that is a folder, pipe, socket or device, or a link to one. Check this before any work
/// is done; [`write_atomic`] checks it too.
///
/// # Errors
/// An error whose inner error is [`NotAFile`], or the system's error. Its message does not name the path.
pub fn check_output(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) => Err(io::Error::new(io::ErrorKind::InvalidInput, NotAFile(named(found.file_type())))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes `bytes` to `path`. A reader sees the old file or the new one, never a part.
///
/// The bytes go to a temporary file in the same folder. It is flushed to the disk and renamed into place. If a step
/// fails, for example on a full disk, the temporary file is removed and an old file at `path` stays unchanged.
///
/// # Errors
/// As [`check_output`], or the system's error. Its message does not name the path.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomic`], for writers that stream. `write` fills the temporary file.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    Filled::new(path, write)?.place()
}

/// Writes several files, all or none: a full disk leaves none of them. Old files stay until all new ones are complete.
///
/// # Errors
/// As [`write_atomic`], with the path of the file that could not be written.
pub fn write_all_atomic(files: &[(PathBuf, Vec<u8>)]) -> Result<(), (PathBuf, io::Error)> {
    let fill = |(path, bytes): &(PathBuf, Vec<u8>)| {
        Filled::new(path, |file| file.write_all(bytes)).map_err(|error| (path.clone(), error))
    };
    let filled = files.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
    for (file, (path, _)) in filled.into_iter().zip(files) {
        file.place().map_err(|error| (path.clone(), error))?;
    }
    Ok(())
}

/// A complete temporary file. It is removed unless it is put in its place.
struct Filled {
    temporary: Unfinished,
    path: PathBuf,
}

impl Filled {
    fn new(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Self> {
        check_output(path)?;
        let path = end_of_links(path)?;
        let (temporary, mut file) = create_beside(&path)?;
        write(&mut file).and_then(|()| file.sync_all())?;
        Ok(Self { temporary, path })
    }

    fn place(self) -> io::Result<()> {
        fs::rename(&self.temporary.path, &self.path)?;
        sync_folder(self.path.parent().unwrap_or(Path::new(".")))
    }
}

/// Files and folders that are not complete yet.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file or folder. It is removed when this value is dropped, and by [`abandon`].
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// A folder that the caller has made or is about to make.
    pub fn folder(path: &Path) -> Self {
        unfinished().insert(path.to_owned());
        Self { path: path.to_owned() }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        remove(&self.path);
        unfinished().remove(&self.path);
    }
}

/// Removes a file or folder that may have been moved already. If it cannot be removed, nothing more can be done.
fn remove(path: &Path) {
    /// Other threads may still write into a folder.
    const ATTEMPTS: usize = 20;
    for _ in 0..ATTEMPTS {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => {
                if fs::remove_dir_all(path).is_ok() {
                    return;
                }
            }
            Ok(_) => {
                let _ = fs::remove_file(path);
                return;
            }
            Err(_) => return,
        }
    }
}

/// Removes every file and folder that is not complete. No file can be begun after this call, so only a process that ends calls it.
pub fn abandon() {
    let unfinished = unfinished();
    unfinished.iter().for_each(|path| remove(path));
    std::mem::forget(unfinished);
}

/// Where a file lies, or would lie when it is written: absolute, and without links. Two paths of one file have the same place.
pub fn place(path: &Path) -> PathBuf {
    let end = end_of_links(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(found) = end.canonicalize() {
        return found;
    }
    let folder = end.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), end.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => std::path::absolute(&end).unwrap_or(end),
    }
}

/// Where a file is written to: the path itself, or the end of a chain of links. As with other tools, the link stays and the file that it
/// names is written.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut end = path.to_path_buf();
    for _ in 0..MOST {
        if !fs::symlink_metadata(&end).is_ok_and(|found| found.is_symlink()) {
            return Ok(end);
        }
        let target = fs::read_link(&end)?;
        end = end.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a chain of links without an end; name a file"))
}

/// Flushes a folder's entries to the disk, so that a rename in it survives a power cut.
///
/// # Errors
/// The system's error.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Whether an interrupted [`write_atomic`] left this file behind.
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let between = name.and_then(|name| name.strip_prefix('.')?.strip_suffix(TEMPORARY)?.rsplit_once('.'));
    // Older programs put two numbers there.
    let is_random = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    between.is_some_and(|(_, digits)| is_random(digits))
}

/// Writes a file in `folder` to check whether the folder is writable. On Unix, the file loses its name before anything is
/// written and flushed, so that a process that is killed meanwhile leaves nothing behind.
///
/// # Errors
/// The system's error.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    let (probe, mut file) = create_beside(&folder.join("probe"))?;
    if cfg!(unix) {
        fs::remove_file(&probe.path)?;
        return file.write_all(b"probe").and_then(|()| file.sync_all());
    }
    let written = file.write_all(b"probe").and_then(|()| file.sync_all());
    fs::remove_file(&probe.path)?;
    written
}

/// Creates a file beside `path`, under a name that no other process uses. Process ids are not enough, because
/// containers that share a folder count their own. A name that exists all the same is not touched.
fn create_beside(path: &Path) -> io::Result<(Unfinished, File)> {
    let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file's name");
    let name = path.file_name().ok_or_else(not_a_file)?.to_string_lossy();
    loop {
        let temporary = path.with_file_name(format!(".{name}.{}{TEMPORARY}", random_name()));
        // Under one lock, so that `abandon` misses no file.
        let mut unfinished = unfinished();
        match File::create_new(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => {
                let file = file?;
                unfinished.insert(temporary.clone());
                return Ok((Unfinished { path: temporary }, file));
            }
        }
    }
}

/// 16 random digits. They come from the standard library's hash maps, which the system's randomness seeds.
pub fn random_name() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn replaces_a_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.json"]);
        check_writable(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["a.json"]);
        assert!(write_atomic(Path::new(""), b"x").unwrap_err().to_string().contains("a file's name"));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_a_file_stays_as_it_is() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(place("pipe")).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(place("socket")).unwrap();
        fs::create_dir(place("folder")).unwrap();
        symlink(place("pipe"), place("link")).unwrap();
        for (name, what) in [("pipe", "a pipe"), ("socket", "a socket"), ("folder", "a folder"), ("link", "a pipe")] {
            let error = write_atomic(&place(name), b"x").unwrap_err();
            assert!(error.get_ref().is_some_and(|inner| inner.downcast_ref::<NotAFile>().is_some()), "{error}");
            assert!(error.to_string().contains(what), "{error}");
        }
        assert!(fs::metadata(place("link")).unwrap().file_type().is_fifo());
        assert_eq!(names(folder.path()).len(), 4);
        // A link to a file, or to nothing, stays; what it names is written. The second is relative.
        fs::write(place("file"), b"old").unwrap();
        for to in [place("file"), "nothing".into()] {
            let _ = fs::remove_file(place("link"));
            symlink(&to, place("link")).unwrap();
            write_atomic(&place("link"), b"x").unwrap();
            assert_eq!(fs::read_link(place("link")).unwrap(), to);
            assert_eq!(fs::read(folder.path().join(to)).unwrap(), b"x");
        }
        fs::remove_file(place("link")).unwrap();
        symlink(place("link"), place("link")).unwrap();
        assert!(write_atomic(&place("link"), b"x").is_err());
    }

    #[test]
    fn files_of_users_are_not_taken_for_temporary_ones() {
        for (name, is_ours) in [
            (".a.json.0123456789abcdef.tmp", true),
            (".model.safetensors.1-0.tmp", true),
            (".notes.tmp", false),
            (".my.notes.tmp", false),
            ("a.0123456789abcdef.tmp", false),
            (".vimrc", false),
        ] {
            assert_eq!(is_temporary(Path::new(name)), is_ours, "{name}");
        }
    }

    #[test]
    fn of_several_files_all_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| (folder.path().join(name), name.as_bytes().to_vec());
        let (path, _) = write_all_atomic(&[file("a"), file("absent/b")]).unwrap_err();
        assert!(path.ends_with("absent/b") && names(folder.path()).is_empty());
        write_all_atomic(&[file("a"), file("b")]).unwrap();
        assert_eq!(fs::read(folder.path().join("b")).unwrap(), b"b");
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn paths_of_one_file_have_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("a"), "").unwrap();
        for (link, to) in [("link", "a"), ("dangling", "new"), ("other", "sub")] {
            std::os::unix::fs::symlink(to, path(link)).unwrap();
        }
        for (one, other) in [("a", "sub/../a"), ("link", "a"), ("dangling", "new"), ("other/x", "sub/x")] {
            assert_eq!(place(&path(one)), place(&path(other)), "{one} and {other}");
        }
        assert_ne!(place(&path("a")), place(&path("new")));
    }

    #[test]
    fn names_of_temporary_files_do_not_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let made: Vec<_> = (0..100).map(|_| create_beside(&path).unwrap().0).collect();
        let names: std::collections::HashSet<PathBuf> = made.iter().map(|file| file.path.clone()).collect();
        assert_eq!(names.len(), 100);
        assert!(names.iter().all(|name| is_temporary(name)));
    }

    /// `/dev/full` gives the kernel's "no space left on device" half-way through the file.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_keeps_the_old_file_and_leaves_no_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomic(&path, b"old").unwrap();
        let error = write_atomic_with(&path, |file| {
            file.write_all(b"half of the n")?;
            File::options().write(true).open("/dev/full")?.write_all(b"ew file")
        })
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.json"]);
    }
}
