//! Which campaign led to a page, by the parameters of its address.

use std::borrow::Cow;

use super::document::Field;

/// Parameters of the query, and what they are (<https://support.google.com/analytics/answer/10917952>).
const PARAMETERS: [(&str, Field); 5] = [
    ("utm_source", Field::CampaignSource),
    ("utm_medium", Field::CampaignMedium),
    ("utm_campaign", Field::CampaignName),
    ("utm_term", Field::CampaignTerm),
    ("utm_content", Field::CampaignContent),
];

/// Parameters that advertising networks number clicks by, and the networks. The first three are what Snowplow's Enrich
/// takes (<https://docs.snowplow.io/docs/pipeline/enrichments/available-enrichments/campaign-attribution-enrichment/>).
const CLICKS: [(&str, &str); 9] = [
    ("gclid", "Google"),
    ("msclkid", "Microsoft"),
    ("dclid", "DoubleClick"),
    ("gbraid", "Google"),
    ("wbraid", "Google"),
    ("fbclid", "Facebook"),
    ("ttclid", "TikTok"),
    ("twclid", "Twitter"),
    ("li_fat_id", "LinkedIn"),
];

/// What an address tells of a campaign; the first of two values for the same counts, and none that is empty.
pub(super) fn read(address: &str, mut found: impl FnMut(Field, Cow<'_, str>)) {
    let before_fragment = address.split('#').next().unwrap_or_default();
    let Some((_, query)) = before_fragment.split_once('?') else {
        return;
    };
    let mut clicked = false;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if value.is_empty() {
            continue;
        }
        if let Some((_, field)) = PARAMETERS.iter().find(|(known, _)| *known == name) {
            found(*field, value);
        } else if let Some((_, network)) = CLICKS.iter().find(|(known, _)| *known == name)
            && !clicked
        {
            clicked = true;
            found(Field::ClickId, value);
            found(Field::ClickNetwork, Cow::Borrowed(network));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Vec<(Field, String)> {
        let mut all = Vec::new();
        read(address, |field, value| {
            all.push((field, value.into_owned()))
        });
        all
    }

    #[test]
    fn parameters_are_decoded_and_empty_ones_say_nothing() {
        let found = of(
            "https://shop.example/?a=1&utm_source=news%20letter&utm_medium=&utm_campaign=a+b%26c#utm_term=x",
        );
        let expected = [
            (Field::CampaignSource, "news letter".to_owned()),
            (Field::CampaignName, "a b&c".to_owned()),
        ];
        assert_eq!(found, expected);
        for address in [
            "",
            "https://shop.example/utm_source=a",
            "https://x/#?utm_source=a",
        ] {
            assert_eq!(of(address), [], "{address}");
        }
    }

    #[test]
    fn a_click_has_the_network_that_numbers_so() {
        let click = |id: &str, network: &str| {
            vec![
                (Field::ClickId, id.to_owned()),
                (Field::ClickNetwork, network.to_owned()),
            ]
        };
        assert_eq!(of("https://x/?fbclid=f&gclid=g"), click("f", "Facebook"));
        assert_eq!(of("https://x/?gclid=&msclkid=m"), click("m", "Microsoft"));
    }
}
