//! A sequence of training runs that share one saved state, so that a method of several rounds survives a kill.
//!
//! A saved state is a line of JSON, followed by the training state of the current round, which holds the weights and
//! the mask. The JSON holds the number of the round and the results of earlier rounds. A reader refuses a format
//! newer than its own.

use std::{cell::RefCell, io};

use crate::{Checkpoints, EpochRow, Error, Result, Session};
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;

/// The data that is saved beside the state of the current round.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The current round, counted from 1.
    round: usize,
    /// The rows of earlier rounds.
    rows: Vec<EpochRow>,
    /// The time that earlier rounds took, in seconds.
    #[serde(default)]
    seconds: f64,
}

/// The rounds of a method: the results of finished rounds, and the saved state of the current one.
pub struct Rounds<'a> {
    checkpoints: &'a dyn Checkpoints,
    header: Header,
    /// The saved state of the round that was interrupted.
    saved: RefCell<Option<Vec<u8>>>,
}

impl<'a> Rounds<'a> {
    /// Starts with round 1, or with the round of the saved state.
    ///
    /// # Errors
    /// If the state cannot be read or has a newer format.
    pub fn load(checkpoints: &'a dyn Checkpoints) -> Result<Self> {
        let saved = checkpoints.load().map_err(|source| Error::Io { action: "read", source })?;
        let (header, state) = match saved {
            None => (Header { format: FORMAT, round: 1, rows: vec![], seconds: 0.0 }, None),
            Some(bytes) => {
                let (header, state) = decode(&bytes).map_err(Error::Resume)?;
                (header, Some(state.to_vec()))
            }
        };
        Ok(Self { checkpoints, header, saved: RefCell::new(state) })
    }

    /// The round to run next, counted from 1.
    pub fn next(&self) -> usize {
        self.header.round
    }

    /// Whether the current round resumes from a saved state.
    pub fn resumes(&self) -> bool {
        self.saved.borrow().is_some()
    }

    /// A session like `outer` that saves and loads this round's part of the state.
    pub fn session<'b>(&'b self, outer: Session<'b>) -> Session<'b> {
        Session { checkpoints: self, ..outer }
    }

    /// Records that the current round is finished, with its rows and its time in seconds.
    pub fn finish(&mut self, rows: Vec<EpochRow>, seconds: f64) {
        self.header.rows.extend(rows);
        self.header.seconds += seconds;
        self.header.round += 1;
        self.saved.take();
    }

    /// The time that the finished rounds took, in seconds.
    pub fn seconds(&self) -> f64 {
        self.header.seconds
    }

    /// The rows of all rounds.
    pub fn into_rows(self) -> Vec<EpochRow> {
        self.header.rows
    }
}

impl Checkpoints for Rounds<'_> {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.saved.take())
    }

    fn save(&self, state: &[u8]) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(&self.header)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(state);
        self.checkpoints.save(&bytes)
    }

    fn due(&self) -> bool {
        self.checkpoints.due()
    }
}

fn decode(bytes: &[u8]) -> std::result::Result<(Header, &[u8]), String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it does not name its round")?;
    let header: Header = serde_json::from_slice(&bytes[..end]).map_err(|e| e.to_string())?;
    if header.format > FORMAT {
        return Err(format!("its format {} is newer than {FORMAT}, the newest that this version reads", header.format));
    }
    Ok((header, &bytes[end + 1..]))
}
