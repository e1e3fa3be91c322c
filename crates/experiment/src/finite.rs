//! Refuses numbers of a suite that JSON cannot hold. TOML knows NaN and infinity; on the way to a method they would become "no value".

use toml::{Table, Value};

/// Refuses the first number that is not finite, by its path: `` `train.lr` is NaN ``. The error is a reason for users.
pub(crate) fn check(table: &Table) -> Result<(), String> {
    table.iter().try_for_each(|(key, value)| check_value(key, value))
}

fn check_value(path: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Float(number) if !number.is_finite() => {
            let found = if number.is_nan() { "NaN" } else { "infinite" };
            Err(format!("`{path}` is {found}; give a finite number"))
        }
        Value::Array(values) => {
            values.iter().enumerate().try_for_each(|(index, value)| check_value(&format!("{path}.{index}"), value))
        }
        Value::Table(table) => table.iter().try_for_each(|(key, value)| check_value(&format!("{path}.{key}"), value)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_finite_is_named_by_its_path() {
        let refused = |text: &str| check(&toml::from_str(text).unwrap()).unwrap_err();
        assert_eq!(refused("[train]\nlr = nan"), "`train.lr` is NaN; give a finite number");
        assert_eq!(
            refused("[[prune]]\n[[prune]]\nsparsity = -inf"),
            "`prune.1.sparsity` is infinite; give a finite number"
        );
        assert_eq!(refused("a = [1.0, inf]"), "`a.1` is infinite; give a finite number");
        assert_eq!(check(&toml::from_str("[train]\nlr = 0.1\nname = \"nan\"").unwrap()), Ok(()));
    }
}
