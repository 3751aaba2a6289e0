//! `vigie schema`.

use super::output::Out;

pub(super) fn schema(out: &mut Out) -> anyhow::Result<u8> {
    out.raw(format!("{:#}\n", crate::config::schema()).as_bytes())?;
    Ok(0)
}
