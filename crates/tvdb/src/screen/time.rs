//! Times as people and programs read them, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-03-01 14:05:09`
pub(crate) fn text(time: SystemTime) -> String {
    written(time, " ", "")
}

/// `2026-03-01T14:05:09Z`, as RFC 3339 has it.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    written(time, "T", "Z")
}

fn written(time: SystemTime, between: &str, end: &str) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}{end}")
}

/// Year, month and day, so many days after 1 January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // Years are counted from 1 March on, so that a leap day is a year's last; 400 of them have
    // always as many days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months, of 153 days, again and again.
    let months = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_709_251_199, "2024-02-29 23:59:59"),
            (1_709_251_200, "2024-03-01 00:00:00"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (1_798_761_599, "2026-12-31 23:59:59"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(text(time), expected);
        }
        let time = UNIX_EPOCH + Duration::from_millis(1_709_251_200_999);
        assert_eq!(rfc3339(time), "2024-03-01T00:00:00Z");
    }
}
