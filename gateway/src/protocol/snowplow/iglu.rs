//! Names of schemas as Iglu has them: `iglu:com.example/order_completed/jsonschema/1-0-0`.
//!
//! <https://docs.snowplow.io/docs/api-reference/iglu/common-architecture/self-describing-json-schemas/>

/// A schema's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Iglu<'a> {
    pub(super) vendor: &'a str,
    pub(super) name: &'a str,
    pub(super) format: &'a str,
    /// SchemaVer: model, revision and addition.
    pub(super) version: &'a str,
}

impl<'a> Iglu<'a> {
    /// `None`: that is no such name.
    pub(super) fn of(uri: &'a str) -> Option<Self> {
        let mut parts = uri.strip_prefix("iglu:")?.split('/');
        let mut part = || parts.next();
        let (vendor, name, format, version) = (part()?, part()?, part()?, part()?);
        let fits = part().is_none()
            && is_word(vendor, b"-_.")
            && is_word(name, b"-_")
            && is_word(format, b"-_")
            && is_version(version);
        fits.then_some(Self {
            vendor,
            name,
            format,
            version,
        })
    }
}

fn is_word(text: &str, besides: &[u8]) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || besides.contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_version(text: &str) -> bool {
    let number = |text: &str| {
        let zero = text.starts_with('0');
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (!zero || text.len() == 1)
    };
    let mut numbers = text.split('-');
    let model = numbers.next();
    model.is_some_and(|model| number(model) && model != "0")
        && numbers.clone().count() == 2
        && numbers.all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_falls_into_its_parts() {
        let uri = "iglu:com.example-x/order_completed/jsonschema/1-0-10";
        let expected = Iglu {
            vendor: "com.example-x",
            name: "order_completed",
            format: "jsonschema",
            version: "1-0-10",
        };
        assert_eq!(Iglu::of(uri), Some(expected));
    }

    #[test]
    fn what_is_no_name_is_none() {
        for uri in [
            "",
            "com.example/a/jsonschema/1-0-0",
            "iglu:com.example/a/jsonschema",
            "iglu:com.example/a/jsonschema/1-0",
            "iglu:com.example/a/jsonschema/1-0-0-0",
            "iglu:com.example/a/jsonschema/0-0-0",
            "iglu:com.example/a/jsonschema/1-00-0",
            "iglu:com.example/a/jsonschema/1-0-x",
            "iglu:com.example/a/jsonschema/1-0-0/x",
            "iglu:com.example/../jsonschema/1-0-0",
            "iglu:/a/jsonschema/1-0-0",
        ] {
            assert_eq!(Iglu::of(uri), None, "{uri}");
        }
    }
}
