//! Where commands write: lines, tables and JSON lines on stdout; a reader that leaves early is no error.

use std::io::{self, BufWriter, IsTerminal, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::args::{ColorChoice, Format};
use crate::chart::ObjectiveChart;
use crate::locale::{PictureWords, duration};
use crate::model::notification::Picture;
use crate::model::unit::Language;

/// Columns of a chart.
const CHART_COLUMNS: usize = 78;

/// The command's output.
pub(super) struct Out {
    sink: Box<dyn Write + Send>,
    format: Format,
    color: ColorChoice,
}

impl Out {
    pub(super) fn stdout(format: Format, color: ColorChoice) -> Out {
        Out { sink: Box::new(BufWriter::new(io::stdout())), format, color }
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether problems on stderr are colored.
    pub(super) fn colors_stderr(&self) -> bool {
        match self.color {
            ColorChoice::Auto => io::stderr().is_terminal(),
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        }
    }

    /// One line of text; control characters in it are made visible.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.sink, "{}", clean(text))
    }

    /// Text of several lines.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.line(line))
    }

    /// One JSON object on a line.
    pub(super) fn record(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.sink, value)?;
        self.sink.write_all(b"\n")
    }

    /// Text that is JSON already, or a script.
    pub(super) fn raw(&mut self, text: &[u8]) -> io::Result<()> {
        self.sink.write_all(text)
    }

    pub(super) fn table(&mut self, table: &Table) -> io::Result<()> {
        table.lines().iter().try_for_each(|line| self.line(line))
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Rows under a heading; a row may be followed by an indented remark.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: Vec<(Vec<String>, Option<String>)>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Table {
        Table { rows: vec![(heading.iter().map(ToString::to_string).collect(), None)] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push((cells.into_iter().map(|cell| clean(&cell)).collect(), None));
    }

    /// A remark below the last row.
    pub(super) fn remark(&mut self, text: String) {
        if let Some((_, remark)) = self.rows.last_mut() {
            *remark = Some(text);
        }
    }

    fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(|(cells, _)| cells.len()).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|(cells, _)| cells.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut lines = Vec::new();
        for (cells, remark) in &self.rows {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| {
                let spare = width - cell.chars().count();
                format!("{cell}{}", " ".repeat(spare))
            });
            lines.push(padded.collect::<Vec<_>>().join("  ").trim_end().to_owned());
            lines.extend(remark.iter().map(|remark| format!("  {remark}")));
        }
        lines
    }
}

/// The text with what could steer a terminal made visible.
pub(super) fn clean(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if steers(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A moment as tables show it.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}

/// How long ago, or in how long.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let span = now.duration_since(at);
    if span.is_negative() {
        format!("in {}", duration(Language::En, -span))
    } else {
        format!("{} ago", duration(Language::En, span))
    }
}

/// `3 KPIs`, `1 rule`.
pub(super) fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// The cell of something that may be absent.
pub(super) fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

/// A picture for a terminal: its title, what is said under it, and blocks.
pub(super) fn blocks(picture: &Picture, language: Language) -> String {
    let words = PictureWords { lang: language, unit: picture.unit.clone() };
    let remark = picture.remark.as_ref().map(|remark| format!("{remark}\n")).unwrap_or_default();
    let blocks = ObjectiveChart::of(picture, &words).blocks(CHART_COLUMNS);
    format!("{}\n{remark}{}", picture.title, blocks.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_by_characters() {
        let mut table = Table::new(&["ID", "TITLE", "AGE"]);
        table.row(["é".to_owned(), "Chiffre".to_owned(), "1".to_owned()]);
        table.remark("voilà".to_owned());
        table.row(["long".to_owned(), "a\nb\u{1b}[31m".to_owned(), String::new()]);
        assert_eq!(table.lines(), ["ID    TITLE     AGE", "é     Chiffre   1", "  voilà", "long  a b\u{fffd}[31m"]);
    }

    #[test]
    fn moments_are_humane() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        assert_eq!(ago("2026-11-23T11:58:30Z".parse().unwrap(), now), "1 min 30 s ago");
        assert_eq!(ago("2026-11-25T12:00:00Z".parse().unwrap(), now), "in 2 d");
        assert_eq!(moment(now, &TimeZone::get("Europe/Paris").unwrap()), "2026-11-23 13:00");
        assert_eq!((counted(1, "KPI"), counted(2, "KPI")), ("1 KPI".to_owned(), "2 KPIs".to_owned()));
        assert_eq!(clean("a\u{202e}b"), "a\u{fffd}b");
    }
}
