//! AssumeRole: a form comes in, XML goes out.

use super::auth::Caller;
use super::clock::At;
use super::error::Refusal;
use super::ids;
use super::world::{Session, World};
use std::collections::HashMap;
use std::time::Duration;

/// Gives credentials for a role that is known, to whoever knows its external id.
pub fn assume_role(
    form: &HashMap<String, String>,
    caller: &Caller,
    world: &mut World,
    now: At,
) -> Result<String, Refusal> {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let (arn, name) = (field("RoleArn"), field("RoleSessionName"));
    let denied = || Refusal {
        status: 403,
        ..Refusal::new(
            "AccessDenied",
            format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn),
        )
    };
    let role = world.roles.get(arn).ok_or_else(denied)?;
    if role.external_id.as_deref().is_some_and(|id| id != field("ExternalId")) {
        return Err(denied());
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_=,.@-".contains(&b);
    if !(2..=64).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(Refusal::new("ValidationError", "1 validation error detected: roleSessionName"));
    }
    let seconds = field("DurationSeconds").parse().unwrap_or(3600);
    let expires = now + Duration::from_secs(seconds);
    let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
    let short = arn.rsplit('/').next().unwrap_or_default();
    let key = format!("ASIA{}", ids::task()[..16].to_uppercase());
    let session = Session {
        arn: format!("arn:aws:sts::{account}:assumed-role/{short}/{name}"),
        account,
        token: format!("token-{}", ids::task()),
        expires,
    };
    let until = jiff::Timestamp::from_second(i64::try_from(expires.as_secs()).unwrap_or(i64::MAX)).unwrap_or_default();
    let answer = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
         <AssumedRoleId>AROA0000000000000000:{name}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret-{}</SecretAccessKey><SessionToken>{}</SessionToken>\
         <Expiration>{until}</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>{}</RequestId>\
         </ResponseMetadata></AssumeRoleResponse>",
        session.arn,
        ids::task(),
        session.token,
        ids::uuid(),
    );
    world.sessions.insert(key, session);
    Ok(answer)
}
