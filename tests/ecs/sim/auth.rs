//! Who calls: the account and region behind a signature. Signatures themselves are not verified.

use super::clock::At;
use super::error::Refusal;
use super::world::{Place, Session, World};
use axum::http::HeaderMap;

/// A caller.
#[derive(Clone, Debug)]
pub struct Caller {
    pub place: Place,
    /// The ARN of the user or of the assumed role.
    pub arn: String,
}

/// An access key of 12 digits is that account's own; others come from AssumeRole, with their token.
pub fn caller(headers: &HeaderMap, world: &World, now: At) -> Result<Caller, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let scope = text("authorization").split("Credential=").nth(1).and_then(|rest| rest.split(',').next());
    let scope =
        scope.ok_or_else(|| Refusal::new("MissingAuthenticationTokenException", "Missing Authentication Token"))?;
    let mut parts = scope.split('/');
    let (key, region) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    let place = |account: &str| Place { account: account.to_owned(), region: region.to_owned() };
    if key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Caller { place: place(key), arn: format!("arn:aws:iam::{key}:user/own") });
    }
    let invalid =
        || Refusal::new("UnrecognizedClientException", "The security token included in the request is invalid.");
    let session = world.sessions.get(key).ok_or_else(invalid)?;
    let Session { account, arn, token, expires } = session;
    if text("x-amz-security-token") != token {
        return Err(invalid());
    }
    if *expires <= now {
        return Err(Refusal::new("ExpiredTokenException", "The security token included in the request is expired"));
    }
    Ok(Caller { place: place(account), arn: arn.clone() })
}
