//! Objectives of the configuration: periods, targets, and what each mistake is told.

use jiff::civil::date;

use super::{SMALL, accepted, mistake};
use crate::config::Config;
use crate::model::closure::DayOfYear;
use crate::model::ids::ObjectiveId;
use crate::model::objective::{Hold, Objective, Target, Trajectory};
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::{Baseline, Change, TargetFigure};

/// The configuration with that in the place of the objective's target and period.
fn written(fields: &str) -> String {
    SMALL.replacen("    reach: 400000\n    period: month\n", fields, 1)
}

fn resolved(fields: &str) -> Config {
    accepted(&written(fields))
}

fn objective(config: &Config) -> &Objective {
    config.catalog.objective(&ObjectiveId::from("revenue-month")).unwrap()
}

#[test]
fn fiscal_years_begin_where_the_company_says() {
    let fiscal = |fields: &str, setting: &str| {
        let text = written(fields).replacen("people:", &format!("{setting}\npeople:"), 1);
        objective(&accepted(&text)).period
    };
    let year = |first, last| Some(Period { first, last });
    let april = fiscal("    reach: 400000\n    period: fiscal_year\n", "fiscal_year: {starts: 04-01}");
    assert_eq!(april, PeriodSpec::FiscalYear { starts: DayOfYear { month: 4, day: 1 } });
    assert_eq!(april.holding(date(2026, 11, 28)), year(date(2026, 4, 1), date(2027, 3, 31)));
    let named = fiscal("    reach: 400000\n    period: FY2026\n", "fiscal_year: {starts: 04-01}");
    assert_eq!(named.single(), year(date(2025, 4, 1), date(2026, 3, 31)));
    let by_start = "fiscal_year: {starts: 04-01, named_after: start}";
    let named = fiscal("    reach: 400000\n    period: 2026-FY\n", by_start);
    assert_eq!(named.single(), year(date(2026, 4, 1), date(2027, 3, 31)));
    assert_eq!(objective(&resolved("    reach: 1\n    period: half\n")).period, PeriodSpec::Half);
    assert_eq!(
        objective(&resolved("    reach: 1\n    period: 2026-H1\n")).period.single(),
        year(date(2026, 1, 1), date(2026, 6, 30))
    );
}

#[test]
fn mistakes_of_periods_are_told() {
    let zone = "timezone: Europe/Paris";
    mistake(zone, "fiscal_year: {starts: 02-29}", &["vigie.yaml:1:23: ", "29 February", "write `03-01`"]);
    mistake(zone, "fiscal_year: {starts: 2026-04-01}", &["the same day each year", "`starts: 04-01`"]);
    mistake(zone, "fiscal_year: {start: 04-01}", &["unknown field `start`", "did you mean `starts`"]);
    mistake(zone, "fiscal_year: {starts: 04-01, named_after: ends}", &["did you mean `end`"]);
    mistake("period: month", "period: fiscal-year", &["vigie.yaml:20:13: ", "did you mean `fiscal_year`?"]);
    mistake("period: month", "period: 2026-H3", &["`2026-H3` is not a period", "`2026-H1`"]);
}

/// What is told of the objective written with these fields.
fn wrong(fields: &str, parts: &[&str]) {
    let text = super::told(&[("vigie.yaml", &written(fields))]);
    for part in parts {
        assert!(text.contains(part), "{fields:?}: {part:?} is not in\n{text}");
    }
}

#[test]
fn targets_are_relative_to_baselines() {
    let of = |fields: &str| {
        let config = resolved(fields);
        let objective = objective(&config);
        (objective.target.clone(), objective.baseline)
    };
    let share = |share| TargetFigure::Change(Change::Share(share));
    let year_before = Some(Baseline::YearBefore);
    assert_eq!(
        of("    reach: +15 %\n    baseline: year_before\n    period: month\n"),
        (Target::Reach(share(0.15)), year_before)
    );
    let half = Period { first: date(2025, 1, 1), last: date(2025, 6, 30) };
    assert_eq!(
        of("    at_least: -5,5 %\n    baseline: 2025-H1\n    period: 2026-H1\n"),
        (Target::AtLeast(share(-0.055)), Some(Baseline::Over(half)))
    );
    assert_eq!(
        of("    between: [\"-5 %\", \"+10 %\"]\n    baseline: previous\n    period: month\n"),
        (Target::Between(share(-0.05), share(0.1)), Some(Baseline::PeriodBefore))
    );
    assert_eq!(of("    reach: +15 %\n    baseline: 300000\n    period: month\n").1, Some(Baseline::Figure(300_000.0)));
    let points = written("    at_least: +3 pts\n    baseline: year_before\n    period: month\n")
        .replacen("unit: EUR", "unit: ratio\n    kind: ratio", 1)
        .replacen("value: montant", "numerator: a, denominator: b", 1);
    assert_eq!(objective(&accepted(&points)).target, Target::AtLeast(TargetFigure::Change(Change::Amount(0.03))));
}

#[test]
fn mistakes_of_relative_targets_are_told() {
    let month = "    period: month\n";
    wrong(&format!("    reach: +15 %\n{month}"), &["vigie.yaml:19:12: ", "relative to a baseline", "`year_before`"]);
    wrong(&format!("    reach: +15 %\n    baseline: year-before\n{month}"), &["did you mean `year_before`?"]);
    wrong(&format!("    reach: +15 %\n    baseline: 2025-H3\n{month}"), &["neither a period nor a figure"]);
    wrong(&format!("    reach: +15 %\n    baseline: 2025\n{month}"), &["the figure 2025, not the year", "`FY2025`"]);
    wrong(&format!("    reach: +3 pts\n    baseline: 5\n{month}"), &["neither a share nor a score"]);
    wrong(&format!("    reach: 3 pts\n    baseline: 5\n{month}"), &["has no sign"]);
    wrong(&format!("    reach: -15 %\n    baseline: previous\n{month}"), &["warning: ", "write `reduce_to`"]);
    wrong(&format!("    between: [5, +10 %]\n    baseline: previous\n{month}"), &["of different kinds"]);
    wrong("    reach: +15 %\n    baseline: 2026\n    period: 2026-Q1\n", &["not the year"]);
    wrong("    reach: +15 %\n    baseline: FY2026\n    period: 2026-Q1\n", &["ends on 2026-12-31, after"]);
    wrong(
        &format!("    reach: +15 %\n    baseline: {{from: 2025-02-01, to: 2025-01-01}}\n{month}"),
        &["ends before it begins"],
    );
    mistake("owner: claire", "owner: claire\n    quality: {min: -5 %}", &["only an objective's target"]);
}

#[test]
fn a_share_of_nothing_is_no_target() {
    let month = "    period: month\n";
    let zero = format!("    reach: +15 %\n    baseline: 0\n{month}");
    wrong(&zero, &["error: ", "15 % of a baseline of 0", "as a figure"]);
    let points = written("    at_least: +3 pts\n    baseline: 0\n    period: month\n")
        .replacen("unit: EUR", "unit: ratio\n    kind: ratio", 1)
        .replacen("value: montant", "numerator: a, denominator: b", 1);
    accepted(&points);
    resolved(&format!("    reach: 4000\n    baseline: 0\n{month}"));
}

/// What is told of a baseline that looks like a year, and of the same with each of the forms that are advised.
fn advised(fields: &str, setting: &str, forms: &[&str]) {
    let of = |baseline: &str| {
        let fields = fields.replace("baseline: 2025", &format!("baseline: {baseline}"));
        let text = written(&fields).replacen("people:", &format!("{setting}\npeople:"), 1);
        super::told(&[("vigie.yaml", &text)])
    };
    let told = of("2025");
    assert!(told.contains("the figure 2025, not the year"), "{told}");
    for form in forms {
        assert!(told.contains(&format!("`{form}`")), "{form} is not in\n{told}");
        assert_eq!(of(form), "", "{form} is advised");
    }
    assert_eq!(told.contains("FY2025"), forms.contains(&"FY2025"), "{told}");
}

#[test]
fn the_year_that_is_advised_can_be_written() {
    let month = "    reach: +15 %\n    baseline: 2025\n    period: month\n";
    advised(month, "", &["FY2025"]);
    let april = "fiscal_year: {starts: 04-01}";
    let both = ["FY2025", "{from: 2025-01-01, to: 2025-12-31}"];
    advised(month, april, &both);
    advised("    reach: +15 %\n    baseline: 2025\n    period: fiscal_year\n", april, &both);
    // The fiscal year 2025 is over by then, the civil one is not.
    advised(
        "    reach: +15 %\n    baseline: 2025\n    period: {from: 2025-06-01, to: 2026-05-31}\n",
        april,
        &["FY2025"],
    );
    // Neither is over.
    let quarter = "    reach: +15 %\n    baseline: 2025\n    period: {from: 2025-01-01, to: 2025-03-31}\n";
    advised(quarter, "", &["year_before"]);
}

#[test]
fn a_baseline_lies_within_what_is_kept() {
    let kept = |fields: &str, keep: &str| {
        let text =
            written(fields).replacen("owner: claire", &format!("history: 30d\n    keep: {keep}\n    owner: claire"), 1);
        super::told(&[("vigie.yaml", &text)])
    };
    let month = "    reach: +15 %\n    baseline: year_before\n    period: month\n";
    let told = kept(month, "396d");
    assert!(told.contains("error: ") && told.contains("keeps its buckets for 396 days"), "{told}");
    assert!(
        told.contains("there are 397") && told.contains("`keep` to 428d or more, or write the baseline as a"),
        "{told}"
    );
    assert_eq!(kept(month, "428d"), "");
    let year = "    reach: +15 %\n    baseline: 2024-H2\n    period: 2026\n";
    assert!(kept(year, "913d").contains("there are 914"), "from 2024-07-01 to 2026-12-31");
    assert_eq!(kept(year, "914d"), "");
    let recurring = "    reach: +15 %\n    baseline: 2024-H2\n    period: month\n";
    let told = kept(recurring, "800d");
    assert!(told.contains("warning: ") && told.contains("from 2026-09-09 on this baseline"), "{told}");
    assert_eq!(kept(recurring, "3650d"), "");
    // What adds up begins at zero, whatever the baseline.
    assert_eq!(kept("    reach: 4000\n    baseline: year_before\n    period: month\n", "100d"), "");
    let rolling = "    reach: 4000\n    measure: {rolling: 12 months}\n    period: month\n";
    assert!(kept(rolling, "100d").contains("a period of this objective has 366"));
}

#[test]
fn figures_that_can_be_read_in_two_ways_are_not_guessed() {
    let month = "    period: month\n";
    let two_ways = "`27,000` can be read two ways: write 27000, or 27.0000 if";
    wrong(&format!("    reach: \"27,000\"\n{month}"), &["error: ", two_ways]);
    wrong(&format!("    reach: {{2026-01: \"27,000\"}}\n{month}"), &["error: ", two_ways]);
    wrong(&format!("    reach: +15 %\n    baseline: \"27,000\"\n{month}"), &["error: ", two_ways]);
    // To YAML it is 27; whoever means that may say so.
    for written in ["27.000", "\"27.000\""] {
        let told = &["warning: ", "a point is decimal: this is 27", "write 27000, or 27.0000 if"];
        wrong(&format!("    reach: {{2026-01: {written}}}\n{month}"), told);
        wrong(&format!("    reach: {written}\n{month}"), told);
    }
    assert_eq!(super::told(&[("vigie.yaml", &written(&format!("    reach: 27.0000\n{month}")))]), "");
}

#[test]
fn targets_stand_in_tables() {
    let config = resolved("    reach: {2026-01: 100000, 2026-02: \"120 000\"}\n    period: month\n");
    let Target::Reach(TargetFigure::Table(table)) = &objective(&config).target else { panic!("no table") };
    let months = [(1, 31, 100_000.0), (2, 28, 120_000.0)];
    let rows = months
        .map(|(month, last, figure)| (Period { first: date(2026, month, 1), last: date(2026, month, last) }, figure));
    assert_eq!(table.rows(), rows);
    assert_eq!(objective(&config).trajectory, Trajectory::Learned);
    let config = resolved("    reach: {2026-01: 1, 2026-02: 2, 2026-03: 4}\n    period: quarter\n");
    let Trajectory::Milestones(way) = &objective(&config).trajectory else { panic!("no plan") };
    assert_eq!(way.iter().map(|one| one.value).collect::<Vec<_>>(), [1.0, 3.0, 7.0]);
    let own =
        resolved("    reach: {2026-01: 1, 2026-02: 2, 2026-03: 4}\n    period: quarter\n    trajectory: linear\n");
    assert_eq!(objective(&own).trajectory, Trajectory::Linear);
}

/// The configuration with a table of targets beside it.
fn with_table(fields: &str, table: &str) -> (Option<Config>, String) {
    let (dir, loaded) =
        super::load_files(&[("vigie.yaml", &written(fields)), ("cibles.csv", table)], super::environment());
    let text = crate::config::render(&loaded.problems, &loaded.sources, false);
    (loaded.config, text.replace(&format!("{}/", dir.path().display()), ""))
}

const MONTHLY: &str = "    reach: {table: cibles.csv}\n    period: month\n";

#[test]
fn tables_are_read_from_files() {
    let figures = |fields: &str, table: &str| {
        let (config, told) = with_table(fields, table);
        let config = config.unwrap_or_else(|| panic!("{told}"));
        let Target::Reach(TargetFigure::Table(table)) = &objective(&config).target else { panic!("no table") };
        table.rows().iter().map(|(period, figure)| (period.first.month(), *figure)).collect::<Vec<_>>()
    };
    let two = [(1, 100_000.0), (2, 120_000.5)];
    assert_eq!(figures(MONTHLY, "month,value\n2026-01,100000\n2026-02,120000.5\n"), two);
    assert_eq!(
        figures(MONTHLY, "\u{feff}Mois;Objectif;Note\n01/2026;100 000;\n2026-02-01;120 000,5;soldes\n;;\n"),
        two
    );
    // What the others of its column show decides.
    let both = [(1, 27_000.0), (2, 12.5)];
    assert_eq!(figures(MONTHLY, "month,value\n2026-01,\"27,000\"\n2026-02,12.5\n"), both);
    assert_eq!(figures(MONTHLY, "month;value\n2026-01;27.000\n2026-02;12,5\n"), both);
    let both = [(1, 27.125), (2, 12.5)];
    assert_eq!(figures(MONTHLY, "month;value\n2026-01;27,125\n2026-02;12,5\n"), both);
    assert_eq!(figures(MONTHLY, "month,value\n2026-01,27.125\n2026-02,12.5\n"), both);
    let labelled = "channel,period,value\n,2026-01,300\nweb,2026-01,100\nshop,2026-01,200\n";
    assert_eq!(figures(MONTHLY, labelled), [(1, 300.0)]);
    let web = "    reach: {table: cibles.csv}\n    where: {channel: web}\n    period: month\n";
    assert_eq!(figures(web, labelled), [(1, 100.0)]);
    assert_eq!(figures(web, "period,value\n2026-01,7\n"), [(1, 7.0)], "without a column it is the objective's own");
    // A table belongs to the configuration: another one is another configuration.
    let checksum = |table: &str| with_table(MONTHLY, table).0.unwrap().catalog.checksum;
    assert_ne!(checksum("month,value\n2026-01,1\n"), checksum("month,value\n2026-01,2\n"));
}

#[test]
fn mistakes_of_tables_are_told_with_their_lines() {
    let check = |fields: &str, table: &str, parts: &[&str]| {
        let (_, told) = with_table(fields, table);
        for part in parts {
            assert!(told.contains(part), "{table:?}: {part:?} is not in\n{told}");
        }
    };
    check(
        MONTHLY,
        "month,value\n2026-01,1\n2026-13,2\n",
        &["vigie.yaml:19:20: ", "cibles.csv:3: `2026-13` is not a period"],
    );
    check(MONTHLY, "month,value\n2026-01,a lot\n", &["cibles.csv:2: `a lot` is not a number"]);
    for language in ["", "language: en\n"] {
        let two_ways = &["cibles.csv:2: `27,000` can be read two ways: write 27000, or 27.0000 if"];
        let text = format!("{language}{}", written(MONTHLY));
        let files = [("vigie.yaml", text.as_str()), ("cibles.csv", "month,value\n2026-01,\"27,000\"\n")];
        let told = super::told(&files);
        assert!(told.contains(two_ways[0]), "{told}");
    }
    check(MONTHLY, "month;value\n2026-01;27.000\n", &["cibles.csv:2: `27.000` can be read two ways"]);
    check(MONTHLY, "month,value\n2026-01,1,2\n", &["cibles.csv:2: the row has another number of columns"]);
    check(
        MONTHLY,
        "month,vlaue\n2026-01,1\n",
        &["cibles.csv:1: there is no column `value`", "call the column `vlaue` `value`"],
    );
    check(MONTHLY, "month,value\n", &["has no row for the total"]);
    check(MONTHLY, "channel,month,value\nweb,2026-01,1\n", &["has no row for the total"]);
    check(MONTHLY, "month,value\n2026-01,1\n2026-Q1,3\n", &["two targets for the same days"]);
    check(MONTHLY, &"x".repeat(2 << 20), &["has more than 1048576 bytes"]);
    let absent = "    reach: {table: other.csv}\n    period: month\n";
    check(absent, "", &["the table of targets other.csv does not exist", "relative to this file"]);
    wrong(
        "    reach: {2026-01: 1, 2026-O2: 2}\n    period: month\n",
        &["vigie.yaml:19:34: ", "`2026-O2` is not a period"],
    );
    wrong("    reach: {tabel: t.csv}\n    period: month\n", &["unknown field `tabel`", "did you mean `table`?"]);
    wrong("    reach: {2026-01: 1, table: t.csv}\n    period: month\n", &["`2026-01` beside `table`"]);
    wrong("    reach: {2026-01: 1}\n    period: quarter\n", &["nothing for 2026-02-01 to 2026-03-31"]);
    let gap = "    reach: {2026-01: 1, 2026-02: 1, 2026-03: 1, 2026-04: 1}\n    period: quarter\n";
    wrong(gap, &["warning: ", "nothing for 2026-05-01 to 2026-06-30"]);
    wrong("    reach: {2025-01: 1}\n    period: 2026-01\n", &["outside the objective's period"]);
    resolved("    reach: {2025-12: 1, 2026-01: 1}\n    period: 2026-01\n");
    let mean = "    reach: {2026-01: 1, 2026-02: 1, 2026-03: 1}\n    measure: mean\n    period: quarter\n";
    wrong(mean, &["does not add up", "one figure for each period"]);
}

#[test]
fn a_target_is_done_by_a_day_and_kept() {
    let level =
        |fields: &str| written(fields).replacen("unit: EUR", "unit: EUR\n    kind: {level: {additive: true}}", 1);
    let of = |fields: &str| {
        let config = accepted(&level(fields));
        (objective(&config).period.single(), objective(&config).hold)
    };
    let year = |last| Some(Period { first: date(2026, 1, 1), last });
    let day = date(2026, 10, 31);
    let keep = "    reach: 1\n    period: 2026\n    done_by: 2026-10-31\n    then: keep\n";
    assert_eq!(of(keep), (year(date(2026, 12, 31)), Some(Hold::DoneBy(day))));
    assert_eq!(of("    reach: 1\n    period: 2026\n    done_by: 2026-10-31\n"), (year(day), None));
    assert_eq!(of("    reach: 1\n    period: month\n    then: keep\n"), (None, Some(Hold::OnceMet)));
    wrong(
        "    reach: 1\n    period: 2026\n    then: keep\n",
        &["only a figure that stands by itself", "`measure: at_end`"],
    );
    wrong("    reach: 1\n    period: month\n    done_by: 2026-10-31\n", &["the period must be a fixed one"]);
    wrong("    reach: 1\n    period: 2026\n    done_by: 2027-01-31\n", &["2027-01-31 lies outside", "2026-12-31"]);
    wrong("    at_least: 1\n    measure: each\n    period: 2026\n    then: keep\n", &["kept all the time"]);
    wrong("    reach: 1\n    period: 2026\n    then: kept\n", &["did you mean `keep`?"]);
}

#[test]
fn a_target_is_split_by_a_dimension() {
    let parts = |fields: &str| {
        let config = resolved(fields);
        let parts = config.catalog.objectives.values().filter(|part| part.id.whole() == Some("revenue-month"));
        parts.map(|part| (part.id.to_string(), part.labels.to_string(), part.target.clone())).collect::<Vec<_>>()
    };
    let fixed = |figure| Target::Reach(TargetFigure::Fixed(figure));
    let shares = "    reach: 400000\n    period: month\n    split: {channel: {web: 60 %, \"Point de vente\": 40 %}}\n";
    let found = parts(shares);
    assert_eq!((found[0].0.as_str(), &found[0].2), ("revenue-month/web", &fixed(240_000.0)));
    assert_eq!((found[1].0.as_str(), &found[1].2), ("revenue-month/point-de-vente", &fixed(160_000.0)));
    assert!(found[1].1.contains("Point de vente"), "{}", found[1].1);
    let amounts = "    at_most: 10\n    period: month\n    split: {channel: {web: 4, shop: 6}}\n";
    assert_eq!(parts(amounts)[1].2, Target::AtMost(TargetFigure::Fixed(6.0)));
    let table = "    reach: {2026-01: 10}\n    period: month\n    split: {channel: {web: 40 %, shop: 60 %}}\n";
    let Target::Reach(TargetFigure::Table(table)) = &parts(table)[0].2 else { panic!("no table") };
    assert!((table.rows()[0].1 - 4.0).abs() < 1e-9);
    let each = "    reach: +5 %\n    baseline: previous\n    period: month\n    split: {channel: [web, shop]}\n";
    assert_eq!(parts(each)[0].2, Target::Reach(TargetFigure::Change(Change::Share(0.05))));
    // A part goes on with its whole under another name.
    let renamed = accepted(&written(&format!("    was: ca\n{shares}")));
    assert_eq!(renamed.catalog.renames.objectives[&ObjectiveId::from("ca/web")].as_str(), "revenue-month/web");
}

#[test]
fn mistakes_of_splits_are_told() {
    let split = |split: &str| format!("    reach: 400000\n    period: month\n    split: {split}\n");
    let check = |text: &str, parts: &[&str]| wrong(&split(text), parts);
    check("{channel: {web: 60 %, shop: 30 %}}", &["the shares sum to 90 %, not to 100 %"]);
    check("{channel: {web: 100000, shop: 200000}}", &["sum to 300000, not to the target 400000"]);
    check("{channel: {web: 60 %, shop: 200000}}", &["shares and amounts are mixed"]);
    check("{chanel: {web: 60 %, shop: 40 %}}", &["`chanel` is not a dimension", "did you mean `channel`?"]);
    check("{channel: [web, shop]}", &["which share each value has"]);
    check("{channel: {web: 50 %, Web: 50 %}}", &["alike but for signs"]);
    check("{}", &["by one dimension"]);
    let whole = "    reach: 1\n    where: {channel: web}\n    period: month\n    split: {channel: {web: 100 %}}\n";
    wrong(whole, &["already holds the objective"]);
    wrong(
        "    reach: 1\n    measure: each\n    period: month\n    split: {channel: {web: 100 %}}\n",
        &["don't sum to it", "with `where`"],
    );
    wrong(
        "    reach: +5 %\n    baseline: previous\n    period: month\n    split: {channel: {web: 60 %, shop: 40 %}}\n",
        &["has no shares", "the values alone"],
    );
}
