//! RFC 3339 dates and times, read by hand from fixed columns: the only formats on almost every event's hot path.
//! The sink reads timestamps through the same functions, so what validates is what lands.

const MICROS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;
/// 0000-01-01T00:00:00Z in microseconds since the epoch.
const MICROS_MIN: i64 = -62_167_219_200 * MICROS_A_SECOND;
/// 9999-12-31T23:59:59.999999Z in microseconds since the epoch.
const MICROS_MAX: i64 = 253_402_300_800 * MICROS_A_SECOND - 1;

/// Reads a full RFC 3339 `date-time` as microseconds since the Unix epoch, in UTC.
///
/// Digits of the fraction past the sixth are cut off. A leap second (`23:59:60` UTC, by whichever offset it is
/// written) is the first second of the next day, as in POSIX time. `None` when the text is no `date-time`.
#[inline]
pub fn date_time_micros(text: &str) -> Option<i64> {
    match in_utc(text.as_bytes()) {
        Some(micros) => Some(micros),
        None => in_any_form(text.as_bytes()),
    }
}

/// The commonest forms, which gateway and SDKs write: UTC, whole seconds, milliseconds or microseconds
/// (`2026-11-22T20:07:54.123456Z`). `None`: another form, or none at all.
#[inline]
fn in_utc(bytes: &[u8]) -> Option<i64> {
    let (second, rest) = bytes.split_first_chunk::<19>()?;
    let separators = [second[4], second[7], second[10], second[13], second[16]];
    if separators != *b"--T::" {
        return None;
    }
    // Subtracted from each digit at once; whatever was none is then above 9.
    let digit = second.map(|byte| byte.wrapping_sub(b'0'));
    let all = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18];
    if all.iter().any(|at| digit[*at] > 9) {
        return None;
    }
    let two = |at: usize| i32::from(digit[at] * 10 + digit[at + 1]);
    let (hour, minute, second) = (two(11), two(14), two(17));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match rest {
        [b'Z'] => 0,
        [b'.', fraction @ .., b'Z'] if matches!(fraction.len(), 3 | 6) => {
            let micros = fraction.iter().try_fold(0, |sum, byte| {
                let digit = byte.wrapping_sub(b'0');
                (digit < 10).then(|| sum * 10 + i64::from(digit))
            })?;
            if fraction.len() == 3 {
                micros * 1_000
            } else {
                micros
            }
        }
        _ => return None,
    };
    let days = days_from_civil(two(0) * 100 + two(2), two(5), two(8))?;
    let seconds = i64::from(days) * SECONDS_A_DAY + i64::from(hour * 3_600 + minute * 60 + second);
    Some(seconds * MICROS_A_SECOND + micros)
}

fn in_any_form(bytes: &[u8]) -> Option<i64> {
    let days = days_of(bytes.get(..10)?)?;
    if !matches!(bytes.get(10)?, b'T' | b't') {
        return None;
    }
    let time = time_of(bytes.get(11..)?)?;
    Some((i64::from(days) * SECONDS_A_DAY + time.seconds_utc()) * MICROS_A_SECOND + time.micros)
}

/// Reads an RFC 3339 `full-date` (`2026-11-22`) as days since the Unix epoch; `None` when the text is none.
#[inline]
pub fn date_days(text: &str) -> Option<i32> {
    days_of(text.as_bytes())
}

/// Whether the text is an RFC 3339 `full-time` (`20:07:54.5+01:00`).
#[inline]
pub(super) fn is_time(text: &str) -> bool {
    time_of(text.as_bytes()).is_some()
}

/// Appends an instant as RFC 3339 in UTC with six digits of fraction: `2026-11-22T20:07:54.123456Z`.
///
/// Instants outside the years 0000 to 9999, which RFC 3339 cannot write, are written as the nearest that it can.
pub fn write_date_time(micros: i64, out: &mut Vec<u8>) {
    let micros = micros.clamp(MICROS_MIN, MICROS_MAX);
    let seconds = micros.div_euclid(MICROS_A_SECOND);
    let (year, month, day) = civil_of(seconds.div_euclid(SECONDS_A_DAY));
    let second = seconds.rem_euclid(SECONDS_A_DAY);
    push_digits(out, year, 4);
    out.push(b'-');
    push_digits(out, month, 2);
    out.push(b'-');
    push_digits(out, day, 2);
    out.push(b'T');
    push_digits(out, second / 3_600, 2);
    out.push(b':');
    push_digits(out, second / 60 % 60, 2);
    out.push(b':');
    push_digits(out, second % 60, 2);
    out.push(b'.');
    push_digits(out, micros.rem_euclid(MICROS_A_SECOND), 6);
    out.push(b'Z');
}

fn push_digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// A time of day with its offset.
struct Time {
    second_of_day: i64,
    micros: i64,
    offset_seconds: i64,
}

impl Time {
    /// Seconds since midnight UTC of the written day; below zero or beyond a day by the offset.
    fn seconds_utc(&self) -> i64 {
        self.second_of_day - self.offset_seconds
    }
}

#[inline]
fn time_of(bytes: &[u8]) -> Option<Time> {
    let hour = two(bytes, 0)?;
    let minute = two(bytes, 3)?;
    let second = two(bytes, 6)?;
    if bytes[2] != b':' || bytes[5] != b':' || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, at) = fraction_of(bytes, 8)?;
    let offset_seconds = offset_of(bytes.get(at..)?)?;
    let time = Time {
        second_of_day: i64::from(hour * 3_600 + minute * 60 + second),
        micros,
        offset_seconds,
    };
    let leap_elsewhere = second == 60 && time.seconds_utc().rem_euclid(SECONDS_A_DAY) != 0;
    (!leap_elsewhere).then_some(time)
}

/// Microseconds of the optional fraction at `at`, and the offset behind it.
#[inline]
fn fraction_of(bytes: &[u8], mut at: usize) -> Option<(i64, usize)> {
    if bytes.get(at) != Some(&b'.') {
        return Some((0, at));
    }
    at += 1;
    let (mut micros, mut unit) = (0, 100_000);
    let first = at;
    while let Some(byte) = bytes.get(at).filter(|b| b.is_ascii_digit()) {
        micros += i64::from(byte - b'0') * unit;
        unit /= 10;
        at += 1;
    }
    (at > first).then_some((micros, at))
}

#[inline]
fn offset_of(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hour, minute) = (two(bytes, 1)?, two(bytes, 4)?);
            let seconds = i64::from(hour * 3_600 + minute * 60);
            (hour < 24 && minute < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

#[inline]
fn days_of(bytes: &[u8]) -> Option<i32> {
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = two(bytes, 0)? * 100 + two(bytes, 2)?;
    days_from_civil(year, two(bytes, 5)?, two(bytes, 8)?)
}

/// Days since the epoch of a day in the calendar; `None` when there is no such day.
#[inline]
fn days_from_civil(year: i32, month: i32, day: i32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > days_in_month {
        return None;
    }
    // Days from civil with years that begin in March, so that the leap day comes last.
    let shifted = year - i32::from(month <= 2);
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Year, month and day of a day since the epoch: the inverse of [`days_of`].
fn civil_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Two decimal digits at `at`.
#[inline]
fn two(bytes: &[u8], at: usize) -> Option<i32> {
    let [tens, units] = *bytes.get(at..at + 2)? else {
        return None;
    };
    let (tens, units) = (tens.wrapping_sub(b'0'), units.wrapping_sub(b'0'));
    (tens < 10 && units < 10).then(|| i32::from(tens * 10 + units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(micros: i64) -> String {
        let mut out = Vec::new();
        write_date_time(micros, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn days_read_back_over_ten_thousand_years() {
        const DAY: i64 = SECONDS_A_DAY * MICROS_A_SECOND;
        let all = MICROS_MIN / DAY..=MICROS_MAX / DAY;
        // Every day of a 400-year cycle, and some of all the others.
        for days in (-73_000..73_100).chain(all.step_by(97)) {
            let text = written(days * DAY);
            assert_eq!(date_days(&text[..10]).map(i64::from), Some(days), "{text}");
        }
    }

    #[test]
    fn instants_agree_with_jiff() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-11-22T20:07:54.123456Z",
            "2026-11-22T20:07:54.1+05:30",
            "1969-12-31T23:59:59.999999999-00:01",
            "2000-02-29t12:00:00z",
            "2026-11-22T20:07:54.123Z",
            "2026-11-22T20:07:54.12Z",
            "2026-11-22T20:07:54.1234567Z",
            "0000-01-01T00:00:00Z",
        ] {
            let jiff: jiff::Timestamp = text.parse().unwrap();
            // jiff rounds towards zero, a cut-off fraction rounds down.
            let micros = jiff.as_nanosecond().div_euclid(1_000);
            assert_eq!(
                date_time_micros(text).map(i128::from),
                Some(micros),
                "{text}"
            );
        }
    }

    #[test]
    fn writing_and_reading_are_inverse() {
        for micros in [MICROS_MIN, -1, 0, 1, 1_795_896_474_123_456, MICROS_MAX] {
            assert_eq!(date_time_micros(&written(micros)), Some(micros));
        }
        assert_eq!(written(i64::MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(written(i64::MIN), "0000-01-01T00:00:00.000000Z");
    }

    #[test]
    fn leap_seconds_exist_only_before_midnight_utc() {
        assert_eq!(
            date_time_micros("1998-12-31T23:59:60Z"),
            date_time_micros("1999-01-01T00:00:00Z")
        );
        assert!(date_time_micros("1998-12-31T15:59:60.123-08:00").is_some());
        assert!(date_time_micros("1998-12-31T22:59:60Z").is_none());
        assert!(date_time_micros("1998-12-31T23:58:60Z").is_none());
        assert!(!is_time("23:59:60+01:00"));
        assert!(is_time("00:59:60+01:00"));
    }

    #[test]
    fn near_misses_are_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22 20:07:54Z",
            "2026-11-22T20:07:54",
            "2026-11-22T20:07:54.Z",
            "2026-11-22T20:07:54.12aZ",
            "2026-11-22T20:07:54.12345:Z",
            "2026-11-22T2:007:54Z",
            "2026-11-22T20:60:54Z",
            "2026-00-22T20:07:54.123Z",
            "2026-11-31T20:07:54.123Z",
            "2026-11-22T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T20:07:54+24:00",
            "2026-11-22T20:07:54+0100",
            "2026-11-22T20:07:54Z ",
            "२०२६-11-22T20:07:54Z",
        ] {
            assert_eq!(date_time_micros(text), None, "{text}");
        }
    }
}
