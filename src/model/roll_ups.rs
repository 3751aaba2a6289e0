//! Which series between the total and the finest ones are kept: those that rules and objectives ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::catalog::Catalog;
use super::ids::{KpiId, Labels};
use super::rule::SeriesChoice;

/// Sets of dimensions that one KPI may be rolled up to. Each adds at most as many series as the source gives,
/// so that what bounds a source's series bounds all of them.
pub const ROLL_UPS_MAX: usize = 16;

/// One KPI's series that are rolled up over the dimensions they don't name. The total is not among them:
/// it is always kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollUps {
    /// By names of dimensions: every value of them, or only these.
    sets: BTreeMap<BTreeSet<String>, Values>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    All,
    Only(BTreeSet<Labels>),
}

impl RollUps {
    /// How many sets of dimensions are asked for.
    pub fn count(&self) -> usize {
        self.sets.len()
    }

    /// The roll-ups that a series with all dimensions is part of.
    pub fn of(&self, finest: &Labels) -> Vec<Labels> {
        let project = |(names, values): (&BTreeSet<String>, &Values)| {
            let part = finest.only(names);
            let asked = match values {
                Values::All => true,
                Values::Only(asked) => asked.contains(&part),
            };
            asked.then_some(part)
        };
        self.sets.iter().filter_map(project).collect()
    }

    /// True for labels of a roll-up that is asked for.
    pub fn holds(&self, labels: &Labels) -> bool {
        let names: BTreeSet<String> = labels.iter().map(|(name, _)| name.to_owned()).collect();
        match self.sets.get(&names) {
            Some(Values::All) => true,
            Some(Values::Only(asked)) => asked.contains(labels),
            None => false,
        }
    }

    /// What is asked for as texts, to be compared after a restart: `channel,region` or `{channel="web"}`.
    pub fn names(&self) -> Vec<String> {
        let texts = |(names, values): (&BTreeSet<String>, &Values)| match values {
            Values::All => vec![joined(names)],
            Values::Only(asked) => asked.iter().map(Labels::to_string).collect(),
        };
        self.sets.iter().flat_map(texts).collect()
    }

    /// True when everything asked for is among what was kept so far, as [`RollUps::names`] told it.
    pub fn is_covered_by(&self, kept: &[String]) -> bool {
        let has = |text: String| kept.contains(&text);
        self.sets.iter().all(|(names, values)| {
            has(joined(names))
                || match values {
                    Values::All => false,
                    Values::Only(asked) => asked.iter().all(|labels| has(labels.to_string())),
                }
        })
    }

    /// Adds what a rule or an objective binds to.
    pub fn ask(&mut self, series: &SeriesChoice) {
        match series {
            SeriesChoice::Total => {}
            SeriesChoice::Each(dimensions) => {
                self.sets.insert(dimensions.iter().cloned().collect(), Values::All);
            }
            SeriesChoice::Where(labels) => {
                let names = labels.iter().map(|(name, _)| name.to_owned()).collect();
                if let Values::Only(asked) = self.sets.entry(names).or_insert_with(|| Values::Only(BTreeSet::new())) {
                    asked.insert(labels.clone());
                }
            }
        }
    }
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

impl Catalog {
    /// What rules and objectives ask for, by KPI; those that ask for nothing are left out.
    pub fn roll_ups(&self) -> HashMap<KpiId, RollUps> {
        let mut all: HashMap<KpiId, RollUps> = HashMap::new();
        let mut ask = |kpi: &KpiId, series: &SeriesChoice| {
            let names = match series {
                SeriesChoice::Total => 0,
                SeriesChoice::Each(dimensions) => dimensions.len(),
                SeriesChoice::Where(labels) => labels.count(),
            };
            // Neither the total nor the finest series is a roll-up.
            if self.kpi(kpi).is_some_and(|kpi| (1..kpi.dimensions.len()).contains(&names)) {
                all.entry(kpi.clone()).or_default().ask(series);
            }
        };
        for rule in self.rules.values() {
            rule.on.iter().for_each(|kpi| ask(kpi, &rule.series));
        }
        for objective in self.objectives.values() {
            ask(&objective.kpi, &SeriesChoice::Where(objective.labels.clone()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::RollUps;
    use crate::model::ids::Labels;
    use crate::model::rule::SeriesChoice;

    fn web() -> Labels {
        Labels::from_iter([("channel", "web")])
    }

    fn each(names: &[&str]) -> SeriesChoice {
        SeriesChoice::Each(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn only_what_is_asked_for_is_rolled_up() {
        let mut asked = RollUps::default();
        asked.ask(&SeriesChoice::Where(web()));
        asked.ask(&each(&["shop", "region"]));
        let finest = |channel| Labels::from_iter([("channel", channel), ("region", "Sud"), ("shop", "a")]);
        let pair = Labels::from_iter([("region", "Sud"), ("shop", "a")]);
        assert_eq!(asked.of(&finest("web")), [web(), pair.clone()]);
        assert_eq!(asked.of(&finest("fax")), [pair]);
        assert!(asked.holds(&web()) && !asked.holds(&Labels::from_iter([("channel", "fax")])));
        assert!(!asked.holds(&Labels::total()) && !asked.holds(&finest("web")));
    }

    #[test]
    fn all_values_cover_one_and_not_the_other_way() {
        let (mut one, mut all) = (RollUps::default(), RollUps::default());
        one.ask(&SeriesChoice::Where(web()));
        all.ask(&each(&["channel"]));
        assert!(one.is_covered_by(&all.names()) && !all.is_covered_by(&one.names()));
        assert!(one.is_covered_by(&one.names()) && !one.is_covered_by(&[]));
        assert!(RollUps::default().is_covered_by(&[]));
        // Asked for both ways, all values are kept.
        all.ask(&SeriesChoice::Where(web()));
        one.ask(&each(&["channel"]));
        assert_eq!((one.names(), all.names()), (vec!["channel".to_owned()], vec!["channel".to_owned()]));
    }
}
