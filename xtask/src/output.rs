//! Writing to standard output and standard error. A reader that has gone, as in `cargo xtask tidy | head`, is no reason to stop; any other
//! failure to write results is an error.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    process,
};

/// Writes a line of results to standard output; used like `println!`.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::say(format_args!($($text)*)) };
}

/// Writes a message to standard error; used like `eprintln!`.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::note(format_args!($($text)*)) };
}

/// Writes a line of results to standard output.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            note(format_args!("error: failed to write to standard output: {error}"));
            process::exit(1);
        }
        _ => {}
    }
}

/// Writes a message to standard error, where that can be written.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "{text}"));
}
