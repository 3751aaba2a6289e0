//! What a source is asked for a KPI, as it is written.

use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::config::scalar::{AccountNumber, Written};
use crate::model::http_query::{Aggregate, HttpMethod, Numbers, Paging};
use crate::model::ledger_query::{Figure, Reads, Side};

/// Text for SQL and PromQL, a map for tables, HTTP APIs and accounting exports.
#[derive(Clone, Debug)]
pub enum RawQuery {
    Text(String),
    Map(Box<RawQueryMap>),
}

/// The columns of a table; or a request to an HTTP API, and where its answer holds the figures; or the accounts of an
/// accounting export.
///
/// One struct for all, since the source says which it is: so each key keeps its place in the file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawQueryMap {
    /// Column of the instant or day (CSV), or its JSONPath in a row (HTTP; default: the value holds for the newest
    /// ended bucket, or for the one that the placeholders ask for). Examples: `date`, `$.created_at`.
    pub time: Option<String>,
    /// Column or path of the value; for ratios `numerator` and `denominator` instead. Examples: `total`, `$.total`.
    pub value: Option<String>,
    /// Column or path of a ratio's numerator. Examples: `gagnes`, `$.won`.
    pub numerator: Option<String>,
    /// Column or path of a ratio's denominator. Examples: `demandes`, `$.asked`.
    pub denominator: Option<String>,
    /// Column or path of the number of cases behind the value. Default: none. Examples: `n`, `$.count`.
    pub n: Option<String>,
    /// Columns of the labels (CSV; default: the KPI's `dimensions`), the path of each dimension (HTTP), or the column of
    /// each dimension (FEC; default: the one of its name). Examples: `[canal]`, `{canal: $.channel}`,
    /// `{journal: JournalCode}`.
    pub labels: Option<RawLabels>,
    /// HTTP: path below the source's address. It, `params` and `body` take the placeholders `{from}` `{to}` (RFC 3339),
    /// `{from_date}` `{to_date}` (`to` exclusive), `{last_date}` (inclusive), `{from_unix}` `{to_unix}`, `{from_ms}`
    /// `{to_ms}`; `{{` writes a brace. Default: the address itself. Example: `orders`.
    pub path: Option<String>,
    /// HTTP: `GET` or `POST`. Default: `GET`, `POST` where a body stands.
    pub method: Option<HttpMethod>,
    /// HTTP: what stands after `?`. Default: nothing. Example: `{from: "{from}", to: "{to}", state: paid}`.
    #[serde(default)]
    pub params: IndexMap<String, serde_json::Value>,
    /// HTTP: further headers of this request, never secrets. Default: none. Example: `{X-Version: "2"}`.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// HTTP: what is posted, as text or as a map. Default: nothing. Example: `{since: "{from}", status: [paid]}`.
    pub body: Option<serde_json::Value>,
    /// HTTP: JSONPath of the rows. Default: `$`, the whole answer is one row. Example: `$.items[*]`.
    pub rows: Option<String>,
    /// HTTP: how times are written, in strftime. Default: found out; the day comes before the month.
    /// Example: `"%m/%d/%Y"`.
    pub time_format: Option<String>,
    /// HTTP: `text` reads numbers in texts (`"12.50"`) too. Default: `json`.
    pub numbers: Option<Numbers>,
    /// HTTP: makes one value of the rows of one bucket and labels: `count`, `sum`, `mean`, `min` or `max`. Default:
    /// each row is a value; those of flows add up.
    pub aggregate: Option<Aggregate>,
    /// HTTP: how further pages are asked for. Default: as the source says. Example: `none`.
    pub paging: Option<Paging>,
    /// FEC: a figure of the French chart of accounts, instead of `accounts`, `sign` and `as`. Movements (kind `flow`):
    /// `revenue` (70, credit less debit), `cost` (operating charges: 60 to 65 and 681, debit less credit), `payroll`
    /// (64, debit less credit). Balances (kind `level`): `customers` (411, debit), `suppliers` (401, credit), `cash` (51
    /// and 53, debit). Example: `revenue`.
    pub figure: Option<Figure>,
    /// FEC: the accounts, by the beginning of their numbers; those with a minus don't count. Example: `[70, -709]`.
    #[serde(default)]
    pub accounts: Vec<Written<AccountNumber>>,
    /// FEC: the side that counts as positive, `debit` or `credit`. Example: `credit`.
    pub sign: Option<Side>,
    /// FEC: `movement`, what was entered on the days of a bucket (for a `flow`), or `balance`, where the accounts stand
    /// at its end (for a `level`). Default: by the KPI's kind. Example: `balance`.
    #[serde(rename = "as")]
    pub reads: Option<Reads>,
}

impl RawQueryMap {
    /// The first key that only means something to an HTTP API.
    pub(crate) fn http_key(&self) -> Option<&'static str> {
        let keys = [
            ("path", self.path.is_some()),
            ("method", self.method.is_some()),
            ("params", !self.params.is_empty()),
            ("headers", !self.headers.is_empty()),
            ("body", self.body.is_some()),
            ("rows", self.rows.is_some()),
            ("time_format", self.time_format.is_some()),
            ("numbers", self.numbers.is_some()),
            ("aggregate", self.aggregate.is_some()),
            ("paging", self.paging.is_some()),
        ];
        keys.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    /// The first key that only means something to a table or an HTTP API.
    pub(crate) fn column_key(&self) -> Option<&'static str> {
        let keys = [
            ("time", self.time.is_some()),
            ("value", self.value.is_some()),
            ("numerator", self.numerator.is_some()),
            ("denominator", self.denominator.is_some()),
            ("n", self.n.is_some()),
        ];
        keys.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    /// The first key that only means something to an accounting export.
    pub(crate) fn ledger_key(&self) -> Option<&'static str> {
        let keys = [
            ("figure", self.figure.is_some()),
            ("accounts", !self.accounts.is_empty()),
            ("sign", self.sign.is_some()),
            ("as", self.reads.is_some()),
        ];
        keys.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }
}

/// Columns named like their dimensions, or a path for each dimension.
#[derive(Clone, Debug)]
pub enum RawLabels {
    List(Vec<String>),
    Map(IndexMap<String, String>),
}

impl<'de> Deserialize<'de> for RawQuery {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct QueryVisitor;

        impl<'de> Visitor<'de> for QueryVisitor {
            type Value = RawQuery;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a query text, or a map such as `{time: date, value: amount}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawQuery, E> {
                Ok(RawQuery::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawQuery, A::Error> {
                RawQueryMap::deserialize(MapAccessDeserializer::new(map)).map(|map| RawQuery::Map(Box::new(map)))
            }
        }

        input.deserialize_any(QueryVisitor)
    }
}

impl JsonSchema for RawQuery {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Query".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, generator.subschema_for::<RawQueryMap>()]})
    }
}

impl<'de> Deserialize<'de> for RawLabels {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct LabelsVisitor;

        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = RawLabels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("columns such as `[channel]`, or a path or column of each such as `{channel: $.channel}`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawLabels, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawLabels::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawLabels, A::Error> {
                IndexMap::deserialize(MapAccessDeserializer::new(map)).map(RawLabels::Map)
            }
        }

        input.deserialize_any(LabelsVisitor)
    }
}

impl JsonSchema for RawLabels {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "QueryLabels".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string"}}
        ]})
    }
}
