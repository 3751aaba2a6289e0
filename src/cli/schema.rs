//! `vigie schema`.

use super::args::SchemaArgs;
use super::output::Out;

pub(super) fn schema(out: &mut Out, args: &SchemaArgs) -> anyhow::Result<u8> {
    let text = match args {
        SchemaArgs { rhai: true, .. } => crate::rule::definitions(),
        SchemaArgs { sidecar: true, .. } => format!("{:#}\n", crate::rule::sidecar_schema()),
        SchemaArgs { test: true, .. } => format!("{:#}\n", super::test::schema()),
        SchemaArgs { .. } => format!("{:#}\n", crate::config::schema()),
    };
    out.raw(text.as_bytes())?;
    Ok(0)
}
