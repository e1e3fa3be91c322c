//! What a user can do about a failure of the system.

use std::io;

/// Whether the cause is a full disk, an exhausted quota, or the limit on the size of a file.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) || is_file_limit(error)
}

/// Whether the system refused to let a file grow. A reader of this crate refuses too large files by the same kind, but
/// without a number of the system.
fn is_file_limit(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge && error.raw_os_error().is_some()
}

/// What helps against `error`, as the end of a message: it begins with a semicolon, or is empty.
pub fn advice(error: &io::Error) -> &'static str {
    if is_file_limit(error) {
        return "; a file may not grow that large here: raise the limit (`ulimit -f unlimited`), or write to another file system, and \
                start it again; a run continues after its finished stages and checkpoints";
    }
    if is_disk_full(error) {
        return "; the disk is full: free some space and start it again; a run continues after its finished stages and checkpoints";
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; check who owns it and its permissions",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_limit_have_their_own_advice() {
        let system = |number| io::Error::from_raw_os_error(number);
        // ENOSPC, EFBIG and EACCES of Linux.
        assert!(is_disk_full(&system(28)) && advice(&system(28)).contains("free some space"));
        assert!(is_disk_full(&system(27)) && advice(&system(27)).contains("ulimit -f"));
        assert!(!is_disk_full(&system(13)) && advice(&system(13)).contains("permissions"));
        let ours = io::Error::new(io::ErrorKind::FileTooLarge, "at most 5 bytes are read");
        assert!(!is_disk_full(&ours) && advice(&ours).is_empty());
    }
}
