//! From which address a request came: its connection's other end, or what proxies that are trusted say of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// Each proxy appends whom it was spoken to by (<https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For>).
const FORWARDED: &str = "x-forwarded-for";

/// How much of an address is left when it is truncated: as Google Analytics did by default, the last octet of IPv4 and the
/// last 80 bits of IPv6 go (<https://support.google.com/analytics/answer/2763052>).
const V4_BITS: u32 = 24;
const V6_BITS: u32 = 48;

/// The proxies whose word on their clients' addresses is taken.
#[derive(Debug, Default)]
pub(crate) struct Trusted(Vec<IpNet>);

/// A network as the configuration has it: an address and its prefix, or one address.
fn network(text: &str) -> Option<IpNet> {
    let one = || Some(IpNet::from(text.parse::<IpAddr>().ok()?));
    text.parse().ok().or_else(one)
}

impl Trusted {
    /// Those networks; what is none is left out, and told by [`problems`].
    pub(crate) fn new(networks: &[String]) -> Self {
        Self(networks.iter().filter_map(|text| network(text)).collect())
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who sent a request that came from `peer`: of those whom a chain of trusted proxies names, the right-most that is
    /// not trusted itself, and the first of them if all are. `None`: the chain names what is no address.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer.to_canonical();
        if !self.has(client) {
            return Some(client);
        }
        for line in headers.get_all(FORWARDED).iter().rev() {
            // Taken apart as bytes: what a client put to the left need be no text.
            for named in line.as_bytes().rsplit(|byte| *byte == b',') {
                let named = named.trim_ascii();
                if named.is_empty() {
                    continue;
                }
                client = read(std::str::from_utf8(named).ok()?)?;
                if !self.has(client) {
                    return Some(client);
                }
            }
        }
        Some(client)
    }
}

/// What is wrong with networks of proxies.
pub(crate) fn problems(networks: &[String]) -> impl Iterator<Item = String> + '_ {
    let wrong = networks.iter().filter(|text| network(text).is_none());
    wrong.map(|text| {
        format!("has {text:?}; allowed are networks and addresses, as 10.0.0.0/8 or 2001:db8::1")
    })
}

/// An address as people and proxies write it: some add a port, or brackets.
pub(crate) fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let plain = bare.unwrap_or(text).parse().ok();
    let with_port = || text.parse().ok().map(|at: SocketAddr| at.ip());
    plain
        .or_else(with_port)
        .map(|address: IpAddr| address.to_canonical())
}

/// The address without what tells its household from others.
pub(crate) fn truncated(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX << (32 - V4_BITS);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - V6_BITS);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> Option<String> {
        let trusted = [
            "10.0.0.0/8".to_owned(),
            "fd00::/8".into(),
            "192.0.2.1".into(),
        ];
        assert_eq!(problems(&trusted).count(), 0);
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let client = Trusted::new(&trusted).client(peer.parse().unwrap(), &headers);
        client.map(|client| client.to_string())
    }

    #[test]
    fn whom_nobody_trusts_speaks_for_themselves_alone() {
        let told = ["1.2.3.4"];
        assert_eq!(client("203.0.113.9", &told).as_deref(), Some("203.0.113.9"));
        assert_eq!(client("192.0.2.2", &told).as_deref(), Some("192.0.2.2"));
        // A socket that takes both says so of IPv4.
        assert_eq!(
            client("::ffff:203.0.113.9", &told).as_deref(),
            Some("203.0.113.9")
        );
    }

    #[test]
    fn of_a_chain_the_right_most_counts_that_is_not_trusted() {
        for (forwarded, expected) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            // What the client claims stands to the left of what the proxies saw.
            (&["6.6.6.6, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
            (
                &["6.6.6.6", "203.0.113.9 ,192.0.2.1", "10.1.1.1"],
                "203.0.113.9",
            ),
            (&["garbage, 203.0.113.9"], "203.0.113.9"),
            (&["b\u{e4}r, 203.0.113.9"], "203.0.113.9"),
            (&["203.0.113.9:5123"], "203.0.113.9"),
            (&["2001:db8::7, fd00::1"], "2001:db8::7"),
            (&["[2001:db8::7]:443"], "2001:db8::7"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["10.9.9.9, 10.1.1.1"], "10.9.9.9"),
            (&[""], "10.0.0.7"),
            (&[], "10.0.0.7"),
        ] {
            let found = client("10.0.0.7", forwarded);
            assert_eq!(found.as_deref(), Some(expected), "{forwarded:?}");
            let mapped = client("::ffff:10.0.0.7", forwarded);
            assert_eq!(mapped.as_deref(), Some(expected), "{forwarded:?}");
        }
        // Who is behind it nobody can tell.
        assert_eq!(client("10.0.0.7", &["203.0.113.9, unknown"]), None);
    }

    #[test]
    fn what_is_no_network_is_told() {
        let networks = ["10.0.0.0/8", "10.0.0.0/33", "proxy.example", ""].map(str::to_owned);
        let told: Vec<String> = problems(&networks).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("10.0.0.0/33"), "{told:?}");
    }

    #[test]
    fn a_truncated_address_is_that_of_its_network() {
        for (address, expected) in [
            ("203.0.113.129", "203.0.113.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("::ffff:203.0.113.129", "203.0.113.0"),
        ] {
            assert_eq!(truncated(address.parse().unwrap()).to_string(), expected);
        }
    }
}
