//! A KPI whose buckets change their shape, and rules that look at some of its dimensions.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{ABOVE_FIVE, Bench, catalog, changes, check, kpi, labelled, observed, rule, setup, slot};
use crate::engine::{Event, PullTrouble, definition_of};
use crate::model::alert::{Aspect, Phase};
use crate::model::calendar::Calendar;
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels};
use crate::model::kpi::{Empty, Kpi, Query};
use crate::model::observation::Observation;
use crate::model::rule::{Patience, RuleDef, SeriesChoice};
use crate::model::unit::Kind;

fn weekly() -> Kpi {
    Kpi { grain: Grain::Week, ..kpi() }
}

/// The value of the week that ended last before that day's slot.
fn week(day: i64, value: f64) -> Observation {
    Observation { bucket: Grain::Week.last_ended(slot(day), &TimeZone::UTC), ..observed(day, value, false) }
}

/// A firing alert on days, then the same KPI by weeks, under `for: 2 buckets`.
fn reshaped() -> Bench {
    let def = || RuleDef {
        for_: Some(Patience::Buckets(2)),
        keep_firing_for: Some(Patience::Buckets(2)),
        ..rule(ABOVE_FIVE)
    };
    let mut bench =
        check(Bench::new(catalog(kpi(), vec![def()], Vec::new())), "9 9 1", &["1 breach pended", "2 breach fired"]);
    bench.setup = setup(catalog(weekly(), vec![def()], Vec::new()));
    bench
}

#[test]
fn buckets_of_another_shape_are_set_aside() {
    let mut bench = reshaped();
    let effects = bench.slot(vec![week(5, 1.0)], None);
    let [retired] = effects.evaluate.retired.as_slice() else { panic!("{:?}", effects.evaluate.retired) };
    assert_eq!((retired.kpi.as_str(), retired.until), ("k", slot(bench.day)));
    let clock = &effects.evaluate.clocks[0];
    assert_eq!(clock.shape, retired.shape);
    let (_, data) = bench.state.history.of(&"k".into()).next().expect("the week is there");
    assert_eq!(data.range(i64::MIN, i64::MAX).map(|point| point.index).collect::<Vec<_>>(), [week(5, 1.0).bucket]);
    // One calm day and one calm week are not two calm buckets; the next week is the second.
    assert_eq!(changes(4, &effects), Vec::<String>::new());
    bench.day += 6;
    let effects = bench.slot(vec![week(bench.day + 1, 1.0)], None);
    assert_eq!(changes(5, &effects), ["5 breach recovered"]);
    assert_eq!(effects.evaluate.retired, []);
}

#[test]
fn nothing_is_set_aside_until_the_new_history_is_there() {
    let mut bench = reshaped();
    for _ in 0..4 {
        let down = PullTrouble { message: "down".to_owned(), not_asked: None, whole_source: true };
        let effects = bench.slot(Vec::new(), Some(down));
        assert_eq!(effects.evaluate.retired, []);
        assert_eq!(effects.tally.verdicts, 0, "days are not judged as weeks");
        bench.restart();
    }
    assert!(bench.alert(Aspect::Breach).is_some_and(|alert| alert.phase == Phase::Firing && alert.frozen.is_none()));
    assert_eq!(bench.slot(vec![week(10, 9.0)], None).evaluate.retired.len(), 1);
}

#[test]
fn outdated_series_are_not_taken_up_from_the_store() {
    let mut bench = reshaped();
    let stored = bench.state.history.of(&"k".into()).map(|(labels, data)| (labels.clone(), data.clone())).collect();
    bench.state.take_up(&bench.setup, "k".into(), stored);
    assert_eq!(bench.state.history.of(&"k".into()).count(), 0);
}

#[test]
fn a_state_of_before_shapes_is_taken_as_it_is() {
    let mut bench = reshaped();
    let clock = bench.state.clocks.get_mut(&KpiId::from("k")).expect("it has run");
    let old = serde_json::to_string(clock).expect("a clock can be written");
    let old = old.replace(&format!(r#""shape":"{}","#, clock.shape), "").replace(r#""roll_ups":[],"#, "");
    *clock = serde_json::from_str(&old).expect("an older clock can be read");
    assert_eq!(clock.shape, "");
    assert_eq!(bench.slot(Vec::new(), None).evaluate.retired, []);
    assert_ne!(bench.state.clocks[&KpiId::from("k")].shape, "");
}

#[test]
fn only_what_means_another_number_is_another_shape() {
    let shape = crate::engine::shape::shape_of;
    let same = |changed: Kpi| assert_eq!(shape(&changed), shape(&kpi()));
    same(Kpi { query: Query::Text("other".to_owned()), source: "t".into(), empty: Empty::Zero, ..kpi() });
    let paris = || TimeZone::get("Europe/Paris").expect("bundled");
    for changed in [
        weekly(),
        Kpi { zone: paris(), ..kpi() },
        Kpi { kind: Kind::Ratio, ..kpi() },
        Kpi { dimensions: vec!["d".to_owned()], ..kpi() },
    ] {
        assert_ne!(shape(&changed), shape(&kpi()));
    }
    let hourly = |zone| shape(&Kpi { grain: Grain::HOUR, zone, ..kpi() });
    assert_eq!(hourly(paris()), hourly(TimeZone::UTC), "hours are the same everywhere");
}

/// What a rule over `each: channel` judged, of a KPI split by channel and region.
#[test]
fn each_runs_on_the_series_of_just_these_dimensions() {
    let split = Kpi { dimensions: vec!["channel".to_owned(), "region".to_owned()], ..kpi() };
    let web = Labels::from_iter([("channel", "web")]);
    let web_south = Labels::from_iter([("channel", "web"), ("region", "Sud")]);
    let judged = |series: SeriesChoice| {
        let mut bench = Bench::new(catalog(split.clone(), vec![RuleDef { series, ..rule(ABOVE_FIVE) }], Vec::new()));
        let all = [Labels::total(), web.clone(), web_south.clone()];
        let effects = bench.slot(all.iter().map(|labels| labelled(labels, 2, 9.0, false)).collect(), None);
        let series = effects.evaluate.alerts.iter().filter_map(|alert| alert.key.series());
        series.map(|series| series.labels.clone()).collect::<Vec<_>>()
    };
    let each = |names: &[&str]| SeriesChoice::Each(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(judged(SeriesChoice::Total), [Labels::total()]);
    assert_eq!(judged(each(&["channel"])), std::slice::from_ref(&web));
    assert_eq!(judged(each(&["region", "channel"])), std::slice::from_ref(&web_south));
    assert_eq!(judged(SeriesChoice::Where(web.clone())), std::slice::from_ref(&web));
}

#[test]
fn an_alert_of_a_series_that_the_rule_no_longer_looks_at_is_closed() {
    let split = || Kpi { dimensions: vec!["d".to_owned()], ..kpi() };
    let each = RuleDef { series: SeriesChoice::Each(vec!["d".to_owned()]), ..rule(ABOVE_FIVE) };
    let mut bench = Bench::new(catalog(split(), vec![each], Vec::new()));
    bench.slot(vec![labelled(&Labels::from_iter([("d", "a")]), 2, 9.0, false)], None);
    bench.setup = setup(catalog(split(), vec![rule(ABOVE_FIVE)], Vec::new()));
    assert_eq!(changes(0, &bench.step(Event::Reconfigured)), ["0 breach removed"]);
}

#[test]
fn a_roll_up_is_kept_from_the_pull_that_brought_it() {
    let split = || Kpi { dimensions: vec!["channel".to_owned(), "region".to_owned()], ..kpi() };
    let each =
        || RuleDef { id: "e".into(), series: SeriesChoice::Each(vec!["channel".to_owned()]), ..rule(ABOVE_FIVE) };
    let mut bench = Bench::new(catalog(split(), vec![rule(ABOVE_FIVE)], Vec::new()));
    bench.feed("1");
    let asks = |bench: &Bench| {
        let kpi = bench.setup.catalog.kpi(&"k".into()).expect("it is configured");
        bench.setup.asks_anew(kpi, &bench.state.clocks[&kpi.id])
    };
    assert!(!asks(&bench));
    bench.setup = setup(catalog(split(), vec![rule(ABOVE_FIVE), each()], Vec::new()));
    assert!(asks(&bench), "the new roll-up has no history");
    bench.feed("x");
    assert!(asks(&bench), "and has none after a pull that failed");
    bench.feed("1");
    assert!(!asks(&bench));
    bench.setup = setup(catalog(split(), vec![rule(ABOVE_FIVE)], Vec::new()));
    assert!(!asks(&bench), "nothing is pulled because less is asked for");
    bench.feed("1");
    bench.setup = setup(catalog(split(), vec![rule(ABOVE_FIVE), each()], Vec::new()));
    assert!(asks(&bench), "a roll-up that was not kept in between has a hole");
}

#[test]
fn another_calendar_asks_for_no_history() {
    let french = Kpi { calendar: Arc::new(Calendar::french()), ..kpi() };
    assert_eq!(definition_of(&french), definition_of(&kpi()));
    assert_ne!(definition_of(&Kpi { empty: Empty::Zero, ..kpi() }), definition_of(&kpi()));
}
