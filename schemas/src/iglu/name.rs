//! Names of schemas as Iglu has them.

/// A schema's name, taken apart: `iglu:com.example/order/jsonschema/1-0-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// Whose it is, for instance `com.example`.
    pub vendor: &'a str,
    /// What it describes.
    pub name: &'a str,
    /// The kind of schema: `jsonschema`.
    pub format: &'a str,
    /// SchemaVer: model, revision and addition, `1-0-0`.
    pub version: &'a str,
}

impl<'a> Name<'a> {
    /// Takes a name apart; `None`: it is none.
    pub fn of(uri: &'a str) -> Option<Self> {
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

    /// The name up to the model, of which all versions are of one kind: `iglu:com.example/order/jsonschema/1`. `uri`: what it was
    /// taken from.
    pub fn of_model<'u>(&self, uri: &'u str) -> &'u str {
        let model = self.version.find('-').unwrap_or(self.version.len());
        let behind = uri.len() - self.version.len() + model;
        uri.get(..behind).unwrap_or(uri)
    }

    /// Model, revision and addition; numbers beyond 32 bits are the greatest.
    pub(crate) fn numbers(&self) -> [u32; 3] {
        let mut numbers = self.version.split('-');
        [(); 3].map(|()| {
            numbers
                .next()
                .map_or(0, |text| text.parse().unwrap_or(u32::MAX))
        })
    }

    /// In their order.
    pub(crate) fn parts(&self) -> [&'a str; 4] {
        [self.vendor, self.name, self.format, self.version]
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
        let name = Name::of("iglu:com.example-x/order_completed/jsonschema/1-0-10").unwrap();
        assert_eq!(
            name.parts(),
            ["com.example-x", "order_completed", "jsonschema", "1-0-10"]
        );
    }

    #[test]
    fn a_model_is_all_but_revision_and_addition() {
        let uri = "iglu:com.example/a/jsonschema/12-3-4";
        let name = Name::of(uri).unwrap();
        assert_eq!(name.of_model(uri), "iglu:com.example/a/jsonschema/12");
        assert_eq!(name.numbers(), [12, 3, 4]);
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
            assert_eq!(Name::of(uri), None, "{uri}");
        }
    }
}
