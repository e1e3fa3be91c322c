//! A process that ends leaves no unfinished file. No file can be begun afterwards, so this is a process of its own.

use std::fs;
use std::io::Write as _;
use std::sync::mpsc::channel;

use unlearn_files::{Unfinished, abandon, write_atomic, write_atomic_with};

#[test]
fn what_is_unfinished_is_removed_and_what_is_complete_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_atomic(&path("old"), b"old").unwrap();
    let working = Unfinished::folder(&path("working"));
    fs::create_dir(path("working")).unwrap();
    fs::write(path("working/part"), "part").unwrap();
    let (begun, wait) = channel();
    let target = path("old");
    // It never ends: the process does.
    std::thread::spawn(move || {
        write_atomic_with(&target, |file| {
            file.write_all(b"half")?;
            begun.send(()).map_err(std::io::Error::other)?;
            loop {
                std::thread::park();
            }
        })
    });
    wait.recv().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    abandon();
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["old"]);
    assert_eq!(fs::read(path("old")).unwrap(), b"old");
    std::mem::forget(working); // Its end would wait for the others.
}
