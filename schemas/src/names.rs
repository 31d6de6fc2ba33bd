//! Names: which event names are allowed, the tables they become, and which known name was probably meant.

/// The longest name of an event, in bytes: with `_` and a major it still fits a table's name.
pub const EVENT_NAME_BYTES_MAX: usize = 100;

/// The longest name of a table, in bytes: Redshift's limit.
pub const TABLE_NAME_BYTES_MAX: usize = 127;

/// What [`event_name`] allows, for messages.
pub const EVENT_NAME_ALLOWED: &str = "an event's name starts with a letter, has ASCII letters, digits, `_`, `-` and `.` only, and at most 100 bytes";

/// What [`table_name`] allows, for messages.
pub const TABLE_NAME_ALLOWED: &str = "a table's name starts with a lower-case letter, has lower-case ASCII letters, digits and `_` only, and at most 127 bytes";

/// Whether an event may be called so: names such as `order_completed` and reversed domains such as
/// `com.example.OrderCompleted`, as CloudEvents recommends.
pub fn event_name(name: &str) -> bool {
    name.len() <= EVENT_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !name.ends_with('.')
}

/// Whether a table may be called so. A name never starts with `_`: those are Headgate's own folders.
pub fn table_name(name: &str) -> bool {
    name.len() <= TABLE_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A name in snake case: `com.example.OrderCompleted` becomes `com_example_order_completed`.
pub fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = '_';
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let next_is_lower = characters.peek().is_some_and(char::is_ascii_lowercase);
        let starts_word = character.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || before.is_ascii_uppercase() && next_is_lower);
        if starts_word {
            out.push('_');
        }
        let plain = if character.is_ascii_alphanumeric() {
            character.to_ascii_lowercase()
        } else {
            '_'
        };
        if plain != '_' || !out.ends_with('_') {
            out.push(plain);
        }
        before = character;
    }
    out
}

/// The known names nearest to `name` by edit distance, the nearest first, at most three and none that differs in
/// more than a third of its characters.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    // An attacker chooses `name`: what is far too long has no neighbours.
    if name.len() > EVENT_NAME_BYTES_MAX {
        return Vec::new();
    }
    let name = snake_case(name);
    let mut near: Vec<(usize, &str)> = known
        .filter_map(|known| {
            let spelled = snake_case(known);
            let distance = distance(&name, &spelled);
            (distance <= name.len().max(spelled.len()) / 3).then_some((distance, known))
        })
        .collect();
    near.sort_unstable();
    near.into_iter()
        .take(3)
        .map(|(_, known)| known.to_owned())
        .collect()
}

/// Levenshtein's distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
