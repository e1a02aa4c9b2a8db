//! Who is trusted to say that a server is the one that a url names.

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Certificate authorities that are trusted.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// Those of the machine: `SSL_CERT_FILE`, `SSL_CERT_DIR`, or where its distribution keeps them.
    #[default]
    System,
    Only(Vec<CertificateDer<'static>>),
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the controller knows no certificate authority, so that it can trust no https server: see SSL_CERT_FILE")]
pub(super) struct NoRoots;

/// Read when the first https url is asked: most controllers never ask one, and the list is long.
pub(super) struct Tls {
    roots: Roots,
    config: OnceCell<ClientConfig>,
}

impl Tls {
    pub(super) fn new(roots: Roots) -> Self {
        Self { roots, config: OnceCell::new() }
    }

    pub(super) async fn config(&self) -> Result<ClientConfig, NoRoots> {
        let made = self.config.get_or_try_init(|| async {
            let roots = self.roots.clone();
            tokio::task::spawn_blocking(move || make(roots)).await.map_err(|_| NoRoots)?
        });
        made.await.cloned()
    }
}

/// What is wrong with a server's certificate, for people.
pub(super) fn explain(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host"
        }
        CertificateError::UnknownIssuer => "its certificate is from nobody whom the controller trusts",
        _ => "its certificate is not valid",
    }
}

fn make(roots: Roots) -> Result<ClientConfig, NoRoots> {
    let certificates = match roots {
        Roots::System => rustls_native_certs::load_native_certs().certs,
        Roots::Only(certificates) => certificates,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(NoRoots);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|_| NoRoots)?;
    let mut config = builder.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session would not be verified again.
    config.resumption = Resumption::disabled();
    Ok(config)
}
