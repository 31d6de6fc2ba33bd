//! Which field of Snowplow's canonical event a parameter of the tracker protocol is, and what it holds.
//!
//! <https://docs.snowplow.io/docs/fundamentals/canonical-event/>. Events in Snowplow's own tables have more fields: what
//! enrichments find out of addresses, user agents and campaigns is nothing that a tracker sends.

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The event's kind, as two letters.
    Event,
    Text,
    /// Text that the envelope has too.
    Id(Id),
    Integer,
    Number,
    /// `1` or `0`.
    Flag,
    /// Milliseconds since the epoch.
    Time(Time),
    /// `<width>x<height>`: of two fields, this is the second.
    Size(&'static str),
    /// An address, taken apart into fields besides: scheme, host, port, path, query and fragment.
    Address(&'static [&'static str; 6]),
    /// Where the client sends from: not asked for by those who want to be anonymous.
    Ip,
    /// The user as the collector knows them: neither.
    Network,
    /// The event itself, as JSON.
    Unstruct(Code),
    /// What is around it, as JSON.
    Contexts(Code),
}

/// An identity that the envelope has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    Event,
    User,
    Domain,
}

/// A time by the client's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Created,
    Sent,
    /// Said to be right.
    True,
}

/// How JSON stands in a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Plain,
    Base64,
}

/// A parameter that Snowplow's protocol knows.
#[derive(Debug)]
pub(super) struct Field {
    /// As it is sent.
    parameter: &'static str,
    /// The canonical event's name for it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

impl Field {
    /// The fields that are made of the parameter.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let (second, parts) = match self.kind {
            Kind::Size(second) => (Some(second), &[][..]),
            Kind::Address(parts) => (None, &parts[..]),
            _ => (None, &[][..]),
        };
        let parts = parts.iter().copied();
        std::iter::once(self.name).chain(second).chain(parts)
    }
}

const fn field(parameter: &'static str, name: &'static str, kind: Kind) -> Field {
    Field {
        parameter,
        name,
        kind,
    }
}

const PAGE: [&str; 6] = [
    "page_urlscheme",
    "page_urlhost",
    "page_urlport",
    "page_urlpath",
    "page_urlquery",
    "page_urlfragment",
];

const REFERRER: [&str; 6] = [
    "refr_urlscheme",
    "refr_urlhost",
    "refr_urlport",
    "refr_urlpath",
    "refr_urlquery",
    "refr_urlfragment",
];

use Kind::{Address, Contexts, Event, Flag, Integer, Ip, Network, Number, Size, Text, Unstruct};

/// All of them, by their parameters in order.
static ALL: [Field; 68] = [
    field("aid", "app_id", Text),
    field("cd", "br_colordepth", Text),
    field("co", "contexts", Contexts(Code::Plain)),
    field("cookie", "br_cookies", Flag),
    field("cs", "doc_charset", Text),
    field("cx", "contexts", Contexts(Code::Base64)),
    field("ds", "doc_width", Size("doc_height")),
    field("dtm", "dvce_created_tstamp", Kind::Time(Time::Created)),
    field("duid", "domain_userid", Kind::Id(Id::Domain)),
    field("e", "event", Event),
    field("eid", "event_id", Kind::Id(Id::Event)),
    field("f_ag", "br_features_silverlight", Flag),
    field("f_dir", "br_features_director", Flag),
    field("f_fla", "br_features_flash", Flag),
    field("f_gears", "br_features_gears", Flag),
    field("f_java", "br_features_java", Flag),
    field("f_pdf", "br_features_pdf", Flag),
    field("f_qt", "br_features_quicktime", Flag),
    field("f_realp", "br_features_realplayer", Flag),
    field("f_wma", "br_features_windowsmedia", Flag),
    field("fp", "user_fingerprint", Text),
    field("ip", "user_ipaddress", Ip),
    field("lang", "br_lang", Text),
    field("nuid", "network_userid", Network),
    field("p", "platform", Text),
    field("page", "page_title", Text),
    field("pp_max", "pp_xoffset_max", Integer),
    field("pp_may", "pp_yoffset_max", Integer),
    field("pp_mix", "pp_xoffset_min", Integer),
    field("pp_miy", "pp_yoffset_min", Integer),
    field("refr", "page_referrer", Address(&REFERRER)),
    field("res", "dvce_screenwidth", Size("dvce_screenheight")),
    field("se_ac", "se_action", Text),
    field("se_ca", "se_category", Text),
    field("se_la", "se_label", Text),
    field("se_pr", "se_property", Text),
    field("se_va", "se_value", Number),
    field("sid", "domain_sessionid", Text),
    field("stm", "dvce_sent_tstamp", Kind::Time(Time::Sent)),
    field("ti_ca", "ti_category", Text),
    field("ti_cu", "ti_currency", Text),
    field("ti_id", "ti_orderid", Text),
    field("ti_nm", "ti_name", Text),
    field("ti_pr", "ti_price", Number),
    field("ti_qu", "ti_quantity", Integer),
    field("ti_sk", "ti_sku", Text),
    field("tid", "txn_id", Integer),
    field("tna", "name_tracker", Text),
    field("tnuid", "network_userid", Network),
    field("tr_af", "tr_affiliation", Text),
    field("tr_ci", "tr_city", Text),
    field("tr_co", "tr_country", Text),
    field("tr_cu", "tr_currency", Text),
    field("tr_id", "tr_orderid", Text),
    field("tr_sh", "tr_shipping", Number),
    field("tr_st", "tr_state", Text),
    field("tr_tt", "tr_total", Number),
    field("tr_tx", "tr_tax", Number),
    field("ttm", "true_tstamp", Kind::Time(Time::True)),
    field("tv", "v_tracker", Text),
    field("tz", "os_timezone", Text),
    field("ua", "useragent", Text),
    field("ue_pr", "unstruct_event", Unstruct(Code::Plain)),
    field("ue_px", "unstruct_event", Unstruct(Code::Base64)),
    field("uid", "user_id", Kind::Id(Id::User)),
    field("url", "page_url", Address(&PAGE)),
    field("vid", "domain_sessionidx", Integer),
    field("vp", "br_viewwidth", Size("br_viewheight")),
];

/// The fields that were given: the bits of a number.
#[derive(Debug, Default)]
pub(super) struct Seen(u128);

impl Seen {
    /// Notes a field; whether it was given before, be it by another parameter.
    pub(super) fn again(&mut self, found: &Found) -> bool {
        let again = self.0 & found.bit() != 0;
        self.0 |= found.bit();
        again
    }

    /// Whether what a parameter stands for was given.
    pub(super) fn has(&self, parameter: &str) -> bool {
        of(parameter).is_some_and(|found| self.0 & found.bit() != 0)
    }
}

/// A field that was looked up.
#[derive(Debug)]
pub(super) struct Found {
    place: usize,
    pub(super) field: &'static Field,
}

impl Found {
    fn bit(&self) -> u128 {
        1 << match self.field.kind {
            Network => 125,
            Unstruct(_) => 126,
            Contexts(_) => 127,
            _ => self.place,
        }
    }
}

/// The field of a parameter; `None`: Snowplow knows none.
pub(super) fn of(parameter: &str) -> Option<Found> {
    let found = ALL.binary_search_by(|field| field.parameter.cmp(parameter));
    let place = found.ok()?;
    let field = ALL.get(place)?;
    Some(Found { place, field })
}

/// What the letters of an event's kind stand for: the kind, and its vendor and name where it is not self-describing.
/// <https://docs.snowplow.io/docs/fundamentals/events/>
pub(super) fn event(letters: &str) -> Option<(&'static str, Option<(&'static str, &'static str)>)> {
    const SNOWPLOW: &str = "com.snowplowanalytics.snowplow";
    Some(match letters {
        "pv" => ("page_view", Some((SNOWPLOW, "page_view"))),
        "pp" => ("page_ping", Some((SNOWPLOW, "page_ping"))),
        // What Snowplow's enrichment calls it.
        "se" => ("struct", Some(("com.google.analytics", "event"))),
        "tr" => ("transaction", Some((SNOWPLOW, "transaction"))),
        "ti" => ("transaction_item", Some((SNOWPLOW, "transaction_item"))),
        "ue" => ("unstruct", None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use headgate_schemas::{registry::Registry, sdk::SNOWPLOW_EVENT};

    use super::*;

    #[test]
    fn parameters_are_in_order_and_each_is_found() {
        assert!(ALL.is_sorted_by(|a, b| a.parameter < b.parameter));
        assert!(ALL.len() <= 125, "they are bits");
        for field in &ALL {
            assert!(std::ptr::eq(of(field.parameter).unwrap().field, field));
        }
        assert!(of("mac").is_none() && of("").is_none());
    }

    #[test]
    fn every_field_is_declared_by_the_built_in_schema() {
        let registry = Registry::empty().unwrap();
        let schema = registry.resolve(SNOWPLOW_EVENT, None).unwrap();
        let declared = schema.document()["properties"].as_object().unwrap();
        for field in &ALL {
            let mut names = vec![field.name];
            match field.kind {
                Size(second) => names.push(second),
                Address(parts) => names.extend(parts),
                _ => {}
            }
            for name in names {
                assert!(declared.contains_key(name), "{name}");
            }
        }
    }

    #[test]
    fn a_field_is_noted_whichever_parameter_gave_it() {
        let mut seen = Seen::default();
        assert!(!seen.again(&of("cx").unwrap()));
        assert!(seen.again(&of("co").unwrap()) && seen.has("cx"));
        assert!(!seen.again(&of("ue_pr").unwrap()) && seen.has("ue_px") && !seen.has("url"));
    }
}
