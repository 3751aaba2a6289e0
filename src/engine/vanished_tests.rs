//! Dimension values that come no more.

use super::*;

fn shop(name: &str) -> Labels {
    Labels::from_iter([("shop", name)])
}

fn bench(change: impl FnOnce(&mut Kpi)) -> Bench {
    let mut kpi = Kpi { dimensions: vec!["shop".to_owned()], better: Direction::Higher, ..kpi() };
    change(&mut kpi);
    Bench::new(catalog(kpi, vec![rule("fn evaluate(kpi, p) { above(kpi.value, 500) }")], Vec::new()))
}

/// The next day's slot with what each shop sold.
fn day(bench: &mut Bench, sold: &[(&str, f64)]) -> Effects {
    bench.day += 1;
    let total: f64 = sold.iter().map(|(_, value)| value).sum();
    let mut observations = vec![observed(bench.day, total, false)];
    observations.extend(sold.iter().map(|(name, value)| labelled(&shop(name), bench.day, *value, false)));
    let at = slot(bench.day);
    let pulled_to = Some(observations[0].bucket);
    let pull = PullReport { observations, pulled_to, at: Some(at), ..PullReport::default() };
    bench.step(came("k", at, pull))
}

fn shown(effects: &Effects) -> String {
    changes(0, effects).join(", ")
}

fn usual(bench: &mut Bench) {
    for _ in 0..25 {
        assert_eq!(shown(&day(bench, &[("Lyon", 10.0), ("Nice", 20.0)])), "");
    }
}

#[test]
fn one_that_comes_no_more_is_told_once_until_it_is_back() {
    for (empty, last) in [(Empty::Missing, None), (Empty::Zero, Some(("Lyon", 0.0)))] {
        let mut bench = bench(|kpi| kpi.empty = empty);
        usual(&mut bench);
        let without: Vec<(&str, f64)> = [("Nice", 20.0)].into_iter().chain(last).collect();
        for _ in 0..2 {
            assert_eq!(shown(&day(&mut bench, &without)), "");
        }
        assert_eq!(shown(&day(&mut bench, &without)), "0 no_data fired");
        let alert = bench.alert(Aspect::NoData).expect("an alert");
        let found = alert.facts.and_then(|facts| facts.vanished.clone()).expect("figures");
        assert_eq!(
            (found.count, found.values[0].value.as_str(), found.values[0].last.as_str()),
            (1, "Lyon", "2026-11-25")
        );
        bench.restart();
        assert_eq!(shown(&day(&mut bench, &without)), "");
        assert_eq!(shown(&day(&mut bench, &[("Lyon", 1.0), ("Nice", 20.0)])), "0 no_data recovered");
    }
}

#[test]
fn nothing_vanishes_where_it_is_no_trouble() {
    let quiet = |mut bench: Bench, then: &[(&str, f64)]| {
        usual(&mut bench);
        for _ in 0..10 {
            assert_eq!(shown(&day(&mut bench, then)), "");
        }
    };
    quiet(bench(|kpi| kpi.quality.ignores_vanished = true), &[("Nice", 20.0)]);
    // Zero is a figure where absence is not taken for it.
    quiet(bench(|_| {}), &[("Lyon", 0.0), ("Nice", 20.0)]);
    // Complaints of a kind that come no more.
    let complaints = |kpi: &mut Kpi| (kpi.better, kpi.empty) = (Direction::Lower, Empty::Zero);
    quiet(bench(complaints), &[("Lyon", 0.0), ("Nice", 20.0)]);
    // Nothing of it comes: that is missing data, which rules tell of.
    quiet(bench(|_| {}), &[]);
}

#[test]
fn it_goes_on_until_the_value_comes_again_or_nobody_asks_for_it() {
    let mut bench = bench(|_| {});
    usual(&mut bench);
    let fired: Vec<String> =
        (0..60).map(|_| shown(&day(&mut bench, &[("Nice", 20.0)]))).filter(|told| !told.is_empty()).collect();
    assert_eq!(fired, ["0 no_data fired"], "away for so long that it is not usual any more is not back");
    let mut catalog = (*bench.setup.catalog).clone();
    let mut kpi = (**catalog.kpi(&"k".into()).expect("there")).clone();
    kpi.quality.ignores_vanished = true;
    catalog.kpis.insert("k".into(), Arc::new(kpi));
    bench.setup = setup(catalog);
    assert_eq!(shown(&day(&mut bench, &[("Nice", 20.0)])), "0 no_data recovered");
}
