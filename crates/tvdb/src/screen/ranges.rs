//! Steps, said in few words.

/// So many ranges are written out.
const MOST: usize = 6;

/// Some steps as ranges of neighbours among all steps there are, both ascending: `0 to 29, 31`. Of
/// many ranges the first ones and the last one are named.
pub(crate) fn text(some: &[usize], all: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut some = some.iter().peekable();
    let mut goes_on = false;
    for &step in all {
        if some.next_if_eq(&&step).is_none() {
            goes_on = false;
            continue;
        }
        match ranges.last_mut() {
            Some(range) if goes_on => range.1 = step,
            _ => ranges.push((step, step)),
        }
        goes_on = true;
    }
    let mut words: Vec<String> = ranges.iter().map(range).collect();
    // At least two are left out.
    if words.len() > MOST + 1 {
        let left_out = MOST - 1..words.len() - 1;
        let count = left_out.len();
        words.splice(left_out, [format!("{count} more ranges")]);
    }
    words.join(", ")
}

fn range(&(first, last): &(usize, usize)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first} to {last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_ranges() {
        let all: Vec<usize> = (0..10).collect();
        assert_eq!(text(&[0, 1, 2, 4, 6, 7], &all), "0 to 2, 4, 6 to 7");
        assert_eq!(text(&[10, 20, 40], &[0, 10, 20, 30, 40]), "10 to 20, 40");
        assert_eq!(text(&[], &all), "");
    }

    #[test]
    fn many_ranges_are_not_all_named() {
        let all: Vec<usize> = (0..100).collect();
        let odd: Vec<usize> = (1..100).step_by(2).collect();
        assert_eq!(text(&odd, &all), "1, 3, 5, 7, 9, 44 more ranges, 99");
        assert_eq!(text(&odd[..7], &all), "1, 3, 5, 7, 9, 11, 13");
        assert_eq!(text(&odd[..8], &all), "1, 3, 5, 7, 9, 2 more ranges, 15");
    }
}
