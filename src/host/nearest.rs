use strsim::levenshtein;

/// Names that someone who wrote `name` may have meant.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut scored: Vec<(usize, &String)> = names
        .map(|other| (levenshtein(name, other), other))
        .filter(|(distance, other)| {
            *distance <= name.len().max(other.len()) / 3 || other.contains(name)
        })
        .collect();
    scored.sort_unstable();
    scored
        .into_iter()
        .take(3)
        .map(|(_, other)| other.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        let names = ["fc1.weight", "fc2.weight", "embedding"].map(str::to_owned);
        assert_eq!(nearest("fc1.wieght", names.iter())[0], "fc1.weight");
        assert_eq!(nearest("embed", names.iter()), ["embedding"]);
        assert!(nearest("zzz", names.iter()).is_empty());
    }
}
