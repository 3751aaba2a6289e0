//! What a source is asked, in the form that it understands.

use super::context::Context;
use crate::config::parts::QueryForm;
use crate::config::raw::{RawKpi, RawLabels, RawQuery, RawQueryMap};
use crate::model::http_query::{Aggregate, HttpBody, HttpMethod, HttpQuery};
use crate::model::kpi::{Query, TableQuery};
use crate::model::ledger_query::{LedgerQuery, Reads};
use crate::model::unit::Kind;

pub(super) fn query(
    context: &mut Context<'_>,
    id: &str,
    raw: &RawKpi,
    kind: Kind,
    form: Option<QueryForm>,
) -> Option<Query> {
    let path = ["kpis", id, "query"];
    let asked = match (&raw.query, form) {
        (None, Some(QueryForm::Nothing)) => return Some(Query::Entered),
        (Some(_), Some(QueryForm::Nothing)) => {
            let message =
                format!("the figures of the source `{}` are entered by hand: there is nothing to ask", raw.source);
            context.report.error(&path, message, "remove the query; `vigie record` enters figures");
            return None;
        }
        (None, Some(_)) => {
            let message = format!("missing field `query`: what the source `{}` is asked", raw.source);
            let help = "add `query: ...`; only figures of a source `manual`, and those of a formula, have none";
            context.report.error(&["kpis", id], message, help);
            return None;
        }
        // The source is unknown, which is told already.
        (None, None) => return None,
        (Some(asked), _) => asked,
    };
    let is_table = |form| match form {
        QueryForm::Table => !matches!(asked, RawQuery::Text(_)),
        QueryForm::Ledger | QueryForm::Nothing => true,
        QueryForm::Text | QueryForm::Request => false,
    };
    if kind == Kind::Window && form.is_some_and(is_table) {
        let message =
            format!("the source `{}` computes nothing itself, and a window is what a source computes", raw.source);
        let help = "ask it in SQL, name a source of SQL, Prometheus or an HTTP API, or choose another kind";
        context.report.error(&["kpis", id, "kind"], message, help);
        return None;
    }
    match (asked, form) {
        (RawQuery::Text(_), Some(QueryForm::Request)) => {
            let message = format!("the source `{}` is an HTTP API, and the query is a text", raw.source);
            let help = "write a request: `{path: orders, rows: \"$.items[*]\", value: $.total}`";
            context.report.error(&path, message, help);
            None
        }
        (RawQuery::Text(_), Some(QueryForm::Ledger)) => {
            let message = format!("the source `{}` is an accounting export, and the query is a text", raw.source);
            let help = "write `{figure: revenue}`, or accounts: `{accounts: [70, -709], sign: credit}`";
            context.report.error(&path, message, help);
            None
        }
        (RawQuery::Map(map), Some(QueryForm::Ledger)) => {
            ledger(context, id, raw, map, kind).map(|query| Query::Ledger(Box::new(query)))
        }
        (RawQuery::Map(_), Some(QueryForm::Text)) => {
            let message = format!("the source `{}` takes a text as query", raw.source);
            context.report.error(&path, message, "write SQL (with `:from` and `:to`) or PromQL");
            None
        }
        (RawQuery::Text(text), _) if text.trim().is_empty() => {
            context.report.error(&path, "the query is empty", "write what the source is to be asked");
            None
        }
        (RawQuery::Text(text), _) => Some(Query::Text(text.trim().to_owned())),
        (RawQuery::Map(map), Some(QueryForm::Request)) => {
            request(context, id, raw, map, kind).map(|query| Query::Http(Box::new(query)))
        }
        // The source is unknown, which is told already: what its query lacks can't be known.
        (RawQuery::Map(map), None) if map.http_key().or(map.ledger_key()).is_some() => None,
        (RawQuery::Map(map), _) => table(context, id, raw, map, kind).map(Query::Table),
    }
}

fn table(context: &mut Context<'_>, id: &str, raw: &RawKpi, columns: &RawQueryMap, kind: Kind) -> Option<TableQuery> {
    let path = ["kpis", id, "query"];
    if let Some(key) = columns.http_key() {
        let message = format!("`{key}` means nothing to a table; the source `{}` reads columns", raw.source);
        context.report.error(&["kpis", id, "query", key], message, "remove it, or name a source `http_json`");
        return None;
    }
    if !no_ledger_key(context, id, raw, columns) {
        return None;
    }
    let Some(time) = &columns.time else {
        context.report.error(&path, "`time` is missing", "add the column of the instant or day: `time: date`");
        return None;
    };
    if !value_fits(context, id, columns, kind, "column") {
        return None;
    }
    let labels = match &columns.labels {
        Some(RawLabels::Map(_)) => {
            let help = "write the columns as a list: `labels: [channel]`";
            context.report.error(&["kpis", id, "query", "labels"], "a table's labels are columns", help);
            return None;
        }
        Some(RawLabels::List(labels)) if !labels.is_empty() => labels,
        _ => &raw.dimensions,
    };
    for (position, name) in labels.iter().enumerate() {
        let path = ["kpis", id, "query", "labels", &position.to_string()];
        context.dimension(&path, name, &raw.dimensions);
    }
    Some(TableQuery {
        time: time.clone(),
        value: columns.value.clone(),
        numerator: columns.numerator.clone(),
        denominator: columns.denominator.clone(),
        n: columns.n.clone(),
        labels: labels.clone(),
    })
}

fn request(context: &mut Context<'_>, id: &str, raw: &RawKpi, map: &RawQueryMap, kind: Kind) -> Option<HttpQuery> {
    if !no_ledger_key(context, id, raw, map) {
        return None;
    }
    if map.aggregate != Some(Aggregate::Count) && !value_fits(context, id, map, kind, "path") {
        return None;
    }
    let help = "name the path of each: `labels: {channel: $.channel}`";
    let labels = named_labels(context, (id, raw), map, ("an API's labels are paths", help))?;
    let mut params = Vec::new();
    for (name, value) in &map.params {
        let values = match value {
            serde_json::Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            let Some(value) = plain(value) else {
                let path = ["kpis", id, "query", "params", name];
                context.report.error(&path, format!("the parameter `{name}` is no text or number"), "write it plain");
                return None;
            };
            params.push((name.clone(), value));
        }
    }
    let body = map.body.clone().map(|body| match body {
        serde_json::Value::String(text) => HttpBody::Text(text),
        other => HttpBody::Json(other),
    });
    Some(HttpQuery {
        path: map.path.clone().unwrap_or_default(),
        method: map.method.unwrap_or(if body.is_some() { HttpMethod::Post } else { HttpMethod::Get }),
        params,
        headers: map.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        body,
        rows: map.rows.clone().unwrap_or_else(|| "$".to_owned()),
        value: map.value.clone(),
        numerator: map.numerator.clone(),
        denominator: map.denominator.clone(),
        n: map.n.clone(),
        time: map.time.clone(),
        time_format: map.time_format.clone(),
        labels,
        numbers: map.numbers.unwrap_or_default(),
        aggregate: map.aggregate,
        paging: map.paging.clone(),
    })
}

/// The accounts that a ledger is asked for; its kind says whether movement or balance can be meant.
fn ledger(context: &mut Context<'_>, id: &str, raw: &RawKpi, map: &RawQueryMap, kind: Kind) -> Option<LedgerQuery> {
    let path = ["kpis", id, "query"];
    let at = |key| ["kpis", id, "query", key];
    if let Some(key) = map.column_key().or(map.http_key()) {
        let message = format!("`{key}` means nothing to an accounting export, and the source `{}` is one", raw.source);
        context.report.error(&at(key), message, "remove it: the columns of such an export are known");
        return None;
    }
    let by_kind = match kind {
        Kind::Flow => Reads::Movement,
        Kind::Level { .. } => Reads::Balance,
        Kind::Ratio | Kind::Window => {
            let help = "make a `flow` or a `level` of each half; a rule can compare the two";
            context.report.error(&path, "an accounting export gives amounts, no ratios", help);
            return None;
        }
    };
    let base = match (map.figure, map.accounts.as_slice()) {
        (Some(figure), []) => {
            if let Some(key) = [("sign", map.sign.is_some()), ("as", map.reads.is_some())].iter().find(|key| key.1) {
                context.report.error(&at(key.0), format!("`figure` says `{}` already", key.0), "remove one of them");
                return None;
            }
            figure.query()
        }
        (Some(_), _) => {
            context.report.error(&path, "`figure` names its accounts itself", "remove `figure` or `accounts`");
            return None;
        }
        (None, accounts) if accounts.iter().all(|account| account.0.0.excluded) => {
            let help = "write `{figure: revenue}`, or accounts: `{accounts: [70, -709], sign: credit}`";
            context.report.error(&path, "the query names no accounts that count", help);
            return None;
        }
        (None, accounts) => {
            let Some(sign) = map.sign else {
                let help = "add `sign: credit` (products, debts) or `sign: debit` (charges, assets)";
                context.report.error(&path, "`sign` is missing: which side counts as positive", help);
                return None;
            };
            let accounts = accounts.iter().map(|account| account.0.0.clone()).collect();
            LedgerQuery { accounts, sign, reads: map.reads.unwrap_or(by_kind), labels: Vec::new() }
        }
    };
    if base.reads != by_kind {
        let (message, help) = match base.reads {
            Reads::Movement => ("a movement adds up, and the KPI is a level", "write `kind: flow`, or `as: balance`"),
            Reads::Balance => (
                "a balance is a state, and the KPI is a flow",
                "write `kind: level`; with dimensions `{level: {additive: true}}`",
            ),
        };
        context.report.error(&path, message, help);
        return None;
    }
    let help = "name the column of each: `labels: {journal: JournalCode}`";
    let labels = named_labels(context, (id, raw), map, ("labels of an accounting export name their columns", help))?;
    Some(LedgerQuery { labels, ..base })
}

/// Where each dimension stands, by its name; what to say of a mere list.
fn named_labels(
    context: &mut Context<'_>,
    (id, raw): (&str, &RawKpi),
    map: &RawQueryMap,
    (message, help): (&str, &str),
) -> Option<Vec<(String, String)>> {
    match &map.labels {
        None => Some(Vec::new()),
        Some(RawLabels::Map(labels)) => {
            for name in labels.keys() {
                context.dimension(&["kpis", id, "query", "labels", name], name, &raw.dimensions);
            }
            Some(labels.iter().map(|(name, place)| (name.clone(), place.clone())).collect())
        }
        Some(RawLabels::List(_)) => {
            context.report.error(&["kpis", id, "query", "labels"], message, help);
            None
        }
    }
}

/// Whether nothing in the query only means something to an accounting export.
fn no_ledger_key(context: &mut Context<'_>, id: &str, raw: &RawKpi, map: &RawQueryMap) -> bool {
    let Some(key) = map.ledger_key() else { return true };
    let message = format!("`{key}` asks an accounting export, and the source `{}` is none", raw.source);
    context.report.error(&["kpis", id, "query", key], message, "remove it, or name a source `fec`");
    false
}

fn plain(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(truth) => Some(truth.to_string()),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    }
}

/// Whether the query names what its kind needs; `place` is what it names them by.
fn value_fits(context: &mut Context<'_>, id: &str, map: &RawQueryMap, kind: Kind, place: &str) -> bool {
    let parts = map.numerator.is_some() && map.denominator.is_some();
    let wrong = match kind {
        Kind::Ratio if !parts => {
            Some(("a ratio needs its parts".to_owned(), format!("name each {place}: `numerator` and `denominator`")))
        }
        Kind::Flow | Kind::Level { .. } | Kind::Window if map.value.is_none() => {
            Some((format!("the query names no {place} of the value"), format!("add `value: {place}`")))
        }
        Kind::Flow | Kind::Level { .. } | Kind::Window if map.numerator.is_some() || map.denominator.is_some() => {
            Some((
                "only ratios have a numerator and a denominator".to_owned(),
                "write `kind: ratio`, or remove them".to_owned(),
            ))
        }
        Kind::Flow | Kind::Level { .. } | Kind::Ratio | Kind::Window => None,
    };
    if let Some((message, help)) = &wrong {
        context.report.error(&["kpis", id, "query"], message.as_str(), help);
    }
    wrong.is_none()
}
