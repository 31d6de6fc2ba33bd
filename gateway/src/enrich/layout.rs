//! Where the fields that enrichment knows stand in the data of each protocol's events.

/// Something that enrichment reads or fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// The client's address.
    Ip,
    UserAgent,
    PageUrl,
    /// The same where a page call reports it.
    PageUrlReported,
    CampaignSource,
    CampaignMedium,
    CampaignName,
    CampaignTerm,
    CampaignContent,
    ClickId,
    ClickNetwork,
    /// `Firefox`
    Browser,
    /// `140.0`
    BrowserVersion,
    /// `Firefox 140`
    BrowserFull,
    /// `Robot`, of those that are.
    BrowserType,
    /// `iOS`
    OsName,
    /// `18.6`
    OsVersion,
    /// `iOS 18.6`
    OsFull,
    /// The class of device.
    Device,
    /// Whether it is one to carry around.
    DeviceIsMobile,
    /// In English.
    Country,
    /// ISO 3166-1, two letters.
    CountryCode,
    /// In English.
    Region,
    /// The part of ISO 3166-2 behind the country.
    RegionCode,
    /// In English.
    City,
    PostalCode,
    Latitude,
    Longitude,
    /// As the IANA calls it.
    Timezone,
}

impl Field {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Timezone as usize + 1;
}

/// An object of an event's data.
#[derive(Debug)]
pub(super) struct Object {
    /// The one that it stands in, by its place in [`Layout::objects`]; the data itself is the first.
    pub(super) within: usize,
    pub(super) name: &'static str,
    /// JSON pointer.
    pub(super) path: &'static str,
}

/// Where fields stand. Objects come behind those that they stand in.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) objects: &'static [Object],
    fields: &'static [(Field, usize, &'static str)],
    /// Where the client's address stands: object, name, and JSON pointer.
    addresses: &'static [(usize, &'static str, &'static str)],
    /// How classes of devices are called.
    pub(super) devices: &'static Devices,
}

/// How classes of devices are called.
#[derive(Debug)]
pub(super) struct Devices {
    pub(super) desktop: &'static str,
    pub(super) mobile: &'static str,
    pub(super) tablet: &'static str,
    pub(super) tv: &'static str,
    /// `None`: a robot is no device.
    pub(super) robot: Option<&'static str>,
}

impl Layout {
    /// The object of that name within another.
    pub(super) fn within(&self, object: usize, name: &str) -> Option<usize> {
        let mut inner = self.objects.iter().skip(1);
        let place = inner.position(|inner| inner.within == object && inner.name == name)?;
        Some(place + 1)
    }

    pub(super) fn field(&self, object: usize, name: &str) -> Option<Field> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(_, within, known)| *within == object && *known == name)?;
        Some(found.0)
    }

    /// A field's object and name.
    pub(super) fn place(&self, field: Field) -> Option<(usize, &'static str)> {
        let found = self.fields.iter().find(|(known, ..)| *known == field)?;
        Some((found.1, found.2))
    }

    /// The JSON pointer of what stands there, if it is the client's address.
    pub(super) fn address(&self, object: usize, name: &str) -> Option<&'static str> {
        let mut addresses = self.addresses.iter();
        let found = addresses.find(|(within, known, _)| *within == object && *known == name)?;
        Some(found.2)
    }
}

const fn object(within: usize, name: &'static str, path: &'static str) -> Object {
    Object { within, name, path }
}

/// Messages of Segment's and RudderStack's SDKs. What their specification has no name for
/// (<https://segment.com/docs/connections/spec/common/#context>) is beside what it has.
pub(super) static SEGMENT: Layout = Layout {
    objects: &[
        object(0, "", ""),
        object(0, "context", "/context"),
        object(0, "properties", "/properties"),
        object(1, "page", "/context/page"),
        object(1, "campaign", "/context/campaign"),
        object(1, "browser", "/context/browser"),
        object(1, "os", "/context/os"),
        object(1, "device", "/context/device"),
        object(1, "location", "/context/location"),
    ],
    fields: &[
        (Field::Ip, 1, "ip"),
        (Field::UserAgent, 1, "userAgent"),
        (Field::Timezone, 1, "timezone"),
        (Field::PageUrlReported, 2, "url"),
        (Field::PageUrl, 3, "url"),
        (Field::CampaignSource, 4, "source"),
        (Field::CampaignMedium, 4, "medium"),
        (Field::CampaignName, 4, "name"),
        (Field::CampaignTerm, 4, "term"),
        (Field::CampaignContent, 4, "content"),
        (Field::ClickId, 4, "clickId"),
        (Field::ClickNetwork, 4, "network"),
        (Field::Browser, 5, "name"),
        (Field::BrowserVersion, 5, "version"),
        (Field::OsName, 6, "name"),
        (Field::OsVersion, 6, "version"),
        (Field::Device, 7, "class"),
        (Field::Country, 8, "country"),
        (Field::CountryCode, 8, "countryCode"),
        (Field::Region, 8, "region"),
        (Field::RegionCode, 8, "regionCode"),
        (Field::City, 8, "city"),
        (Field::PostalCode, 8, "postalCode"),
        (Field::Latitude, 8, "latitude"),
        (Field::Longitude, 8, "longitude"),
    ],
    addresses: &[(1, "ip", "/context/ip")],
    devices: &Devices {
        desktop: "desktop",
        mobile: "mobile",
        tablet: "tablet",
        tv: "tv",
        robot: Some("robot"),
    },
};

/// Snowplow's canonical event (<https://docs.snowplow.io/docs/fundamentals/canonical-event/>).
pub(super) static SNOWPLOW: Layout = Layout {
    objects: &[object(0, "", ""), object(0, "other", "/other")],
    fields: &[
        (Field::Ip, 0, "user_ipaddress"),
        (Field::UserAgent, 0, "useragent"),
        (Field::PageUrl, 0, "page_url"),
        (Field::CampaignSource, 0, "mkt_source"),
        (Field::CampaignMedium, 0, "mkt_medium"),
        (Field::CampaignName, 0, "mkt_campaign"),
        (Field::CampaignTerm, 0, "mkt_term"),
        (Field::CampaignContent, 0, "mkt_content"),
        (Field::ClickId, 0, "mkt_clickid"),
        (Field::ClickNetwork, 0, "mkt_network"),
        (Field::Browser, 0, "br_family"),
        (Field::BrowserVersion, 0, "br_version"),
        (Field::BrowserFull, 0, "br_name"),
        (Field::BrowserType, 0, "br_type"),
        (Field::OsName, 0, "os_family"),
        (Field::OsFull, 0, "os_name"),
        (Field::Device, 0, "dvce_type"),
        (Field::DeviceIsMobile, 0, "dvce_ismobile"),
        (Field::CountryCode, 0, "geo_country"),
        (Field::RegionCode, 0, "geo_region"),
        (Field::Region, 0, "geo_region_name"),
        (Field::City, 0, "geo_city"),
        (Field::PostalCode, 0, "geo_zipcode"),
        (Field::Latitude, 0, "geo_latitude"),
        (Field::Longitude, 0, "geo_longitude"),
        (Field::Timezone, 0, "geo_timezone"),
    ],
    addresses: &[
        (0, "user_ipaddress", "/user_ipaddress"),
        // A second value of the parameter.
        (1, "ip", "/other"),
    ],
    devices: &Devices {
        desktop: "Computer",
        mobile: "Mobile",
        tablet: "Tablet",
        tv: "Digital media receiver",
        robot: None,
    },
};
