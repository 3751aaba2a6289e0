//! Two KPIs that should say the same.

use super::*;
use crate::model::kpi::Reconcile;
use crate::model::suspect::{Decision, Settled, SuspectState};

/// The shop's figure, which may lie 2 % beside the ledger's; the rule fires above 250.
struct Pair {
    setup: Setup,
    state: State,
}

impl Pair {
    fn new() -> Pair {
        let reconcile = Some(Reconcile { with: "ledger".into(), within: 0.02 });
        let shop = Kpi { id: "shop".into(), reconcile, ..kpi() };
        let ledger = Kpi { id: "ledger".into(), title: "Ledger".into(), ..kpi() };
        let rule = RuleDef { on: vec!["shop".into()], ..rule("fn evaluate(kpi, p) { above(kpi.value, 250) }") };
        let mut catalog = catalog(kpi(), vec![rule], Vec::new());
        catalog.kpis = [shop, ledger].map(|kpi| (kpi.id.clone(), Arc::new(kpi))).into_iter().collect();
        Pair { setup: setup(catalog), state: State::default() }
    }

    /// Days before the tenth, on which both say the same but for the newest.
    fn with_history(newest_of_ledger: f64) -> (Pair, Effects) {
        let mut pair = Pair::new();
        let days: Vec<(i64, f64)> = (1..=10).map(|day| (day, 100.0)).collect();
        pair.brings("shop", (10, 0), &days);
        let said: Vec<(i64, f64)> =
            (1..=10).map(|day| (day, if day == 10 { newest_of_ledger } else { 50.0 })).collect();
        let effects = pair.brings("ledger", (10, 1), &said);
        (pair, effects)
    }

    /// A slot at six and so many minutes with the values of the buckets that end on these days.
    fn brings(&mut self, id: &str, at: (i64, i64), values: &[(i64, f64)]) -> Effects {
        self.steps(id, at, values, true)
    }

    /// The same; a replay says only with its last slot how far the pull went.
    fn steps(&mut self, id: &str, (day, minutes): (i64, i64), values: &[(i64, f64)], is_last: bool) -> Effects {
        let observations = values.iter().map(|(day, value)| {
            let observation = observed(*day, *value, false);
            Observation { series: SeriesKey { kpi: id.into(), labels: Labels::total() }, ..observation }
        });
        let at = slot(day) + SignedDuration::from_mins(minutes);
        let newest = Grain::Day.last_ended(at, &TimeZone::UTC);
        let pull = PullReport {
            observations: observations.collect(),
            pulled_to: is_last.then_some(newest),
            nothing_asked: !is_last,
            at: Some(at),
            ..PullReport::default()
        };
        self.step(at, came(id, slot(day), pull))
    }

    fn step(&mut self, at: Timestamp, event: Event) -> Effects {
        let (state, setup) = (&mut self.state, &self.setup);
        on_large_stack(|| step(state, setup, event, at))
    }

    fn held(&self) -> Option<i64> {
        self.state.history.series(&"shop".into(), &Labels::total()).and_then(|data| data.held)
    }

    fn suspicion(&self) -> Option<Alert> {
        self.state.book.sorted().into_values().find(|alert| alert.key.aspect == Aspect::Suspect).cloned()
    }
}

fn bucket(day: i64) -> i64 {
    observed(day, 0.0, false).bucket
}

fn shown(effects: &Effects) -> String {
    changes(0, effects).join(", ")
}

#[test]
fn what_the_other_source_contradicts_is_asked_for_again_told_and_held() {
    let (mut pair, effects) = Pair::with_history(102.0);
    assert_eq!(effects.evaluate.suspects, [], "the past is taken as it is, and 100 is within 2 % of 102");
    pair.brings("shop", (11, 0), &[(11, 200.0)]);
    let effects = pair.brings("ledger", (11, 5), &[(11, 190.0)]);
    assert_eq!(effects.evaluate.suspects.len(), 1, "the later of both finds it");
    assert_eq!(pair.held(), Some(bucket(11)));
    let clock = effects.evaluate.clocks.iter().find(|clock| clock.kpi.as_str() == "shop").expect("a clock");
    assert_eq!(clock.again_at, Some(slot(11) + SignedDuration::from_mins(10)));
    // The shop stays with it.
    let effects = pair.brings("shop", (11, 10), &[(11, 200.0)]);
    assert_eq!(shown(&effects), "0 suspect fired");
    let facts =
        pair.suspicion().and_then(|alert| alert.facts).and_then(|facts| facts.suspect.clone()).expect("figures");
    assert_eq!((facts.value, facts.low, facts.high), (200.0, 186.2, 193.8));
    assert_eq!(facts.beside, Some(("Ledger".to_owned(), 190.0)));
    // The next bucket differs as well: one cause, one alert; nothing is judged meanwhile.
    pair.brings("shop", (12, 0), &[(12, 300.0)]);
    pair.brings("ledger", (12, 5), &[(12, 200.0)]);
    let effects = pair.brings("shop", (12, 10), &[(12, 300.0)]);
    assert_eq!(shown(&effects), "", "{effects:?}");
    let facts =
        pair.suspicion().and_then(|alert| alert.facts).and_then(|facts| facts.suspect.clone()).expect("figures");
    assert_eq!(facts.value, 300.0, "the newest is shown");
    // The ledger is put right for one, then for the other: the rule runs at once.
    let effects = pair.brings("ledger", (13, 0), &[(11, 200.0), (13, 100.0)]);
    assert_eq!((shown(&effects), pair.held()), (String::new(), Some(bucket(12))));
    let effects = pair.brings("ledger", (13, 1), &[(12, 300.0)]);
    assert_eq!((shown(&effects).as_str(), pair.held()), ("0 suspect resolved, 0 breach fired", None));
    let settled = pair.suspicion().and_then(|alert| alert.end);
    assert_eq!(settled, Some(EndReason::Settled(Settled::Agreed)));
}

#[test]
fn the_newest_bucket_of_a_first_history_is_compared() {
    let (pair, effects) = Pair::with_history(120.0);
    assert_eq!(effects.evaluate.suspects.len(), 1);
    assert_eq!(pair.held(), Some(bucket(10)));
}

#[test]
fn a_person_s_word_stands_until_either_source_says_something_else() {
    let (mut pair, _) = Pair::with_history(100.0);
    pair.brings("ledger", (11, 0), &[(11, 290.0)]);
    pair.brings("shop", (11, 5), &[(11, 300.0)]);
    assert_eq!(pair.held(), Some(bucket(11)), "the later of both finds it, whichever it is");
    pair.brings("shop", (11, 15), &[(11, 300.0)]);
    let what = ActionKind::Settle {
        kpi: "shop".into(),
        bucket: bucket(11),
        labels: None,
        decision: Decision::Accept,
        note: None,
    };
    let effects =
        pair.step(slot(11) + SignedDuration::from_hours(1), Event::Act(Action { by: "ada".to_owned(), what }));
    assert_eq!(shown(&effects), "0 suspect resolved, 0 breach fired");
    // Cents change nothing in that; a ledger that says much less does.
    for (value, is_held) in [(290.5, false), (250.0, true)] {
        pair.brings("ledger", (12, 0), &[(11, value)]);
        assert_eq!(pair.held().is_some(), is_held, "{value}");
    }
    // Taken back, it is free; and a value that the shop itself puts right.
    pair.brings("ledger", (12, 1), &[(11, 299.0)]);
    assert_eq!(pair.held(), None);
    pair.brings("shop", (12, 2), &[(12, 70.0)]);
    pair.brings("ledger", (12, 3), &[(12, 100.0)]);
    assert_eq!(pair.held(), Some(bucket(12)));
    let effects = pair.brings("shop", (12, 20), &[(12, 99.0)]);
    assert_eq!(pair.held(), None);
    let how = effects.evaluate.suspects.iter().map(|suspect| suspect.state.as_str()).collect::<Vec<_>>();
    assert_eq!(how, ["withdrawn"]);
    assert!(matches!(effects.evaluate.suspects[0].state, SuspectState::Settled(_)));
}

#[test]
fn what_only_one_has_is_not_compared() {
    let (mut pair, _) = Pair::with_history(100.0);
    pair.brings("shop", (11, 0), &[(11, 200.0)]);
    assert_eq!(pair.held(), None);
    pair.brings("ledger", (11, 5), &[(12, 100.0)]);
    assert_eq!(pair.held(), None);
}

#[test]
fn taking_the_comparison_out_frees_the_values() {
    let (mut pair, _) = Pair::with_history(100.0);
    pair.brings("shop", (11, 0), &[(11, 200.0)]);
    pair.brings("ledger", (11, 5), &[(11, 100.0)]);
    let mut catalog = (*pair.setup.catalog).clone();
    let shop = Kpi { reconcile: None, ..(**catalog.kpi(&"shop".into()).expect("there")).clone() };
    catalog.kpis.insert("shop".into(), Arc::new(shop));
    pair.setup = setup(catalog);
    let effects = pair.brings("shop", (12, 0), &[(12, 100.0)]);
    assert_eq!(pair.held(), None);
    assert_eq!(effects.evaluate.suspects[0].state.as_str(), "accepted");
}

#[test]
fn a_first_history_that_is_stepped_is_compared_once() {
    let mut pair = Pair::new();
    for (id, value) in [("shop", 100.0), ("ledger", 90.0)] {
        for day in 5..=10 {
            pair.steps(id, (day, 0), &[(day, value)], day == 10);
        }
    }
    let open: Vec<i64> = pair.state.suspects.of(&"shop".into()).iter().map(|suspect| suspect.bucket).collect();
    assert_eq!(open, [bucket(10)]);
}

#[test]
fn where_one_says_nothing_they_do_not_agree() {
    let (mut pair, _) = Pair::with_history(100.0);
    pair.brings("shop", (11, 0), &[(11, 200.0)]);
    pair.brings("ledger", (11, 5), &[(11, 100.0)]);
    let gone = Observation::withdrawn(SeriesKey::total(&"ledger".into()), bucket(11), slot(11));
    pair.state.history.put(&gone);
    pair.brings("shop", (12, 0), &[(12, 100.0)]);
    assert_eq!(pair.held(), Some(bucket(11)));
}

#[test]
fn what_the_other_source_books_late_is_compared_too() {
    let mut pair = Pair::new();
    pair.brings("shop", (40, 0), &(1..=40).map(|day| (day, 100.0)).collect::<Vec<_>>());
    pair.brings("ledger", (40, 5), &[(40, 100.0)]);
    // A look at the past brings what was never there before, far behind the newest.
    pair.brings("ledger", (41, 0), &[(3, 50.0), (41, 100.0)]);
    assert_eq!(pair.held(), Some(bucket(3)));
}
