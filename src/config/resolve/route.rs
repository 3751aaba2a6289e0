//! The tree of routes: what a route leaves out it inherits.

use jiff::SignedDuration;

use super::context::Context;
use super::gather::Section;
use crate::config::raw::{OneOrMany, RawGroup, RawMatch, RawSubRoute};
use crate::model::ids::{Labels, ReceiverId};
use crate::model::notification::{GroupBy, Matcher, Route};

/// A source's alerts have neither KPI nor objective: they group by source.
const GROUP_BY: [GroupBy; 3] = [GroupBy::Kpi, GroupBy::Objective, GroupBy::Source];
const WAIT: SignedDuration = SignedDuration::from_secs(30);
const INTERVAL: SignedDuration = SignedDuration::from_mins(5);

/// Name of the receiver that stands in when there is none.
pub(super) const NOBODY: &str = "nobody";

/// The root of the tree. Without a `route` all goes to the first receiver.
pub(super) fn resolve(context: &mut Context<'_>) -> Route {
    let all = context.all;
    let first = all.receivers.keys().next().map_or(NOBODY, String::as_str);
    let root = |to: &str| Route {
        path: "0".to_owned(),
        matcher: Matcher::default(),
        to: ReceiverId::from(to),
        group_by: GROUP_BY.to_vec(),
        wait: WAIT,
        interval: INTERVAL,
        remind: None,
        routes: Vec::new(),
    };
    let Some(raw) = all.route.as_ref().and_then(|item| item.value.as_ref()) else {
        if all.receivers.is_empty() && all.route.is_none() && context.report.whole {
            let help = "add `receivers: {direction: {email: {to: [...]}}}`";
            context.report.warn(&[], "there are no receivers: nobody will be told of alerts", help);
        } else if all.receivers.len() > 1 && all.route.is_none() {
            let message = format!("no `route`: all alerts go to the receiver `{first}`");
            context.report.warn(&["receivers"], message, "add `route: {to: ..., routes: [...]}`");
        }
        return root(first);
    };
    context.report.reference(&["route", "to"], "receiver", &raw.to, &all.receivers);
    let mut route = root(&raw.to);
    if let Some(remind) = &raw.remind {
        positive(context, &["route", "remind"], remind.0);
        route.remind = Some(remind.0);
    }
    group(&mut route, raw.group.as_ref());
    route.routes = children(context, &["route".to_owned()], &raw.routes, &route);
    route
}

fn children(context: &mut Context<'_>, at: &[String], raw: &[RawSubRoute], parent: &Route) -> Vec<Route> {
    let mut routes = Vec::new();
    for (position, raw) in raw.iter().enumerate() {
        let mut at = at.to_vec();
        at.extend(["routes".to_owned(), position.to_string()]);
        let all = context.all;
        let mut route = Route {
            path: format!("{}.{position}", parent.path),
            matcher: matcher(context, &at, &raw.match_),
            routes: Vec::new(),
            ..parent.clone()
        };
        if let Some(to) = &raw.to {
            context.report.reference(&below(&at, &["to"]), "receiver", to, &all.receivers);
            route.to = ReceiverId::from(to.as_str());
        }
        if let Some(remind) = &raw.remind {
            positive(context, &below(&at, &["remind"]), remind.0);
            route.remind = Some(remind.0);
        }
        group(&mut route, raw.group.as_ref());
        route.routes = children(context, &at, &raw.routes, &route);
        routes.push(route);
    }
    routes
}

fn below<'a>(at: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    at.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

fn group(route: &mut Route, raw: Option<&RawGroup>) {
    let Some(raw) = raw else { return };
    if let Some(by) = &raw.by {
        route.group_by.clone_from(by);
    }
    route.wait = raw.wait.as_ref().map_or(route.wait, |wait| wait.0);
    route.interval = raw.interval.as_ref().map_or(route.interval, |interval| interval.0);
}

/// A reminder after no time at all would never stop.
fn positive(context: &mut Context<'_>, path: &[&str], remind: SignedDuration) {
    const REMIND_MIN: SignedDuration = SignedDuration::from_mins(1);
    if remind < REMIND_MIN {
        context.report.error(path, "reminders more often than once a minute", "write `24h`, or leave it out");
    }
}

fn matcher(context: &mut Context<'_>, at: &[String], raw: &RawMatch) -> Matcher {
    let all = context.all;
    ids(context, &below(at, &["match", "kpi"]), "KPI", raw.kpi.as_ref(), &all.kpis);
    ids(context, &below(at, &["match", "rule"]), "rule", raw.rule.as_ref(), &all.rules);
    ids(context, &below(at, &["match", "owner"]), "person", raw.owner.as_ref(), &all.people);
    if let Some(labels) = &raw.labels {
        let mut dimensions: Vec<String> =
            all.kpis.values().filter_map(|item| item.value.as_ref()).flat_map(|kpi| kpi.dimensions.clone()).collect();
        dimensions.sort();
        dimensions.dedup();
        for name in labels.keys().filter(|name| !dimensions.contains(name)) {
            let help =
                crate::config::suggest::help(name, dimensions.iter().map(String::as_str), "no KPI has dimensions");
            let path = below(at, &["match", "labels", name]);
            context.report.warn(&path, format!("no KPI has the dimension `{name}`, so the route never matches"), &help);
        }
    }
    let pairs = raw.labels.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()));
    Matcher {
        about: values(raw.about.as_ref()),
        category: values(raw.category.as_ref()),
        severity: values(raw.severity.as_ref()),
        kpi: values(raw.kpi.as_ref()).into_iter().map(Into::into).collect(),
        rule: values(raw.rule.as_ref()).into_iter().map(Into::into).collect(),
        owner: values(raw.owner.as_ref()).into_iter().map(Into::into).collect(),
        labels: pairs.collect::<Labels>(),
        alert: None,
    }
}

fn values<T: Clone>(raw: Option<&OneOrMany<T>>) -> Vec<T> {
    raw.map_or_else(Vec::new, |many| many.0.clone())
}

fn ids<T>(context: &mut Context<'_>, path: &[&str], what: &str, raw: Option<&OneOrMany<String>>, section: &Section<T>) {
    for id in raw.into_iter().flat_map(|many| &many.0) {
        let path = context.report.documents.value_path(path, id);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        context.report.reference(&path, what, id, section);
    }
}
