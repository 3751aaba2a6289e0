//! `vigie schema`.

use super::args::SchemaArgs;
use super::output::Out;

pub(super) fn schema(out: &mut Out, args: &SchemaArgs) -> anyhow::Result<u8> {
    let text = if args.rhai { crate::rule::definitions() } else { format!("{:#}\n", crate::config::schema()) };
    out.raw(text.as_bytes())?;
    Ok(0)
}
