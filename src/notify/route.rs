//! Routing: the first child that matches takes the alert, else the node itself.

use std::collections::BTreeMap;

use crate::model::alert::{Alert, Subject};
use crate::model::catalog::Catalog;
use crate::model::ids::PersonId;
use crate::model::kpi::Kpi;
use crate::model::notification::{GroupBy, GroupKey, Matcher, Route};

/// Where an alert goes.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    pub route: &'a Route,
    pub group: GroupKey,
}

/// Finds the route and group of an alert. Every alert has one: the root takes what nobody claims.
pub fn destination<'a>(catalog: &'a Catalog, alert: &Alert) -> Destination<'a> {
    let mut route = &catalog.route;
    while let Some(child) = route.routes.iter().find(|child| matches(catalog, &child.matcher, alert)) {
        route = child;
    }
    let by = route.group_by.iter().map(|&by| (by, group_value(catalog, by, alert))).collect::<BTreeMap<_, _>>();
    let group = GroupKey { route: route.path.clone(), receiver: route.to.clone(), by };
    Destination { route, group }
}

/// True when every condition of the matcher holds for the alert.
pub fn matches(catalog: &Catalog, matcher: &Matcher, alert: &Alert) -> bool {
    let kpi = alert.key.kpi().and_then(|id| catalog.kpi(id));
    let holds = |empty: bool, found: bool| empty || found;
    holds(matcher.about.is_empty(), matcher.about.contains(&alert.about))
        && holds(matcher.severity.is_empty(), matcher.severity.contains(&alert.severity))
        && holds(matcher.category.is_empty(), kpi.is_some_and(|kpi| matcher.category.contains(&kpi.category)))
        && holds(
            matcher.kpi.is_empty(),
            alert.key.kpi().is_some_and(|id| matcher.kpi.iter().any(|kpi| kpi.as_str() == id.base())),
        )
        && holds(matcher.rule.is_empty(), alert.key.rule().is_some_and(|id| matcher.rule.contains(id)))
        && holds(matcher.owner.is_empty(), owner(catalog, alert).is_some_and(|id| matcher.owner.contains(&id)))
        && alert.key.series().map_or(matcher.labels.is_total(), |series| series.labels.contains(&matcher.labels))
        && matcher.alert.as_ref().is_none_or(|id| alert.key.id() == *id)
}

/// The objective's owner, else the KPI's.
pub(super) fn owner(catalog: &Catalog, alert: &Alert) -> Option<PersonId> {
    let objective = alert.key.objective().and_then(|id| catalog.objective(id));
    let kpi = alert.key.kpi().and_then(|id| catalog.kpi(id));
    objective.and_then(|objective| objective.owner.clone()).or_else(|| kpi.and_then(|kpi| kpi.owner.clone()))
}

fn group_value(catalog: &Catalog, by: GroupBy, alert: &Alert) -> String {
    let kpi = alert.key.kpi().and_then(|id| catalog.kpi(id));
    let source = |kpi: &std::sync::Arc<Kpi>| kpi.source.to_string();
    match by {
        GroupBy::Alert => alert.key.canonical(),
        GroupBy::Rule => alert.key.rule().map(ToString::to_string).unwrap_or_default(),
        GroupBy::Kpi => match &alert.key.subject {
            Subject::Source(id) => format!("source:{id}"),
            Subject::Receiver(id) => format!("receiver:{id}"),
            Subject::Service => "service".to_owned(),
            Subject::Rule { .. } | Subject::Data(_) => alert.key.kpi().map(ToString::to_string).unwrap_or_default(),
        },
        GroupBy::Objective => alert.key.objective().map(ToString::to_string).unwrap_or_default(),
        GroupBy::Labels => alert.key.series().map(|series| series.labels.to_string()).unwrap_or_default(),
        GroupBy::Source => match &alert.key.subject {
            Subject::Source(id) => id.to_string(),
            _ => kpi.map(source).unwrap_or_default(),
        },
        GroupBy::Category => kpi.map(|kpi| kpi.category.as_str().to_owned()).unwrap_or_default(),
        GroupBy::Severity => alert.severity.as_str().to_owned(),
    }
}
