//! The attacks to run on a model, and their settings. A stored evaluation records them.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use crate::{Draws, MemberSelection};

/// The attacks to run on a model, and their settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Names of attacks.
    pub attacks: Vec<String>,
    /// Names of the features for attacks by features.
    pub mia: Vec<String>,
    /// Number of draws of an attack's members. The attack is fitted once per draw.
    pub draws: usize,
    /// Selection of members.
    pub members: MemberSelection,
    /// Seed of the draws.
    pub seed: u64,
}

impl Settings {
    /// Default number of draws.
    pub const DRAWS: usize = 10;

    /// The draws of an attack. They end early if `interrupt` is set meanwhile.
    pub fn draws<'a>(&self, interrupt: Option<&'a AtomicBool>) -> Draws<'a> {
        Draws { members: self.members, count: self.draws, seed: self.seed, interrupt }
    }

    /// Largest number of draws. More would cost time without narrowing the interval noticeably.
    pub const MOST_DRAWS: usize = 1000;

    /// The number of draws that was asked for, or the default: ten, or one if the selection is not random.
    ///
    /// # Errors
    /// A message for the user, if no draw was asked for, too many, or several draws of the same rows.
    pub fn count(asked: Option<usize>, members: MemberSelection) -> Result<usize, String> {
        match (asked, members) {
            (Some(draws), _) if draws > Self::MOST_DRAWS => {
                Err(format!("{draws} draws of an attack's members are too many; ask for at most {}", Self::MOST_DRAWS))
            }
            (Some(0), _) => Err("an attack needs at least 1 draw of its members".to_owned()),
            (Some(draws), MemberSelection::FirstRows) if draws > 1 => Err(format!(
                "the first rows are the same in each of {draws} draws; ask for 1, or for `stratified` members"
            )),
            (Some(draws), _) => Ok(draws),
            (None, MemberSelection::FirstRows) => Ok(1),
            (None, MemberSelection::Stratified) => Ok(Self::DRAWS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_draws_unless_nothing_is_drawn() {
        use MemberSelection::{FirstRows, Stratified};
        assert_eq!([Settings::count(None, Stratified), Settings::count(None, FirstRows)], [Ok(10), Ok(1)]);
        assert_eq!([Settings::count(Some(3), Stratified), Settings::count(Some(1), FirstRows)], [Ok(3), Ok(1)]);
        assert!(Settings::count(Some(0), Stratified).unwrap_err().contains("at least 1"));
        assert!(Settings::count(Some(2), FirstRows).unwrap_err().contains("`stratified`"));
    }

    #[test]
    fn are_written_as_in_a_suite() {
        let settings = Settings {
            attacks: vec!["mia-efficacy".into()],
            mia: vec!["confidence".into()],
            draws: 1,
            members: MemberSelection::FirstRows,
            seed: 7,
        };
        let text = serde_json::to_string(&settings).unwrap();
        let expected = r#"{"attacks":["mia-efficacy"],"mia":["confidence"],"draws":1,"members":"first-rows","seed":7}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    }
}
