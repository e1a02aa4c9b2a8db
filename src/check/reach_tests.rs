use super::*;

/// What becomes of a url whose host leads to `ip`.
fn judged(policy: &Policy, url: &str, ip: &str) -> Result<Vec<SocketAddr>, Unreachable> {
    let forbidden =
        Forbidden { nodes: vec!["10.1.0.7".parse().unwrap()], api_servers: vec!["10.1.0.1".parse().unwrap()] };
    Guard { policy, forbidden: &forbidden }.url(&Target::parse(url).unwrap(), &[ip.parse().unwrap()])
}

#[test]
fn a_public_address_is_asked_at_the_port_of_the_url() {
    for (url, ip, addr) in [
        ("https://shop.example/", "8.8.8.8", "8.8.8.8:443"),
        ("http://shop.example:8080/", "2606:4700::1111", "[2606:4700::1111]:8080"),
        ("http://shop.example/", "64:ff9b::8.8.8.8", "[64:ff9b::808:808]:80"),
    ] {
        assert_eq!(judged(&Policy::default(), url, ip), Ok(vec![addr.parse().unwrap()]), "{url}");
    }
}

#[test]
fn what_is_not_public_is_opened_by_host_or_by_network() {
    let hosts = Policy { allow_hosts: vec!["*.internal".parse().unwrap()], ..Policy::default() };
    let networks = Policy { allow: vec!["10.1.0.0/16".parse().unwrap()], ..Policy::default() };
    let denied = Policy { deny: vec!["10.1.2.0/24".parse().unwrap()], ..hosts.clone() };
    for (policy, url, ip, opened) in [
        (&hosts, "https://API.internal./", "10.1.2.3", true),
        (&hosts, "https://api.internal.example/", "10.1.2.3", false),
        (&hosts, "https://internal/", "10.1.2.3", false),
        (&hosts, "https://10.1.2.3/", "10.1.2.3", false),
        (&networks, "https://any.example/", "10.1.2.3", true),
        (&networks, "https://10.1.2.3/", "10.1.2.3", true),
        (&networks, "https://any.example/", "10.2.2.3", false),
        (&denied, "https://api.internal/", "10.1.3.3", true),
        (&denied, "https://api.internal/", "10.1.2.3", false),
        (&hosts, "https://api.internal/", "10.1.0.7", false),
        (&networks, "https://any.example/", "10.1.0.1", false),
    ] {
        assert_eq!(judged(policy, url, ip).is_ok(), opened, "{url} {ip}");
    }
    assert!(judged(&hosts, "https://api.internal/", "127.0.0.1").is_err());
}
