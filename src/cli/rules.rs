//! `vigie rules`: the rules that ship in the binary.

use anyhow::bail;
use serde_json::json;

use super::output::{Out, Table};
use crate::rule::{SHIPPED, parameters_of};

#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// Show this one whole: script, parameters and texts
    pub name: Option<String>,
}

pub(super) fn rules(out: &mut Out, args: &RulesArgs) -> anyhow::Result<u8> {
    let about = |script: &str| script.lines().next().unwrap_or_default().trim_start_matches("//").trim().to_owned();
    if let Some(name) = &args.name {
        let Some((name, script, sidecar)) = SHIPPED.iter().find(|(known, ..)| known == name) else {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, ..)| *name).collect();
            bail!("no rule '{name}' ships; there are: {}", names.join(", "));
        };
        if out.is_json() {
            out.record(
                &json!({"type": "rule", "name": name, "about": about(script), "script": script, "sidecar": sidecar}),
            )?;
        } else {
            out.raw(format!("# rules/{name}.rhai\n{script}\n# rules/{name}.yaml\n{sidecar}").as_bytes())?;
        }
        return Ok(0);
    }
    let mut table = Table::new(&["SCRIPT", "PARAMETERS", "WHAT"]);
    for (name, script, _) in SHIPPED {
        let parameters = parameters_of(name);
        if out.is_json() {
            out.record(&json!({"type": "rule", "name": name, "about": about(script), "parameters": parameters}))?;
        }
        table.row([(*name).to_owned(), parameters.join(" "), about(script)]);
    }
    if !out.is_json() {
        out.table(&table)?;
    }
    Ok(0)
}
