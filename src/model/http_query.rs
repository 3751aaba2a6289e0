//! What an HTTP API is asked for a KPI, and how its pages follow one another.
//!
//! Paths into the answer and texts with placeholders are kept as written: the source judges them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One request, and where its answer holds the figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpQuery {
    /// Below the source's address, with placeholders.
    pub path: String,
    pub method: HttpMethod,
    /// With placeholders; a name may stand several times.
    pub params: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Option<HttpBody>,
    /// JSONPath of the rows.
    pub rows: String,
    /// The paths below are relative to a row.
    pub value: Option<String>,
    pub numerator: Option<String>,
    pub denominator: Option<String>,
    pub n: Option<String>,
    pub time: Option<String>,
    pub time_format: Option<String>,
    /// Dimension and path.
    pub labels: Vec<(String, String)>,
    pub numbers: Numbers,
    pub aggregate: Option<Aggregate>,
    /// Instead of the source's.
    pub paging: Option<Paging>,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    #[default]
    Get,
    Post,
}

/// What is sent along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpBody {
    /// With placeholders.
    Text(String),
    /// With placeholders in its texts.
    Json(serde_json::Value),
}

/// What counts as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// Numbers of JSON alone.
    #[default]
    Json,
    /// Texts such as `"12.50"` too; the point is decimal.
    Text,
}

/// What becomes of the rows of one bucket and one set of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The number of rows.
    Count,
    /// The sum of their values.
    Sum,
    /// The mean of their values.
    Mean,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
}

/// How the further pages of an answer are asked for. A link or cursor is followed until there is none, or until an empty
/// page repeats it.
///
/// Where pages or rows are counted (`page`, `offset`) they are asked for until one is empty, which takes one request more:
/// a page with fewer than `size` may be all that the API gives at once. What is counted are the elements of the list that
/// `rows` leads to, before any filter or deeper step: `$.items[?@.status=='paid'].lines[*]` counts those of `$.items`.
/// A page that is answered with 404 or 416 is beyond the end; after one with fewer elements than `size` (without it: than
/// one before) so is one that is refused with 400 or 422, or that is the page before once more.
///
/// Parameters of pages stand in the body where that is a map, else in the address; links are asked with the same method
/// and body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Paging {
    /// There is one page. Example: `none`.
    None,
    /// JSONPath of the next page's address, whole or relative. Example: `next_link: "$.links.next"`.
    NextLink(String),
    /// The next page's address stands in the header `Link` with `rel="next"`. Example: `link_header: true`.
    LinkHeader(bool),
    /// The answer holds a mark to ask on from. Example: `cursor: {from: "$.meta.cursor", param: cursor}`.
    Cursor(CursorPaging),
    /// Elements are counted. Example: `offset: {param: offset, size_param: limit, size: 100}`.
    Offset(OffsetPaging),
    /// Pages are counted. Example: `page: {param: page, first: 1}`.
    Page(PagePaging),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorPaging {
    /// JSONPath of the mark; missing, null or empty ends the pages. Example: `$.meta.cursor`.
    pub from: String,
    /// The parameter that takes it. Example: `cursor`.
    pub param: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OffsetPaging {
    /// The parameter that takes the number of elements to skip: as many as came. Example: `offset`.
    pub param: String,
    /// The parameter that takes the elements per page. Default: none is sent. Example: `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_param: Option<String>,
    /// Elements per page; the API may give fewer. Example: `100`.
    pub size: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagePaging {
    /// The parameter that takes the page's number. Example: `page`.
    pub param: String,
    /// Number of the first page. Default: `1`. Example: `0`.
    #[serde(default = "first_default")]
    pub first: u64,
    /// The parameter that takes the elements per page. Default: none is sent. Example: `per_page`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_param: Option<String>,
    /// Elements per page; the API may give fewer. Needed where it answers beyond the end with 400, or with its last page.
    /// Default: not known. Example: `100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
}

fn first_default() -> u64 {
    1
}
