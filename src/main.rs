//! Stands in until the command line is merged.
fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let a: Vec<String> = std::env::args().collect();
    let opt = |n: &str| a.iter().position(|x| x == n).and_then(|i| a.get(i + 1)).cloned();
    let r = rt.block_on(async {
        if a[1] == "demo" {
            vigie::cli::demo::run(vigie::cli::demo::DemoOptions {
                dir: opt("--dir").map(Into::into),
                now: opt("--now").map(|d| d.parse().unwrap()),
                once: a.iter().any(|x| x == "--once"),
            })
            .await
        } else {
            vigie::daemon::run(vigie::daemon::RunOptions { config: vec![opt("--config").unwrap().into()] }).await
        }
    });
    match r {
        Ok(c) => std::process::exit(i32::from(c)),
        Err(e) => {
            eprintln!("{e:#}");
            std::process::exit(1)
        }
    }
}
