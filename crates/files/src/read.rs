//! Opens and reads files.

use std::fs::{self, File, FileType};
use std::io::{self, Read as _};
use std::path::Path;

/// Maximum bytes that [`head`] returns, enough for every form that [`crate::Form`] knows.
const HEAD: u64 = 1024;

/// Opens a regular file, or one at the end of a link.
///
/// # Errors
/// If the path does not exist, may not be read, or is a folder, pipe, socket or device. The message does not name the
/// path.
pub fn open(path: &Path) -> io::Result<File> {
    // This check comes before the file is opened, because opening a pipe waits for its writer.
    regular(fs::metadata(path).map_err(|error| explained(path, error))?.file_type())?;
    let file = File::open(path).map_err(|error| explained(path, error))?;
    // The second check covers a path that changed meanwhile.
    regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// The system's error with what the user can do, for files that do not exist or may not be read, and links without an end.
fn explained(path: &Path, error: io::Error) -> io::Error {
    let link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let message = match error.kind() {
        io::ErrorKind::NotFound if link => {
            let target = fs::read_link(path).unwrap_or_default();
            format!("it is a link to {}, and there is no such file; mend the link", target.display())
        }
        io::ErrorKind::PermissionDenied => format!("{error}; allow reading, for example with `chmod u+r`"),
        io::ErrorKind::NotFound => missing(path),
        _ if link => format!("it is a link that leads to no file ({error}); mend the link"),
        _ => return error,
    };
    io::Error::new(error.kind(), message)
}

/// Most names of a folder that are compared with a missing one.
const COMPARED: usize = 10_000;

/// Least likeness of a file's name to the missing one. Files have many names that are alike by chance.
const ALIKE: f64 = 0.9;

/// What is missing: the folder, or the file in it. If the folder holds a file with a similar name, that is named.
fn missing(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return format!("there is no folder {}", folder.display());
    }
    let names = fs::read_dir(folder).into_iter().flatten().flatten().take(COMPARED);
    let names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let wanted = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match unlearn_names::nearest(wanted, names.iter().map(String::as_str)) {
        Some(near) if unlearn_names::likeness(wanted, near) > ALIKE => {
            format!("there is no such file; did you mean `{}`?", near.escape_debug())
        }
        _ => "there is no such file".to_owned(),
    }
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open`]. Also if the file has more than `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    let too_large = || {
        let message = format!("the file has more than the {most} bytes that are read of such a file");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    if length > most {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?; // The file may grow while it is read.
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// Reads a text file of at most `most` bytes, without a UTF-8 byte-order mark.
///
/// # Errors
/// As [`read`] and [`text`].
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text(read(path, most)?)
}

/// The text of a file that was read, without a UTF-8 byte-order mark.
///
/// # Errors
/// If the text is not UTF-8, with the line of the first wrong byte.
pub fn text(mut bytes: Vec<u8>) -> io::Result<String> {
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        let utf_16 = error.as_bytes().starts_with(&[0xff, 0xfe]) || error.as_bytes().starts_with(&[0xfe, 0xff]);
        let cause = if utf_16 { "the text is UTF-16" } else { "the text is not UTF-8" };
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line}: {cause}; save the file as UTF-8"))
    })
}

/// The first bytes of a regular file, for [`crate::Form::of`].
///
/// # Errors
/// As [`open`].
pub fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(HEAD).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn regular(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a file"));
    }
    let message = format!("it is {}, but only regular files are read; write its content to a file first", named(kind));
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// What is not a regular file, in words.
#[cfg(unix)]
pub(crate) fn named(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// What is not a regular file, in words.
#[cfg(not(unix))]
pub(crate) fn named(kind: FileType) -> &'static str {
    if kind.is_dir() { "a folder" } else { "a pipe or a device" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let (_folder, path) = file(b"12345");
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let message = read(&path, 4).unwrap_err().to_string();
        assert!(message.contains("more than the 4 bytes"), "{message}");
        assert_eq!(head(&path).unwrap(), b"12345");
    }

    #[test]
    fn text_loses_its_byte_order_mark_and_must_be_utf_8() {
        let (_folder, path) = file("\u{feff}a\n".as_bytes());
        assert_eq!(read_text(&path, 9).unwrap(), "a\n");
        let (_folder, path) = file(b"a\nb\xff");
        assert!(read_text(&path, 9).unwrap_err().to_string().starts_with("line 2: the text is not UTF-8"));
        let (_folder, path) = file(b"\xff\xfea\0");
        assert!(read_text(&path, 9).unwrap_err().to_string().contains("UTF-16"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn folders_devices_and_pipes_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| open(path).unwrap_err().to_string();
        assert!(message(folder.path()).contains("a folder"));
        assert!(message(Path::new("/dev/zero")).contains("a device"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert!(message(&link).contains("a device"));
        let dangling = folder.path().join("dangling");
        std::os::unix::fs::symlink("gone", &dangling).unwrap();
        assert_eq!(message(&dangling), "it is a link to gone, and there is no such file; mend the link");
        let circle = folder.path().join("circle");
        std::os::unix::fs::symlink("circle", &circle).unwrap();
        assert!(message(&circle).contains("a link that leads to no file"), "{}", message(&circle));
        assert!(!message(&folder.path().join("none")).contains("link"));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(message(&pipe).contains("a pipe"));
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(message(&socket).contains("a socket"));
    }
}
