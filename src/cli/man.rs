//! `vigie man`: manual pages, one for each command, from what also makes the help texts.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::builder::Resettable;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::{Args, ManArgs};
use super::output::Out;

/// Behind a command's own options, before `--help`.
const GLOBAL: usize = 900;

pub(super) fn man(out: &mut Out, args: &ManArgs) -> anyhow::Result<u8> {
    // Each page says where the others are; a page on `vigie help` would say nothing.
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    if let Some(folder) = &args.folder {
        fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
        write(&command, None, folder)?;
    } else {
        out.raw(page(&command, None)?.as_bytes())?;
    }
    Ok(0)
}

/// Writes the page of a command and those below it.
fn write(command: &Command, above: Option<&Command>, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(format!("{}.1", name(command)));
    fs::write(&path, page(command, above)?).with_context(|| format!("{} can't be written", path.display()))?;
    command.get_subcommands().try_for_each(|below| write(below, Some(command), folder))
}

/// `vigie-silence-add`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, above: Option<&Command>) -> anyhow::Result<String> {
    // What stands below the help is formed here, and the footer has the version. Options of all commands come last.
    let bare = command.clone().after_help(Resettable::Reset).version(Resettable::Reset);
    let bare = bare.mut_args(|arg| if arg.is_global_set() { arg.display_order(GLOBAL) } else { arg });
    let mut page = Vec::new();
    Man::new(bare).render(&mut page)?;
    let page = String::from_utf8(page)?;
    let mut more = Roff::new();
    if let Some(after) = command.get_after_help() {
        after.to_string().split("\n\n").for_each(|paragraph| below_the_help(&mut more, paragraph));
    }
    if let Some(above) = above {
        more.control("SH", ["SEE ALSO"]).text([bold(name(above)), roman("(1)")]);
    }
    let more = more.render();
    // Both begin with the definition of an apostrophe.
    let more = more.find(".SH").map_or("", |at| &more[at..]);
    Ok(tidied(&name(command).to_uppercase(), page.lines().chain(more.lines())))
}

/// Examples keep their lines, exit codes and remarks flow.
fn below_the_help(roff: &mut Roff, paragraph: &str) {
    let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
    if matches!(first, "Example:" | "Examples:") {
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in rest.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    } else if let Some(codes) = paragraph.strip_prefix("Exit codes: ") {
        roff.control("SH", ["EXIT STATUS"]).text([roman(codes)]);
    } else {
        roff.control("SH", ["NOTES"]).text([roman(paragraph)]);
    }
}

/// With a title line of our own, for the crate's loses an empty date, and without what formatters warn of: blanks at the
/// ends of lines, empty lines, breaks beside a space. Lines are left ragged and words whole, so that synopses can be copied.
fn tidied<'a>(title: &str, lines: impl Iterator<Item = &'a str>) -> String {
    let mut page: Vec<String> = Vec::new();
    for line in lines {
        match line.trim_end() {
            line if line.starts_with(".TH ") => {
                page.push(format!(r#".TH {title} 1 "" "vigie {}" Vigie"#, env!("CARGO_PKG_VERSION")));
                page.extend([".nh".to_owned(), ".ad l".to_owned()]);
            }
            "" | ".sp" => {
                page.pop_if(|last| last == ".br");
                page.push(".sp".to_owned());
            }
            ".br" if page.last().is_some_and(|last| last == ".sp") => {}
            line => {
                // An argument without any help.
                if line == ".TP" || line.starts_with(".SH") {
                    page.pop_if(|last| last == ".sp");
                }
                page.push(line.to_owned());
            }
        }
    }
    page.join("\n") + "\n"
}
