fn main() {
    use kube::CustomResourceExt;
    println!("{}", serde_json::to_string_pretty(&tidegate::api::Release::crd()).unwrap_or_default());
}
