//! Which addresses may be dialled. Pure; it vets the address itself, whatever named it.
//!
//! Tenants choose what is asked, so that without this the controller would be their proxy into the machines that hold
//! the cluster. It never resolves names and never looks at what is asked there.

use super::directory::Forbidden;
use super::hosts::HostPattern;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What named the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A pod's own address. Clusters use private, shared and public ranges for pods.
    Pod,
    /// A Service's cluster IP.
    Service,
    /// Anything outside of the cluster: public addresses, and what the administrator allowed. `named`: the host is
    /// one that [`Policy::allow_hosts`] names.
    Url { named: bool },
}

/// The administrator's choices.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// For tests and demonstrations on one machine.
    pub allow_loopback: bool,
    /// Networks that are not public and that [`Form::Url`] may reach. It opens nothing that is closed to everybody.
    pub allow: Vec<IpNet>,
    /// Hosts whose addresses need not be public, with the same bounds.
    pub allow_hosts: Vec<HostPattern>,
    /// Networks that nobody is asked at, such as the controller's own address.
    pub deny: Vec<IpNet>,
}

/// Why an address is not dialled. The text is for the person who wrote the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    #[error("port 0 cannot be asked")]
    Port,
    #[error("{0} is not the address of one machine")]
    Unusable(IpAddr),
    #[error("{0} is a loopback address")]
    Loopback(IpAddr),
    #[error("{0} is a link-local address")]
    LinkLocal(IpAddr),
    #[error("{0} is a cloud provider's metadata address")]
    Metadata(IpAddr),
    #[error("{0} is the address of a node")]
    Node(IpAddr),
    #[error("{0} is the address of the API server")]
    ApiServer(IpAddr),
    #[error("{0} is denied by the administrator")]
    Denied(IpAddr),
    #[error("{0} hides an address behind a translator of unknown format")]
    Translated(IpAddr),
    #[error("{0} is not a public address, and the administrator has not allowed it")]
    NotPublic(IpAddr),
}

/// Says whether `addr` may be dialled. An IPv6 address that carries IPv4 addresses is judged by each of them as well.
pub fn vet(addr: IpAddr, port: u16, form: Form, policy: &Policy, forbidden: &Forbidden) -> Result<(), Blocked> {
    if port == 0 {
        return Err(Blocked::Port);
    }
    let addr = addr.to_canonical();
    judge(addr, form, policy, forbidden, policy.allow_loopback)?;
    if let IpAddr::V6(v6) = addr {
        if in_any(&addr, &LOCAL_NAT64) {
            return Err(Blocked::Translated(addr));
        }
        // What a translator would do with its own loopback is nobody's business.
        for inner in carried(v6) {
            judge(IpAddr::V4(inner), form, policy, forbidden, false)?;
        }
    }
    Ok(())
}

fn judge(addr: IpAddr, form: Form, policy: &Policy, forbidden: &Forbidden, loopback: bool) -> Result<(), Blocked> {
    let among = |list: &[IpAddr]| list.iter().any(|a| a.to_canonical() == addr);
    if in_any(&addr, &METADATA) {
        return Err(Blocked::Metadata(addr));
    }
    if among(&forbidden.api_servers) {
        return Err(Blocked::ApiServer(addr));
    }
    if among(&forbidden.nodes) {
        return Err(Blocked::Node(addr));
    }
    if policy.deny.iter().any(|net| net.contains(&addr)) {
        return Err(Blocked::Denied(addr));
    }
    if in_any(&addr, &LINK_LOCAL) {
        return Err(Blocked::LinkLocal(addr));
    }
    if addr.is_unspecified() || in_any(&addr, &UNUSABLE) {
        return Err(Blocked::Unusable(addr));
    }
    if addr.is_loopback() {
        return if loopback { Ok(()) } else { Err(Blocked::Loopback(addr)) };
    }
    match form {
        Form::Url { named: false } if !public(addr) && !policy.allow.iter().any(|net| net.contains(&addr)) => {
            Err(Blocked::NotPublic(addr))
        }
        _ => Ok(()),
    }
}

type Net = (IpAddr, u8);

const fn v4(a: u8, b: u8, c: u8, d: u8, len: u8) -> Net {
    (IpAddr::V4(Ipv4Addr::new(a, b, c, d)), len)
}
const fn v6(s: [u16; 8], len: u8) -> Net {
    (IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])), len)
}

/// Credentials and machine configuration. AWS, Google and others answer at 169.254.169.254; the rest is named here
/// too.
const METADATA: [Net; 8] = [
    v4(169, 254, 169, 254, 32),
    v4(169, 254, 170, 2, 32),                      // credentials of ECS tasks
    v4(169, 254, 170, 23, 32),                     // credentials of EKS pods
    v4(100, 100, 100, 200, 32),                    // Alibaba Cloud
    v4(168, 63, 129, 16, 32),                      // Azure
    v4(192, 0, 0, 192, 32),                        // Oracle Cloud
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),     // AWS, all link-local services over IPv6
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), // Google Cloud over IPv6
];
const LINK_LOCAL: [Net; 2] = [v4(169, 254, 0, 0, 16), v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10)];
/// This network, IETF protocols, multicast, reserved and broadcast.
const UNUSABLE: [Net; 5] = [
    v4(0, 0, 0, 0, 8),
    v4(192, 0, 0, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];
/// Everything of IPv4 that is private, shared, for documentation, for benchmarks or of no use.
const NOT_PUBLIC_V4: [Net; 9] = [
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24), // relays of 6to4, long given up
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
];
/// What of IPv6 is given out, and NAT64, whose IPv4 address is judged by itself.
const PUBLIC_V6: [Net; 2] = [v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3), v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96)];
/// Within that: documentation.
const NOT_PUBLIC_V6: [Net; 2] = [v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20)];
/// RFC 8215: the network's owner chooses where in it the IPv4 address stands, so that it cannot be read.
const LOCAL_NAT64: [Net; 1] = [v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48)];

fn public(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => !in_any(&addr, &NOT_PUBLIC_V4),
        IpAddr::V6(_) => in_any(&addr, &PUBLIC_V6) && !in_any(&addr, &NOT_PUBLIC_V6),
    }
}

fn in_any(addr: &IpAddr, nets: &[Net]) -> bool {
    nets.iter().any(|(net, len)| IpNet::new(*net, *len).is_ok_and(|net| net.contains(addr)))
}

/// The IPv4 addresses that an IPv6 address leads to: IPv4-compatible, NAT64, 6to4 and Teredo (server and client).
fn carried(addr: Ipv6Addr) -> Vec<Ipv4Addr> {
    let s = addr.segments();
    let pair = |hi: u16, lo: u16| Ipv4Addr::from((u32::from(hi) << 16) | u32::from(lo));
    match s {
        [0, 0, 0, 0, 0, 0, hi, lo] if !addr.is_loopback() => vec![pair(hi, lo)],
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => vec![pair(hi, lo)],
        [0x2002, hi, lo, ..] => vec![pair(hi, lo)],
        [0x2001, 0, hi, lo, ..] => vec![pair(hi, lo), pair(!s[6], !s[7])],
        // ISATAP: any prefix, then this interface identifier.
        [_, _, _, _, 0 | 0x200, 0x5efe, hi, lo] => vec![pair(hi, lo)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
