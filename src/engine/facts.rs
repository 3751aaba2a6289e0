//! The figures that an alert carries into its messages, taken from the assessment that was judged.

use crate::assess::Assessment;
use crate::model::alert::AlertFacts;
use crate::model::verdict::{Details, Finding};

/// Figures of a verdict that was reached.
pub(super) fn of_finding(assessment: &Assessment, finding: Finding, details: Details) -> AlertFacts {
    AlertFacts {
        value: finding.value,
        said: details.said,
        conditions: details.conditions,
        suggestions: details.suggestions,
        objective: assessment.facts(),
        course: assessment.course(),
        comparisons: assessment.comparisons(),
        events: assessment.shown_events(),
        ..bare(assessment)
    }
}

/// Figures of a verdict that could not be reached.
pub(super) fn of_trouble(assessment: &Assessment, cause: Option<String>) -> AlertFacts {
    AlertFacts { cause, events: assessment.waiting_events(), ..bare(assessment) }
}

fn bare(assessment: &Assessment) -> AlertFacts {
    let kpi = &assessment.kpi;
    let objective = assessment.objective.as_ref();
    let owner = objective.and_then(|objective| objective.owner.as_ref()).or(kpi.owner.as_ref());
    AlertFacts {
        at: assessment.now,
        title: kpi.title.clone(),
        category: Some(kpi.category),
        unit: kpi.unit.clone(),
        owner: owner.map(ToString::to_string),
        value: None,
        said: None,
        conditions: Vec::new(),
        suggestions: Vec::new(),
        statement: objective.map(|objective| objective.statement.clone()).filter(|statement| !statement.is_empty()),
        objective: None,
        course: None,
        comparisons: Vec::new(),
        data: Some(assessment.data_facts()),
        cause: None,
        suspect: None,
        vanished: None,
        events: Vec::new(),
    }
}
