//! Who asks, and what they see.

use super::scene::{ACCOUNT, GOOD, config, scene, task_definition};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_ecs::error::ProvideErrorMetadata;

#[tokio::test]
async fn accounts_and_regions_see_nothing_of_each_other() {
    let scene = scene().await;
    let other = scene.sim.account("444455556666", "eu-west-1");
    other.cluster("prod");
    let client = Client::new(&config(&scene.sim, "444455556666").await);
    let found = client.describe_services().cluster("prod").services("app").send().await.unwrap();
    assert!(found.services().is_empty());
    let stranger = Client::new(&config(&scene.sim, "AKIAEXAMPLE").await);
    let error = stranger.describe_services().cluster("prod").services("app").send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnrecognizedClientException"));
}

#[tokio::test]
async fn a_role_is_assumed_by_whoever_knows_its_external_id() {
    let scene = scene().await;
    let role = "arn:aws:iam::444455556666:role/tidegate";
    scene.sim.role(role, Some("shared-secret"));
    let other = scene.sim.account("444455556666", "eu-west-1");
    other.register(&task_definition(GOOD));
    other.service("prod", "app", "app:1").create();
    let base = config(&scene.sim, ACCOUNT).await;
    let mut last = None;
    for (id, allowed) in [("wrong", false), ("shared-secret", true)] {
        let assume = aws_config::sts::AssumeRoleProvider::builder(role).external_id(id).session_name("rel-1");
        let provider = assume.configure(&base).build().await;
        let assumed = base.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(provider));
        let client = Client::new(&assumed.build());
        let asked = client.describe_services().cluster("prod").services("app").send().await;
        assert_eq!(asked.is_ok(), allowed, "{asked:?}");
        last = Some(client);
    }
    let call = scene.sim.calls().pop().unwrap();
    assert_eq!(call.caller, "arn:aws:sts::444455556666:assumed-role/tidegate/rel-1");
    scene.sim.expire_sessions();
    let asked = last.unwrap().describe_services().cluster("prod").services("app").send().await;
    assert_eq!(asked.unwrap_err().code(), Some("ExpiredTokenException"));
}

#[tokio::test]
async fn a_session_needs_its_token() {
    let scene = scene().await;
    let role = "arn:aws:iam::444455556666:role/tidegate";
    scene.sim.role(role, None);
    let base = config(&scene.sim, ACCOUNT).await;
    let provider = aws_config::sts::AssumeRoleProvider::builder(role).session_name("rel-1").configure(&base).build();
    let given = provider.await.provide_credentials().await.unwrap();
    for (token, code) in [(None, "UnrecognizedClientException"), (given.session_token(), "ClusterNotFoundException")] {
        let (key, secret) = (given.access_key_id(), given.secret_access_key());
        let credentials = Credentials::new(key, secret, token.map(str::to_owned), None, "test");
        let config = base.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(credentials));
        let asked = Client::new(&config.build()).describe_services().cluster("prod").services("app").send().await;
        assert_eq!(asked.unwrap_err().code(), Some(code));
    }
}
