//! What a gateway finds out about events of SDKs beyond what they say: from where and by what they were sent, and which
//! campaign led to them. Off unless a source asks for it.
//!
//! It is done to an event that was found to be valid, before `privacy` hides what nobody is to see: a schema that is strict
//! never refuses what was added, and an annotation holds for it. What an event says itself stays.
//! `docs/adr/0020-enrichment.md` says why it is so.

use std::{collections::HashMap, net::IpAddr, path::PathBuf, sync::Arc};

use headgate_schemas::event::{Data, Event};
use http::{HeaderMap, header};

mod address;
mod agent;
mod campaign;
mod class;
pub(crate) mod config;
mod document;
mod geo;
mod layout;

pub(crate) use self::address::{Trusted, problems};
pub use self::agent::Error as AgentError;
pub use self::config::{ClientIp, Config};
pub use self::geo::Error as GeoError;

use self::{
    agent::Agents,
    class::Class,
    document::{Document, Field},
    geo::Geo,
    layout::Layout,
};
use crate::protocol;

/// Why what a source asks for cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of its `geo_file`.
    #[error("sources.{of}.enrich.geo_file: {source}")]
    Geo {
        /// The source's name.
        of: String,
        /// Why.
        source: GeoError,
    },
    /// Of `user_agent`.
    #[error("sources.{of}.enrich.user_agent: {source}")]
    Agent {
        /// The source's name.
        of: String,
        /// Why.
        source: AgentError,
    },
}

/// Who sent a request, as far as its connection and its headers tell. Nobody of an event that is judged again.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Client<'a> {
    address: Option<IpAddr>,
    user_agent: Option<&'a str>,
    /// They want to be nobody: where they are is not looked up.
    anonymous: bool,
}

impl<'a> Client<'a> {
    pub(crate) fn of(
        trusted: &Trusted,
        peer: Option<IpAddr>,
        headers: &'a HeaderMap,
        anonymous: bool,
    ) -> Self {
        let address = match anonymous {
            true => None,
            false => peer.and_then(|peer| trusted.client(peer, headers)),
        };
        let user_agent = headers.get(header::USER_AGENT);
        Self {
            address,
            user_agent: user_agent.and_then(|text| text.to_str().ok()),
            anonymous,
        }
    }

    /// Whoever sent an event that is judged again: nothing was kept of them.
    pub(crate) fn forgotten(anonymous: bool) -> Self {
        Self {
            anonymous,
            ..Self::default()
        }
    }
}

/// What one source asks for.
#[derive(Debug)]
pub(crate) struct Enricher {
    client_ip: Option<ClientIp>,
    campaign: bool,
    agents: Option<Arc<Agents>>,
    geo: Option<Arc<Geo>>,
}

impl Enricher {
    /// An event's data with what was found out; `None`: there is nothing to add or change. `done` are places that were
    /// hidden before.
    pub(crate) fn enrich(
        &self,
        protocol: &str,
        client: &Client<'_>,
        event: &Event<'_>,
        done: &[String],
    ) -> Option<String> {
        let Data::Json(data) = event.data else {
            return None;
        };
        let mut document = Document::read(data, layout(protocol)?, done)?;
        if self.campaign {
            campaign(&mut document, event.kind == PAGE);
        }
        if let Some(agents) = &self.agents {
            agent(&mut document, agents, client);
        }
        // By the whole address, before anything of it goes.
        if let (Some(geo), false) = (&self.geo, client.anonymous) {
            place(&mut document, geo, client);
        }
        self.address(&mut document, client);
        document.finish()
    }

    fn address(&self, document: &mut Document<'_>, client: &Client<'_>) {
        let Some(wanted) = self.client_ip else {
            return;
        };
        let shown = |address: IpAddr| match wanted {
            ClientIp::Keep => Some(address),
            ClientIp::Truncate => Some(address::truncated(address)),
            ClientIp::Drop => None,
        };
        if wanted != ClientIp::Keep {
            // Of what is no address nobody can tell how much to cut: it goes.
            let cut = |text: &str| Some(shown(address::read(text)?)?.to_string());
            document.change_addresses(cut);
        }
        if let Some(address) = client.address.and_then(shown) {
            document.fill_text(Field::Ip, &address.to_string());
        }
    }
}

/// Where the data of a protocol's events has what is found out; `None`: it has no place for it.
fn layout(protocol: &str) -> Option<&'static Layout> {
    match protocol {
        protocol::SEGMENT => Some(&layout::SEGMENT),
        protocol::SNOWPLOW => Some(&layout::SNOWPLOW),
        _ => None,
    }
}

/// The call of SDKs that has a page's address among its properties; in others' it is any address.
const PAGE: &str = "page";

fn campaign(document: &mut Document<'_>, is_page: bool) {
    let reported = || {
        is_page
            .then(|| document.text(Field::PageUrlReported))
            .flatten()
    };
    let Some(page) = document.text(Field::PageUrl).or_else(reported) else {
        return;
    };
    campaign::read(&page, |field, value| document.fill_text(field, &value));
}

/// What the user agent tells: of browser and system each as a whole, or not at all.
fn agent(document: &mut Document<'_>, agents: &Agents, client: &Client<'_>) {
    let own = document.text(Field::UserAgent);
    let Some(text) = own.as_deref().or(client.user_agent) else {
        return;
    };
    let agent = agents.of(text);
    if let Some(browser) = &agent.browser
        && lacks(document, &[Field::Browser, Field::BrowserVersion])
    {
        document.fill_text(Field::Browser, &browser.name);
        document.fill_text(Field::BrowserFull, &browser.full);
        if let Some(version) = &browser.version {
            document.fill_text(Field::BrowserVersion, version);
        }
    }
    if let Some(os) = &agent.os
        && lacks(document, &[Field::OsName, Field::OsVersion])
    {
        document.fill_text(Field::OsName, &os.name);
        document.fill_text(Field::OsFull, &os.full);
        if let Some(version) = &os.version {
            document.fill_text(Field::OsVersion, version);
        }
    }
    let Some(class) = agent.class else {
        return;
    };
    if let Some(named) = class.name(document.layout().devices) {
        document.fill_text(Field::Device, named);
    }
    match class {
        Class::Robot => document.fill_text(Field::BrowserType, "Robot"),
        _ => {
            let mobile = class.is_mobile();
            document.fill(
                Field::DeviceIsMobile,
                if mobile { b"true" } else { b"false" },
            );
        }
    }
}

/// Where the client is, as a whole or not at all; but for the time zone, which SDKs know better than anybody.
fn place(document: &mut Document<'_>, geo: &Geo, client: &Client<'_>) {
    let own = document.text(Field::Ip);
    let own = own.map(|text| address::read(&text));
    let Some(place) = own
        .unwrap_or(client.address)
        .and_then(|address| geo.of(address))
    else {
        return;
    };
    if let Some(zone) = place.timezone() {
        document.fill_text(Field::Timezone, zone);
    }
    const OWN: [Field; 7] = [
        Field::Country,
        Field::CountryCode,
        Field::Region,
        Field::RegionCode,
        Field::City,
        Field::Latitude,
        Field::Longitude,
    ];
    if !lacks(document, &OWN) {
        return;
    }
    for (field, text) in place.texts() {
        if let Some(text) = text {
            document.fill_text(field, text);
        }
    }
    if let Some((latitude, longitude)) = place.coordinates() {
        document.fill(Field::Latitude, latitude.to_string().as_bytes());
        document.fill(Field::Longitude, longitude.to_string().as_bytes());
    }
}

fn lacks(document: &Document<'_>, fields: &[Field]) -> bool {
    fields.iter().all(|field| document.lacks(*field))
}

/// Makes what sources ask for; what several of them need is there once.
#[derive(Debug, Default)]
pub(crate) struct Opener {
    agents: Option<Arc<Agents>>,
    places: HashMap<PathBuf, Arc<Geo>>,
}

impl Opener {
    /// One for the next sources. Files are read again, as they may be others; what is built in stays.
    pub(crate) fn next(&self) -> Self {
        Self {
            agents: self.agents.clone(),
            places: HashMap::new(),
        }
    }

    /// What a source of that name asks for; `None`: nothing.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub(crate) fn open(&mut self, name: &str, config: &Config) -> Result<Option<Enricher>, Error> {
        if config.is_off() {
            return Ok(None);
        }
        let of = || name.to_owned();
        if config.user_agent && self.agents.is_none() {
            let made = Agents::new().map_err(|source| Error::Agent { of: of(), source })?;
            self.agents = Some(Arc::new(made));
        }
        let geo = match &config.geo_file {
            None => None,
            Some(path) => Some(match self.places.get(path) {
                Some(known) => Arc::clone(known),
                None => {
                    let read = Geo::open(path).map_err(|source| Error::Geo { of: of(), source })?;
                    let read = Arc::new(read);
                    self.places.insert(path.clone(), Arc::clone(&read));
                    read
                }
            }),
        };
        Ok(Some(Enricher {
            client_ip: config.client_ip,
            campaign: config.campaign,
            agents: self.agents.clone().filter(|_| config.user_agent),
            geo,
        }))
    }
}

#[cfg(test)]
mod tests;
