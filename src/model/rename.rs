//! KPIs, objectives and rules that are called otherwise than before, and what that does to identities.

use std::collections::BTreeMap;

use super::alert::{AlertKey, Subject};
use super::commit::KpiClock;
use super::ids::{AlertId, KpiId, ObjectiveId, RuleId, SeriesKey};
use super::notification::{Group, GroupBy, Matcher};

/// New names by old ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    pub kpis: BTreeMap<KpiId, KpiId>,
    pub objectives: BTreeMap<ObjectiveId, ObjectiveId>,
    pub rules: BTreeMap<RuleId, RuleId>,
}

impl Renames {
    pub fn is_empty(&self) -> bool {
        self.kpis.is_empty() && self.objectives.is_empty() && self.rules.is_empty()
    }

    /// A KPI, its period to date, or series of it that were set aside: what follows its name stays.
    pub fn kpi(&self, id: &KpiId) -> KpiId {
        let name = id.as_str();
        let end = name.find(['@', ' ']).unwrap_or(name.len());
        let (base, rest) = name.split_at(end);
        self.kpis.get(base).map_or_else(|| id.clone(), |new| KpiId::from(format!("{new}{rest}")))
    }

    pub fn objective(&self, id: &ObjectiveId) -> ObjectiveId {
        self.objectives.get(id).unwrap_or(id).clone()
    }

    pub fn rule(&self, id: &RuleId) -> RuleId {
        self.rules.get(id).unwrap_or(id).clone()
    }

    pub fn series(&self, series: &SeriesKey) -> SeriesKey {
        SeriesKey { kpi: self.kpi(&series.kpi), labels: series.labels.clone() }
    }

    /// The identity that an alert has from now on; none when it stays.
    pub fn alert(&self, key: &AlertKey) -> Option<AlertKey> {
        let subject = match &key.subject {
            Subject::Rule { rule, series, objective } => Subject::Rule {
                rule: self.rule(rule),
                series: self.series(series),
                objective: objective.as_ref().map(|id| self.objective(id)),
            },
            Subject::Data(kpi) => Subject::Data(self.kpi(kpi)),
            Subject::Source(_) | Subject::Receiver(_) | Subject::Service => return None,
        };
        (subject != key.subject).then(|| AlertKey { subject, ..key.clone() })
    }

    /// The group with its members and what was told of them; its thread goes on.
    pub fn group(&self, group: &Group) -> Group {
        let moved = |key: &AlertKey| self.alert(key).unwrap_or_else(|| key.clone());
        let mut renamed = group.clone();
        renamed.members = group.members.iter().map(moved).collect();
        renamed.told = group.told.iter().map(|(key, told)| (moved(key), told.clone())).collect();
        // Which alert it was made for only its members know.
        let known: BTreeMap<String, &AlertKey> =
            group.members.iter().chain(group.told.keys()).map(|key| (key.canonical(), key)).collect();
        for (by, value) in &mut renamed.key.by {
            *value = match by {
                GroupBy::Alert => known.get(value).map_or_else(|| value.clone(), |key| moved(key).canonical()),
                GroupBy::Rule => self.rule(&RuleId::from(value.as_str())).to_string(),
                GroupBy::Kpi => self.kpi(&KpiId::from(value.as_str())).to_string(),
                GroupBy::Objective => self.objective(&ObjectiveId::from(value.as_str())).to_string(),
                GroupBy::Labels | GroupBy::Source | GroupBy::Category | GroupBy::Severity => continue,
            };
        }
        renamed
    }

    /// What a silence hides; `alerts` gives the new short name of an alert by its old one.
    pub fn matcher(&self, matcher: &Matcher, alerts: &BTreeMap<AlertId, AlertId>) -> Matcher {
        Matcher {
            kpi: matcher.kpi.iter().map(|id| self.kpi(id)).collect(),
            rule: matcher.rule.iter().map(|id| self.rule(id)).collect(),
            alert: matcher.alert.as_ref().map(|id| alerts.get(id).unwrap_or(id).clone()),
            ..matcher.clone()
        }
    }

    pub fn clock(&self, clock: &KpiClock) -> KpiClock {
        let mut renamed = clock.clone();
        renamed.kpi = self.kpi(&clock.kpi);
        for rule in renamed.rules.iter_mut().chain(renamed.waiting.iter_mut().map(|waiting| &mut waiting.rule)) {
            *rule = self.rule(rule);
        }
        renamed
    }
}

#[cfg(test)]
mod tests {
    use super::Renames;
    use crate::model::alert::{AlertKey, Aspect, Subject};
    use crate::model::ids::{KpiId, SeriesKey};

    fn renames() -> Renames {
        Renames {
            kpis: [("sales".into(), "revenue".into())].into(),
            objectives: [("goal".into(), "target".into())].into(),
            rules: [("late".into(), "behind".into())].into(),
        }
    }

    #[test]
    fn what_hangs_on_a_kpi_goes_with_it() {
        for (old, new) in [
            ("sales", "revenue"),
            ("sales@month", "revenue@month"),
            ("sales until 2026-11-23T05:15:00Z", "revenue until 2026-11-23T05:15:00Z"),
            ("sales-web", "sales-web"),
            ("salesman@month", "salesman@month"),
        ] {
            assert_eq!(renames().kpi(&KpiId::from(old)).as_str(), new, "{old}");
        }
    }

    #[test]
    fn identities_change_only_where_a_name_did() {
        let key = |rule: &str, kpi: &str, objective: &str| AlertKey {
            subject: Subject::Rule {
                rule: rule.into(),
                series: SeriesKey::total(&kpi.into()),
                objective: Some(objective.into()),
            },
            period: None,
            aspect: Aspect::Breach,
        };
        assert_eq!(renames().alert(&key("late", "sales", "goal")), Some(key("behind", "revenue", "target")));
        assert_eq!(renames().alert(&key("late", "stock", "other")), Some(key("behind", "stock", "other")));
        assert_eq!(renames().alert(&key("jump", "stock", "other")), None);
        let data = AlertKey { subject: Subject::Data("sales".into()), period: None, aspect: Aspect::NoData };
        let renamed = renames().alert(&data).map(|key| key.subject);
        assert_eq!(renamed, Some(Subject::Data("revenue".into())));
        let source = AlertKey { subject: Subject::Source("sales".into()), period: None, aspect: Aspect::Outage };
        assert_eq!(renames().alert(&source), None);
    }
}
