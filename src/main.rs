//! The `vigie` program: reads the command line, runs the command, maps errors to exit codes.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use vigie::cli::{Args, Command, Refused, execute};
use vigie::daemon::CONFIGURATION_ERROR;

fn main() -> ExitCode {
    // Refused only where a provider is installed already, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let args = Args::parse();
    let done = begin(&args).and_then(|runtime| {
        let done = runtime.block_on(execute(args));
        // Dropping it would wait for threads that nobody waits for any more: one may look up a name for minutes.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let refused = error.downcast_ref::<Refused>();
            let text = refused.map_or_else(|| format!("error: {error:#}\n"), ToString::to_string);
            // With stderr gone, the exit code still tells.
            drop(std::io::stderr().write_all(text.as_bytes()));
            ExitCode::from(if refused.is_some() { CONFIGURATION_ERROR } else { 1 })
        }
    }
}

fn begin(args: &Args) -> anyhow::Result<tokio::runtime::Runtime> {
    // The service starts its own log once its configuration is read.
    if !matches!(args.command, Command::Run) {
        vigie::telemetry::init("warn", vigie::telemetry::Lines::Text).map_err(anyhow::Error::msg)?;
    }
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
