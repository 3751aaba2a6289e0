//! The settings of a csv source, and the source itself.

use std::borrow::Cow;
use std::time::Instant;

use encoding_rs::Encoding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::{Files, check_deadline};
use super::overlap::Overlap;
use super::wide::Wide;
use super::workbook::Sheet;
use super::{decode, relation, table};
use crate::clock;
use crate::model::kpi::{Kpi, Query, TableQuery};
use crate::model::observation::Pull;
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::labels::check_dimension;
use crate::source::request::{BuildContext, Capabilities, PullRequest, QueryForm};
use crate::source::shared::Member;
use crate::source::sql::statement_of;

/// Bytes of unpacked sheets from which on further ones are unpacked by each KPI that reads them.
const UNPACKED_KEPT_MAX: usize = 128 * 1024 * 1024;

/// Text tables on disk.
///
/// A KPI says which columns it reads: `query: {time: date, value: total, labels: [channel]}`. Or it asks in SQL of the
/// table `data`, whose columns are those of the files with `_file` and `_line`:
/// `query: SELECT date AS bucket, sum(total) AS value FROM data WHERE status = 'paid' GROUP BY 1` (the rest is as for
/// SQLite; columns of numbers are numbers, of times ISO texts in the KPI's zone).
/// Rows of the same bucket and labels add up for flows; for files that overlap say `overlap`.
/// Numbers may be written `1 234,50`, `(1 234,50)` for negative, `1.234,50 €`; `12,5 %` is 12.5,
/// and 0.125 where the KPI's unit is a ratio. Empty cells, `-` and `n/a` say nothing. An amount beside the mark of another
/// currency than the KPI's (`50 USD`) is refused.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// A file, or a pattern with `*`, `?`, `**` or `[..]`; relative to the configuration file.
    /// Several files are read in the order of their names, `export-2` before `export-10`. Example: `exports/*.csv`.
    pub path: String,
    /// The character between cells. Default: found out among `;` `,` tab and `|`. Example: `";"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// What stands between units and tenths: `auto`, `comma` or `point`. Default: `auto`, decided per
    /// column from all its cells; where only numbers like `1,234` stand, `;` between cells means that
    /// the comma is decimal, anything else that the point is, and a warning says so.
    #[serde(default)]
    pub decimal: Decimal,
    /// The encoding's name. Default: what the file's first bytes say, else UTF-8 if it is valid,
    /// else Windows-1252. Example: `iso-8859-15`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// How times are written, in strftime. Default: found out; the day comes before the month, and files that show that
    /// it does not are refused.
    /// Example: `"%m/%d/%Y"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
    /// Columns that are text in SQL, whatever stands in them. Default: those whose cells are neither mostly numbers or
    /// times nor partly amounts such as `20,75`, and codes that begin with zero. Example: `[version]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// Lines above the line with the columns' names. Default: 0. Example: `2`.
    #[serde(default)]
    pub skip_lines: usize,
    /// Periods that stand side by side (months across), turned into rows. Default: none.
    /// Example: `{keep: [shop], time: month, value: total}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<Wide>,
    /// How rows of later files replace those of earlier ones, so that nothing counts twice: by key or by period.
    /// Default: all rows count. Example: `{key: [invoice]}` or `{period: {each: month, time: date}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Most bytes of all files together. Default: 268435456 (256 MiB).
    #[serde(default = "bytes_max_default")]
    pub bytes_max: u64,
    /// Most rows of all files together. Default: 2000000.
    #[serde(default = "rows_max_default")]
    pub rows_max: usize,
}

/// Which character is decimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decimal {
    #[default]
    Auto,
    Comma,
    Point,
}

fn bytes_max_default() -> u64 {
    256 * 1024 * 1024
}

fn rows_max_default() -> usize {
    2_000_000
}

impl CsvConfig {
    /// The settings with every default, for files named on the command line.
    pub fn new(path: impl Into<String>) -> CsvConfig {
        CsvConfig {
            path: path.into(),
            delimiter: None,
            decimal: Decimal::Auto,
            encoding: None,
            date_format: None,
            text: Vec::new(),
            skip_lines: 0,
            wide: None,
            overlap: None,
            bytes_max: bytes_max_default(),
            rows_max: rows_max_default(),
        }
    }

    pub fn build(self, context: &BuildContext<'_>) -> Result<CsvSource, String> {
        if let Some(delimiter) = self.delimiter
            && (!delimiter.is_ascii() || delimiter.is_ascii_alphanumeric() || ['"', '\n', '\r'].contains(&delimiter))
        {
            return Err(format!("delimiter {delimiter:?} can't separate cells; use `;`, `,`, `|` or a tab"));
        }
        self.overlap.as_ref().map_or(Ok(()), Overlap::check)?;
        let encoding = match &self.encoding {
            None => None,
            Some(name) => Some(Encoding::for_label(name.as_bytes()).ok_or_else(|| {
                format!("encoding `{name}` is unknown; use a name such as utf-8, windows-1252 or iso-8859-15")
            })?),
        };
        let files = Files::new(context.base_dir, &self.path, self.bytes_max)?;
        Ok(CsvSource { config: self, files, encoding, sheet: None, quotes: true })
    }
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Content {
    Raw(Vec<u8>),
    /// A sheet that was unpacked.
    Text(String),
}

/// Name for messages, and content.
pub(super) type FileSet = Vec<(String, Content)>;

/// A csv source, ready to be read.
#[derive(Clone, Debug)]
pub struct CsvSource {
    pub(super) config: CsvConfig,
    pub(in crate::source) files: Files,
    pub(in crate::source) encoding: Option<&'static Encoding>,
    /// For spreadsheets.
    pub(super) sheet: Option<Sheet>,
    /// Whether cells may stand in quotes; where not, a quote is a character like any other.
    pub(in crate::source) quotes: bool,
}

impl CsvSource {
    /// The text of a file.
    pub(super) fn text<'a>(&self, name: &str, content: &'a Content) -> Result<Cow<'a, str>, SourceError> {
        match (content, &self.sheet) {
            (Content::Text(text), _) => Ok(Cow::Borrowed(text)),
            (Content::Raw(bytes), Some(sheet)) => sheet.text(name, bytes).map(Cow::Owned),
            (Content::Raw(bytes), None) => Ok(decode::text(bytes, self.encoding)),
        }
    }

    /// All files, each whole. Spreadsheets that several KPIs read are unpacked here, once for all of them.
    fn read(&self, until: Instant, is_shared: bool) -> Result<FileSet, SourceError> {
        let (mut files, mut unpacked) = (Vec::new(), 0_usize);
        for (name, bytes) in self.files.read(until)? {
            let content = match &self.sheet {
                Some(sheet) if is_shared && unpacked < UNPACKED_KEPT_MAX => {
                    check_deadline(until, &name)?;
                    let text = sheet.text(&name, &bytes)?;
                    unpacked = unpacked.saturating_add(text.len());
                    Content::Text(text)
                }
                Some(_) | None => Content::Raw(bytes),
            };
            files.push((name, content));
        }
        Ok(files)
    }

    /// As the configuration names it.
    pub fn kind(&self) -> &'static str {
        if self.sheet.is_some() { "xlsx" } else { "csv" }
    }

    /// Reads the files on a thread of their own, since disks block.
    pub(in crate::source) async fn pull(
        &self,
        request: &PullRequest,
        member: &Member<'_>,
    ) -> Result<Pull, SourceError> {
        let (source, asked) = (self.clone(), request.clone());
        let until = clock::monotonic() + request.deadline;
        let statement = statement_of(&request.kpi).map_err(SourceError::config)?;
        let (reader, is_shared) = (self.clone(), member.is_shared());
        let read = in_background(move || reader.read(until, is_shared));
        let files = member.get("files".to_owned(), weigh, read).await?;
        let Some(statement) = statement else {
            return in_background(move || table::pull(&source, &asked, (&files, until))).await;
        };
        let data = in_background(move || relation::load(&source, &asked.kpi, (&files, until))).await?;
        let left = until.saturating_duration_since(clock::monotonic());
        data.ask(&self.files.pattern, &statement, request, left).await
    }

    /// What a pull makes of one file with these bytes; what a statement then makes of the table is the database's.
    pub(in crate::source) fn pull_bytes(&self, request: &PullRequest, bytes: &[u8]) -> Result<Pull, SourceError> {
        let until = clock::monotonic() + request.deadline;
        let files = vec![(self.files.pattern.clone(), Content::Raw(bytes.to_vec()))];
        match statement_of(&request.kpi).map_err(SourceError::config)? {
            None => table::pull(self, request, (&files, until)),
            Some(_) => relation::load(self, &request.kpi, (&files, until)).map(|_| Pull::default()),
        }
    }

    pub(in crate::source) async fn probe(&self) -> Result<String, SourceError> {
        let files = self.files.clone();
        in_background(move || {
            let found = files.list()?;
            let last = found.last().map(|path| files.shown(path)).unwrap_or_default();
            Ok(format!("{} files for {}, the last one {last}", found.len(), files.pattern))
        })
        .await
    }

    pub(in crate::source) fn capabilities() -> Capabilities {
        // Every pull reads whole files: one pull for any span is the cheapest.
        Capabilities { query: QueryForm::Table, history: true, buckets_per_pull_max: u32::MAX, network: false }
    }

    pub(in crate::source) fn check_query(kpi: &Kpi) -> Result<(), String> {
        if statement_of(kpi)?.is_some() {
            return Ok(());
        }
        let query = columns(kpi)?;
        if query.time.trim().is_empty() {
            return Err(format!("KPI `{}` names no time column; write query: {{time: date, value: total}}", kpi.id));
        }
        match (&query.value, &query.numerator, &query.denominator) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            _ => {
                let form = "{time: date, value: total} or {time: date, numerator: won, denominator: asked}";
                return Err(format!("KPI `{}` must name either value or both halves of a ratio: {form}", kpi.id));
            }
        }
        query.labels.iter().try_for_each(|label| check_dimension(kpi, label))?;
        let left_out = kpi.dimensions.iter().find(|name| !query.labels.is_empty() && !query.labels.contains(name));
        match left_out {
            Some(name) => Err(format!("dimension `{name}` of KPI `{}` has no column; add it to labels", kpi.id)),
            None => Ok(()),
        }
    }

    pub(in crate::source) fn object(&self) -> String {
        self.files.pattern.clone()
    }
}

/// Files are bounded by their own setting; they are kept for the KPIs that are due together whatever their size,
/// since each would hold them all for itself.
fn weigh(_: &FileSet) -> usize {
    0
}

/// The columns that a KPI reads.
pub(super) fn columns(kpi: &Kpi) -> Result<&TableQuery, String> {
    match &kpi.query {
        Query::Table(query) => Ok(query),
        Query::Text(_) | Query::Http(_) | Query::Formula(_) | Query::Ledger(_) | Query::Entered => Err(format!(
            "KPI `{}` has no columns as query where columns are read; write query: {{time: date, value: total}}",
            kpi.id
        )),
    }
}

pub(in crate::source) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        let message = "reading the files ended in a bug; report it with a file that shows it";
        Err(SourceError::new(ErrorClass::Unexpected, message))
    })
}
