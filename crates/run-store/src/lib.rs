//! What a run leaves on disk: content-addressed, atomic, locked, versioned.
