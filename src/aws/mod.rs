//! AWS as one talks to it: credentials, one client for each role and region, limits, errors, raw task definitions.
//!
//! Nothing here decides, and nothing here knows a Release. Values of a task definition's environment pass through and are
//! kept nowhere: not in memory, logs, errors or status.

mod account;
#[cfg(feature = "cloudwatch")]
mod alarms;
mod balancer;
mod batch;
mod definition;
mod describe;
mod error;
mod limits;
mod raw;
mod registered;
mod registry;
mod runs;
pub mod service;

pub use account::Account;
#[cfg(feature = "cloudwatch")]
pub use alarms::Alarm;
pub use definition::{Copied, Definition, tag};
pub use error::Error;
pub use registry::EcrImage;
pub use runs::{Run, RunsOn};

use crate::api::status::EcsService;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

const CONNECT: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(4);
/// Tries of one read. A write is never repeated by the client: it may have been made.
const READS: u32 = 3;
const BACK_OFF: Duration = Duration::from_millis(200);
/// How the role's owner finds Tidegate in CloudTrail.
const SESSION: &str = "tidegate";

/// Which credentials, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Access {
    region: String,
    role: Option<String>,
    external_id: Option<String>,
}

/// Clients by role, external id and region, made when they are first needed and then kept.
#[derive(Debug, Default)]
pub struct Aws {
    base: OnceCell<SdkConfig>,
    accounts: Mutex<HashMap<Access, Arc<Account>>>,
}

impl Aws {
    /// The account and region in which `service` lies, as its role sees it.
    pub async fn account(&self, service: &EcsService) -> Arc<Account> {
        self.account_in(&service.region, service.role_arn.as_deref(), service.external_id.as_deref()).await
    }

    /// A region, as this role sees it; without one as the controller's own credentials do.
    pub async fn account_in(&self, region: &str, role: Option<&str>, external_id: Option<&str>) -> Arc<Account> {
        let access = Access {
            region: region.to_owned(),
            role: role.map(str::to_owned),
            external_id: external_id.map(str::to_owned),
        };
        let mut accounts = self.accounts.lock().await;
        if let Some(known) = accounts.get(&access) {
            return known.clone();
        }
        let account = Arc::new(Account::new(&self.config(&access).await));
        accounts.insert(access, account.clone());
        account
    }

    async fn config(&self, access: &Access) -> SdkConfig {
        // Nothing is looked for before there is a first service: elsewhere there is no AWS to ask.
        let base = self.base.get_or_init(|| async { base().await }).await;
        let region = Region::new(access.region.clone());
        let config = base.to_builder().region(region.clone());
        let Some(role) = &access.role else { return config.build() };
        let mut provider = AssumeRoleProvider::builder(role).session_name(SESSION).region(region).configure(base);
        if let Some(id) = &access.external_id {
            provider = provider.external_id(id);
        }
        let provider = provider.build().await;
        config.credentials_provider(aws_sdk_ecs::config::SharedCredentialsProvider::new(provider)).build()
    }
}

/// The default chain: environment, web identity (IRSA), Pod Identity, and, unless switched off, the machine's role.
async fn base() -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(READS).with_initial_backoff(BACK_OFF))
        .timeout_config(timeouts)
        .load()
        .await
}
