//! Times for people.

/// Seconds in words: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min".
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 0.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_easily() {
        let seconds = [-1.0, 0.44, 0.96, 5.0, 59.4, 185.0, 7_800.0];
        assert_eq!(seconds.map(duration), ["0.0 s", "0.4 s", "1 s", "5 s", "59 s", "3 min 5 s", "2 h 10 min"]);
    }
}
