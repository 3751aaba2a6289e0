//! `objectives review` and `roll` for every kind of target: what they write is right, or they say why they write nothing.

use std::path::Path;

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::objectives::{applied, ran, shown};
use super::support::{folder, vigie};

/// Sales of 12 000 € a day, a tenth more than the year before, costs of 9 000 €, and a stock of about 100: none of its
/// objectives is within reach.
const SHOP: &str = r"timezone: Europe/Paris
state: sqlite:vigie.db
people:
  claire: {mail: claire@example.test}
sources:
  shop: {csv: {path: shop.csv}}
  stocks: {csv: {path: stock.csv}}
kpis:
  revenue:
    title: Chiffre d'affaires
    category: financial
    unit: EUR
    source: shop
    query: {time: date, value: montant}
    dimensions: [canal]
    history: 9000d
    owner: claire
  costs:
    title: Dépenses
    category: financial
    unit: EUR
    better: lower
    source: shop
    query: {time: date, value: frais}
    history: 9000d
  stock:
    title: Stock
    category: operational
    kind: level
    source: stocks
    query: {time: date, value: stock}
    history: 9000d
  returns:
    title: Retours
    category: operational
    kind: level
    better: lower
    source: stocks
    query: {time: date, value: stock}
    history: 9000d
objectives:
  split:
    kpi: revenue
    statement: Vendre plus par canal
    reach: 6000000
    period: 2026
    split: {canal: {web: 4000000, boutique: 2000000}}
  shares:
    kpi: revenue
    statement: Vendre plus par part
    reach: 6000000
    period: 2026
    split: {canal: {web: 60 %, boutique: 40 %}}
  milestones:
    kpi: revenue
    statement: Vendre plus par étapes
    reach: 6000000
    period: 2026
    trajectory: {milestones: {2026-06-30: 3000000, 2026-11-30: 5500000}}
  growth:
    kpi: revenue
    statement: Croître
    reach: +50 %
    baseline: year_before
    period: 2026
  budget:
    kpi: costs
    statement: Tenir le budget
    at_most: 2500000
    period: 2026
  reduced:
    kpi: returns
    statement: Réduire
    reduce_to: 20
    baseline: 110
    period: 2026
  floor:
    kpi: stock
    statement: Rester au-dessus
    at_least: 150
    measure: mean
    period: 2026
  band:
    kpi: stock
    statement: Rester dans la fourchette
    between: [10, 20]
    measure: mean
    period: 2026
  kept:
    kpi: stock
    statement: Atteindre puis garder
    reach: 150
    measure: at_end
    done_by: 2026-03-31
    then: keep
    period: 2026
  done:
    kpi: stock
    statement: Finir tôt
    reach: 150
    measure: at_end
    baseline: 90
    done_by: 2026-10-31
    period: 2026
receivers:
  direction: {maildir: {path: boites, to: [claire]}}
route: {to: direction}
";

fn shop() -> tempfile::TempDir {
    let dir = folder(SHOP);
    let days = date(2024, 1, 1).series(1.days()).take_while(|day| *day <= date(2026, 10, 20));
    let days: Vec<Date> = days.collect();
    let swing = |day: Date| i64::from(day.day() % 7);
    let sales = |day: &Date| {
        let sold = 8_000 + 800 * i64::from(day.year() - 2025) + 40 * swing(*day);
        let (rest, costs) = (4_000 + 20 * swing(*day), 4_500 + 30 * swing(*day));
        format!("{day};web;{sold};{costs}\n{day};boutique;{rest};{costs}\n")
    };
    let stock = |day: &Date| format!("{day};{}\n", 97 + swing(*day));
    let write =
        |name: &str, head: &str, rows: String| std::fs::write(dir.path().join(name), format!("{head}{rows}")).unwrap();
    write("shop.csv", "date;canal;montant;frais\n", days.iter().map(sales).collect());
    write("stock.csv", "date;stock\n", days.iter().map(stock).collect());
    dir
}

/// The number that stands behind a key in an entry.
#[track_caller]
fn number(text: &str, entry: &str, key: &str) -> f64 {
    let entry = text.split(&format!("\n  {entry}:\n")).nth(1).expect("the entry");
    let rest = entry.split(&format!("{key}: ")).nth(1).unwrap_or_else(|| panic!("{key} in {entry}"));
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+')).collect();
    digits.parse().unwrap_or_else(|_| panic!("{key}: {rest}"))
}

fn check(dir: &Path) {
    let checked = vigie(dir, &["check", "--config", "vigie.yaml"]);
    assert_eq!(checked.code, 0, "{checked:?}");
}

#[test]
fn every_kind_of_target_gets_a_patch_that_is_right() {
    let dir = shop();
    check(dir.path());
    let patch = shown(dir.path(), &["review", "--at", "2026-10-15"]);
    insta::assert_snapshot!("objectives_review_kinds", patch);
    let new = applied(SHOP, &patch);
    std::fs::write(dir.path().join("vigie.yaml"), &new).unwrap();
    check(dir.path());

    let reach = number(&new, "split", "reach");
    assert!(reach < 5_000_000.0, "{new}");
    assert_eq!(number(&new, "split", "{web") + number(&new, "split", "boutique"), reach);
    assert_eq!(number(&new, "shares", "{web"), 60.0);
    // What is over stays; what is to come leads to the new target.
    assert_eq!(number(&new, "milestones", "2026-06-30"), 3_000_000.0);
    let ahead = number(&new, "milestones", "2026-11-30");
    assert!(3_000_000.0 < ahead && ahead < number(&new, "milestones", "reach"), "{new}");
    let growth = number(&new, "growth", "reach");
    assert!((1.0..20.0).contains(&growth), "{new}");
    assert!(number(&new, "budget", "at_most") > 3_000_000.0 && number(&new, "reduced", "reduce_to") > 90.0, "{new}");
    assert!((90.0..105.0).contains(&number(&new, "floor", "at_least")), "{new}");
    assert!(new.contains("between: [10, 10"), "{new}");
    assert!((90.0..105.0).contains(&number(&new, "done", "reach")), "{new}");
    assert_eq!(number(&new, "kept", "reach"), 150.0);

    // Nothing is left to propose, and what can't be mended says why.
    let again = shown(dir.path(), &["review", "--at", "2026-10-15"]);
    assert!(again.lines().all(|line| line.starts_with("# ")), "{again}");
    assert!(again.contains("# kept: ") && again.contains("which no other target mends"), "{again}");
    assert!(patch.contains("# split/web: ") && patch.contains("it is a part of `split`"), "{patch}");
}

#[test]
fn amounts_of_parts_are_raised_with_their_whole() {
    let dir = shop();
    let yaml = shown(dir.path(), &["roll", "split", "shares", "--by", "+5 %"]);
    assert_eq!(number(&yaml, "split-2027", "reach"), 6_300_000.0, "{yaml}");
    assert_eq!(number(&yaml, "split-2027", "{web"), 4_200_000.0, "{yaml}");
    assert_eq!(number(&yaml, "split-2027", "boutique"), 2_100_000.0, "{yaml}");
    assert_eq!(number(&yaml, "shares-2027", "{web"), 60.0, "{yaml}");
}

#[test]
fn a_baseline_is_noted_for_what_it_becomes() {
    let dir = shop();
    let yaml = shown(dir.path(), &["roll", "growth", "reduced"]);
    let note = |entry: &str| yaml.split(&format!("\n  {entry}:\n")).next().unwrap().lines().last().unwrap().to_owned();
    assert!(note("growth-2027").contains("moves along"), "{yaml}");
    assert!(note("reduced-2027").contains("write that of the new period"), "{yaml}");
    let relative = ran(dir.path(), &["roll", "growth", "--by", "+5 %"]);
    assert!(relative.code == 1 && relative.err.contains("leave --by out"), "{relative:?}");
}

#[test]
fn a_change_is_from_the_baseline_that_is_written() {
    let dir = shop();
    let lossy = SHOP.replace("reach: +50 %\n    baseline: year_before", "reach: +250 %\n    baseline: -4000000");
    std::fs::write(dir.path().join("vigie.yaml"), &lossy).unwrap();
    let patch = shown(dir.path(), &["review", "--at", "2026-10-15", "growth"]);
    // The year ends at about 4,740,000: that is 8,740,000 more than -4,000,000.
    assert_eq!(number(&applied(&lossy, &patch), "growth", "reach"), 218.0, "{patch}");
}
