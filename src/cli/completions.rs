//! `vigie completions`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::args::Args;
use super::output::Out;

pub(super) fn completions(out: &mut Out, shell: Shell) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "vigie", &mut script);
    out.raw(&script)?;
    Ok(0)
}
