//! What a configuration becomes beside what runs: the names that its metrics bear.

use super::*;

#[test]
fn a_secret_that_ends_is_named_as_it_is_referred_to() {
    let place = Place::new(&[]);
    let hook = |name: &str, secret: &str| format!("receivers:\n  {name}: {{webhook: {{url: {secret}}}}}\n");
    let files = [
        ("vigie.yaml", COMPANY.to_owned()),
        ("endless.yaml", hook("endless", "{file: endless}")),
        ("a/late.yaml", hook("late", "{file: token, expires: 2027-03-31}")),
        ("b/soon.yaml", hook("soon", "{file: token, expires: 2027-01-31}")),
        ("c/later.yaml", hook("later", "{file: token, expires: 2027-06-30}")),
        ("endless", "http://127.0.0.1:9/s3cr3t".to_owned()),
        ("a/token", "http://127.0.0.1:9/s3cr3t".to_owned()),
        ("b/token", "http://127.0.0.1:9/s3cr3t".to_owned()),
        ("c/token", "http://127.0.0.1:9/s3cr3t".to_owned()),
    ];
    for (name, text) in &files {
        let path = place.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        // A secret that all may read is refused.
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let paths = files.iter().map(|(name, _)| place.path(name)).filter(|path| path.extension().is_some());
    let built = Place::read(paths.collect());
    let ends = built.metric_names().credentials;
    // The three tokens look the same to whoever reads the label: what counts is the first that ends.
    assert_eq!(ends, [("{file: token}", at("2027-02-01T00:00:00Z"))]);
}
