//! What is found wrong in a query without asking, and the requests that a query makes.

use serde_json::json;

use super::Plan;
use crate::model::http_query::{Aggregate, HttpBody, HttpMethod, HttpQuery, OffsetPaging, Paging};
use crate::model::kpi::{Kpi, Query};
use crate::model::unit::Kind;
use crate::net::Url;
use crate::source::fixture;
use crate::source::http_json::template::Span;

fn query() -> HttpQuery {
    HttpQuery {
        path: "orders".into(),
        rows: "$.items[*]".into(),
        value: Some("$.total".into()),
        ..HttpQuery::default()
    }
}

fn kpi(query: HttpQuery) -> Kpi {
    fixture::kpi(Query::Http(Box::new(query)))
}

fn wrong(kpi: &Kpi, part: &str) {
    let error = Plan::of(kpi, None).unwrap_err();
    assert!(error.contains(part) && error.contains("KPI `revenue`"), "{error} lacks {part}");
}

#[test]
fn what_is_wrong_is_found_without_asking() {
    type Change = fn(&mut HttpQuery);
    let cases: [(Change, &str); 20] = [
        (|q| q.path = "orders/{form}".into(), "path: unknown placeholder `{form}` (did you mean `from`?)"),
        (|q| q.path = "https://other.example.test/x".into(), "stands below the source's url"),
        (|q| q.path = "orders?x=1".into(), "write it as params"),
        (|q| q.path = "a/%2E./b".into(), "must not lead upwards"),
        (|q| q.path = "a/..%2Fb".into(), "must not lead upwards"),
        (|q| q.path = "a%5c..%5cb".into(), "stands below the source's url"),
        (|q| q.params = vec![("since".into(), "{yesterday}".into())], "params.since: unknown placeholder"),
        (|q| q.body = Some(HttpBody::Text("{}".into())), "body: `{` opens a placeholder"),
        (|q| q.body = Some(HttpBody::Json(json!({"a": [{"b": "{x}"}]}))), "body: unknown placeholder `{x}`"),
        (|q| q.body = Some(HttpBody::Json(json!({}))), "a GET has no body"),
        (|q| q.headers = vec![("Authorization".into(), "x".into())], "credentials are the source's"),
        (|q| q.rows = "items".into(), "rows: `items` is no JSONPath"),
        (|q| q.value = Some("$.a[".into()), "value: `$.a[` is no JSONPath"),
        (|q| q.value = None, "either value or both halves"),
        (|q| q.denominator = Some("$.n".into()), "either value or both halves"),
        (|q| q.labels = vec![("chanel".into(), "$.c".into())], "`chanel` is no dimension"),
        (|q| q.paging = Some(Paging::NextLink("next".into())), "paging.next_link: `next` is no JSONPath"),
        (
            |q| {
                q.params = vec![("skip".into(), "0".into())];
                q.paging = Some(Paging::Offset(OffsetPaging { param: "skip".into(), size_param: None, size: 5 }));
            },
            "`skip` stands in params and in paging",
        ),
        (
            |q| {
                q.rows = "$.total".into();
                q.paging = Some(Paging::Offset(OffsetPaging { param: "skip".into(), size_param: None, size: 5 }));
            },
            "paging.offset counts the elements of a list, and rows `$.total` names one place; write the list",
        ),
        (
            |q| {
                q.rows = "$..items[*]".into();
                q.paging = Some(Paging::Offset(OffsetPaging { param: "skip".into(), size_param: None, size: 5 }));
            },
            "takes what is at any depth; write the way to the list by names",
        ),
    ];
    for (change, part) in cases {
        let mut query = query();
        change(&mut query);
        wrong(&kpi(query), part);
    }
    let mut split = kpi(query());
    split.dimensions = vec!["channel".into()];
    wrong(&split, "dimension `channel` has no path; add it to labels: {channel: $.channel}");
    wrong(&fixture::kpi(Query::Text("SELECT 1".into())), "takes a request");
    let ratio = HttpQuery {
        value: None,
        numerator: Some("$.a".into()),
        denominator: Some("$.b".into()),
        aggregate: Some(Aggregate::Sum),
        ..query()
    };
    wrong(&Kpi { kind: Kind::Ratio, ..kpi(ratio) }, "remove aggregate");
    let count = HttpQuery { value: None, aggregate: Some(Aggregate::Count), ..query() };
    assert!(Plan::of(&kpi(count), None).is_ok());
}

#[test]
fn values_stay_where_they_stand() {
    let query = HttpQuery {
        path: "/shops/a b/{from}/days".into(),
        method: HttpMethod::Post,
        params: vec![("to".into(), "{to}&admin=1#".into()), ("limit".into(), "5".into())],
        body: Some(HttpBody::Json(json!({"since": "\"{from_date}", "deep": [1, {"to": "{to_ms}"}]}))),
        ..query()
    };
    let kpi = kpi(query);
    let plan = Plan::of(&kpi, None).unwrap();
    let span = Span {
        from: "2026-04-30T22:00:00Z".parse().unwrap(),
        to: "2026-05-01T22:00:00Z".parse().unwrap(),
        zone: kpi.zone.clone(),
    };
    for base in ["https://h/v1/", "https://h/v1"] {
        let (url, _) = plan.request(&Url::parse(base).unwrap(), &span, vec![("page".into(), json!(2))]).unwrap();
        assert_eq!(
            url.as_str(),
            "https://h/v1/shops/a%20b/2026-05-01T00%3A00%3A00%2B02%3A00/days?to=2026-05-02T00%3A00%3A00%2B02%3A00%26admin%3D1%23&limit=5"
        );
    }
    let body = plan.body.as_ref().unwrap().render(&span, vec![("page".into(), json!(2))]);
    assert_eq!(body, r#"{"since":"\"2026-05-01","deep":[1,{"to":"1777672800000"}],"page":2}"#);
    assert!(plan.asks_for_span());
}
