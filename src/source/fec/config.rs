//! The settings of an accounting export, and the source itself.

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::book::{self, Book};
use super::{figures, years};
use crate::clock;
use crate::model::kpi::{Kpi, Query};
use crate::model::ledger_query::{LedgerQuery, Reads};
use crate::model::observation::Pull;
use crate::model::unit::Kind;
use crate::source::csv::{CsvConfig, CsvSource, in_background};
use crate::source::error::SourceError;
use crate::source::labels::check_dimension;
use crate::source::request::{BuildContext, Capabilities, PullRequest, QueryForm};

/// French accounting exports (FEC, *fichier des écritures comptables*) on disk.
///
/// A KPI names a figure, `query: {figure: revenue}`, or accounts: `query: {accounts: [70, -709], sign: credit}`. Amounts
/// are `Debit` and `Credit` (or `Montant` and `Sens`), always in euro: `Montantdevise` and `Idevise` are not read. The day
/// of an entry is its `EcritureDate`; grains are `day`, `week` or `month`.
///
/// One file holds one fiscal year, which ends on the date in its name (`123456789FEC20261231.txt`), else on that of its
/// last entry. Of several exports of one year (same date in the name, or half of the entries of one stand in the other)
/// the newest counts: the one with the latest `ValidDate`, then the one written last, then the last by name. Entries dated
/// outside the year of their file are left out, which is told. A file of several years is parted where opening entries
/// begin one. A week or month that lies in the books only in part has no movements.
///
/// Movements are neither opening entries (`opening_journals`, `opening_labels`) nor entries that close the year (those
/// that hold accounts of class 6 or 7 beside 12, 890 or 891). A balance is the opening entries of the year and its
/// movements so far; a year without opening entries goes on from the end of the year before, which is told.
///
/// Entries come late and are corrected: with a `settle` (such as `45d`) a KPI's younger buckets are provisional and pulled
/// again from the next exports.
///
/// The files must hold whole entries: one whose debits and credits differ is told, and the pull is not complete, so that
/// no zeros are made up. A row that can't be read fails the pull.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FecConfig {
    /// A file, or a pattern with `*`, `?`, `**` or `[..]`; relative to the configuration file. The files are of one
    /// company. Example: `exports/*FEC*.txt`.
    pub path: String,
    /// The encoding's name. Default: what the file's first bytes say, else UTF-8 if it is valid, else Windows-1252 or
    /// ISO 8859-15, whichever fits. Example: `iso-8859-15`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Codes of the journals of opening entries (à-nouveaux), whatever their case and signs between. An entry with
    /// accounts of class 6 or 7 is none, nor one dated more than a month from the beginning of its year. Where no journal is
    /// known, entries of the first days that restate the end of the year before count as such, which is told.
    /// Default: `[AN, RAN, ANO, ANOUV, REPAN, OUVERTURE]`. Example: `[AN, OUV]`.
    #[serde(default = "opening_journals_default")]
    pub opening_journals: Vec<String>,
    /// Whole words that stand side by side in the names of such journals, whatever their case and accents.
    /// Default: `[à nouveau, à nouveaux, anouveau, anouveaux, ran, journal an, d'ouverture]`. Example: `[]`.
    #[serde(default = "opening_labels_default")]
    pub opening_labels: Vec<String>,
    /// Codes of journals that hold nothing but entries which close the year. Default: none, since journals called so
    /// often hold the last charges of the year too; these entries are known by their accounts. Example: `[CLO]`.
    #[serde(default)]
    pub closing_journals: Vec<String>,
    /// Days after the last entry of the newest year for which the books still count as kept: balances go on, and a month
    /// whose last day lies within is whole. Later days have no figures yet, rather than old ones, and no zeros.
    /// Default: 7. Example: `31`.
    #[serde(default = "quiet_days_default")]
    pub quiet_days: u16,
    /// Most bytes of all files together. Default: 268435456 (256 MiB).
    #[serde(default = "bytes_max_default")]
    pub bytes_max: u64,
    /// Most rows of all files together. Default: 2000000.
    #[serde(default = "rows_max_default")]
    pub rows_max: usize,
}

fn opening_journals_default() -> Vec<String> {
    ["AN", "RAN", "ANO", "ANOUV", "REPAN", "OUVERTURE"].map(str::to_owned).to_vec()
}

fn opening_labels_default() -> Vec<String> {
    ["à nouveau", "à nouveaux", "anouveau", "anouveaux", "ran", "journal an", "d'ouverture"].map(str::to_owned).to_vec()
}

fn quiet_days_default() -> u16 {
    7
}

fn bytes_max_default() -> u64 {
    256 * 1024 * 1024
}

fn rows_max_default() -> usize {
    2_000_000
}

impl FecConfig {
    pub fn build(self, context: &BuildContext<'_>) -> Result<FecSource, String> {
        let csv = CsvConfig {
            encoding: self.encoding.clone(),
            bytes_max: self.bytes_max,
            rows_max: self.rows_max,
            ..CsvConfig::new(self.path.clone())
        };
        // The norm knows no quotes: one that stands at the beginning of a label must not swallow what follows.
        let mut files = csv.build(context)?;
        files.quotes = false;
        Ok(FecSource { config: self, files })
    }
}

/// Accounting exports, ready to be read.
#[derive(Clone, Debug)]
pub struct FecSource {
    pub(super) config: FecConfig,
    /// As tables of text.
    pub(super) files: CsvSource,
}

impl FecSource {
    /// Reads the files on a thread of their own, since disks block.
    pub(in crate::source) async fn pull(&self, request: &PullRequest) -> Result<Pull, SourceError> {
        let (source, asked) = (self.clone(), request.clone());
        let until = clock::monotonic() + request.deadline;
        in_background(move || source.read(&asked, until)).await
    }

    fn read(&self, request: &PullRequest, until: Instant) -> Result<Pull, SourceError> {
        let query = ledger(&request.kpi).map_err(SourceError::config)?;
        let mut rows = 0;
        let mut books: Vec<Book> = Vec::new();
        for (name, bytes) in self.files.files.read(until)? {
            books.extend(book::read(self, (&request.kpi, query), (&name, &bytes), (&mut rows, until))?);
        }
        let years = years::of(books, self.config.quiet_days)?;
        Ok(figures::pull(request, query, &years))
    }

    pub(in crate::source) async fn probe(&self) -> Result<String, SourceError> {
        self.files.probe().await
    }

    pub(in crate::source) fn capabilities() -> Capabilities {
        // Every pull reads whole files: one pull for any span is the cheapest.
        Capabilities { query: QueryForm::Ledger, history: true, buckets_per_pull_max: u32::MAX, network: false }
    }

    pub(in crate::source) fn check_query(kpi: &Kpi) -> Result<(), String> {
        let query = ledger(kpi)?;
        query.labels.iter().try_for_each(|(name, _)| check_dimension(kpi, name))?;
        if !kpi.grain.is_civil() {
            return Err(format!(
                "KPI `{}` has a grain below a day, and accounting entries have days; write grain: day, week or month",
                kpi.id
            ));
        }
        match (query.reads, kpi.kind) {
            (Reads::Movement, Kind::Flow) => Ok(()),
            (Reads::Balance, Kind::Level { additive, .. }) if additive || kpi.dimensions.is_empty() => Ok(()),
            (Reads::Balance, Kind::Level { .. }) => Err(format!(
                "the balances of KPI `{}` add up over its dimensions; write kind: {{level: {{additive: true}}}}",
                kpi.id
            )),
            (Reads::Movement | Reads::Balance, Kind::Flow | Kind::Level { .. } | Kind::Ratio | Kind::Window) => {
                Err(format!(
                    "KPI `{}`: movements are for kind: flow, balances for kind: level; an export gives no ratios",
                    kpi.id
                ))
            }
        }
    }

    pub(in crate::source) fn object(&self) -> String {
        self.files.object()
    }
}

/// The accounts that a KPI asks for.
fn ledger(kpi: &Kpi) -> Result<&LedgerQuery, String> {
    match &kpi.query {
        Query::Ledger(query) => Ok(query),
        Query::Text(_) | Query::Table(_) | Query::Http(_) | Query::Formula(_) | Query::Entered => Err(format!(
            "KPI `{}` names no accounts where an accounting export is read; write query: {{figure: revenue}}",
            kpi.id
        )),
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
