//! Apportionment of a total to whole numbers in proportion to quotas: Jefferson's method with caps.
//!
//! The method is monotone in the total: a smaller total never increases a part. So masks nest along a schedule.
//! Rounding to the nearest integer or by largest remainders would not guarantee this.

/// Divides `total` in proportion to `quotas` (positive), with no part above its cap: min(cap, ⌊ε · quota⌋) for the
/// largest ε for which the sum does not exceed `total`. The remainder goes to the earlier parts. Returns the caps if
/// they sum to less than `total`.
pub(super) fn apportion(total: usize, quotas: &[f64], caps: &[usize]) -> Vec<usize> {
    let at = |epsilon: f64| -> Vec<usize> {
        quotas.iter().zip(caps).map(|(quota, cap)| ((epsilon * quota) as usize).min(*cap)).collect()
    };
    let all = caps.iter().sum::<usize>();
    if total >= all {
        return caps.to_vec();
    }
    let (mut low, mut high) = (0.0, 1.0);
    while at(high).iter().sum::<usize>() <= total {
        high *= 2.0;
    }
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        *(if at(middle).iter().sum::<usize>() <= total { &mut low } else { &mut high }) = middle;
    }
    let mut parts = at(low);
    let next = at(high);
    let mut left = total - parts.iter().sum::<usize>();
    for (part, next) in parts.iter_mut().zip(next) {
        let given = (next - *part).min(left);
        *part += given;
        left -= given;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_total_is_met_and_a_smaller_one_gives_nobody_more() {
        for (quotas, caps) in [
            (vec![30.0, 20.0, 10.0, 1.0], vec![30, 20, 10, 1]),
            (vec![8.0, 8.0, 8.0], vec![5, 100, 7]),
            (vec![22.0, 38.0, 70.0, 134.0], vec![144, 2304, 9216, 36864]),
        ] {
            let all: usize = caps.iter().sum();
            let mut before = vec![0; caps.len()];
            for total in 0..=all + 1 {
                let parts = apportion(total, &quotas, &caps);
                assert_eq!(parts.iter().sum::<usize>(), total.min(all));
                assert!(parts.iter().zip(&before).all(|(now, before)| now >= before), "{total}: {parts:?} {before:?}");
                assert!(parts.iter().zip(&caps).all(|(part, cap)| part <= cap));
                // Using the parts of a larger total as caps changes nothing.
                assert_eq!(apportion(total.saturating_sub(1), &quotas, &parts), before);
                before = parts;
            }
        }
    }

    #[test]
    fn what_a_cap_keeps_back_goes_to_the_others() {
        assert_eq!(apportion(12, &[1.0, 1.0, 2.0], &[1, 100, 100]), [1, 4, 7]);
    }
}
