//! Tables, plots and one self-contained HTML page from the run store.
