//! Pictures of all kinds of objectives, also of impossible ones.

use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::{Span, ToSpan};

use super::drawing;
use super::font;
use super::objective::ObjectiveChart;
use super::scene::{Frame, Scene, Shape, Text};
use super::theme::Theme;
use crate::locale::PictureWords;
use crate::model::course::{Course, CourseEvent, CourseShape, Fan, Goal};
use crate::model::unit::{Language, Unit};

/// What is drawn in a test.
struct Case {
    name: &'static str,
    title: String,
    remark: Option<String>,
    unit: Unit,
    course: Course,
}

fn euro() -> Unit {
    Unit::Currency("EUR".to_owned())
}

fn event(on: Date, name: &str) -> CourseEvent {
    CourseEvent { on, name: name.to_owned() }
}

/// Buckets of that length from the first day up to before the other; nothing is known yet.
fn empty(from: Date, until: Date, step: Span) -> Course {
    let mut buckets: Vec<DateTime> = Vec::new();
    let mut at = from.at(0, 0, 0, 0);
    while at < until.at(0, 0, 0, 0) {
        buckets.push(at);
        at = at.checked_add(step).unwrap();
    }
    let closed = buckets.iter().map(|at| matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday)).collect();
    Course {
        shape: CourseShape::Cumulated,
        buckets,
        end: until.at(0, 0, 0, 0),
        now: None,
        actual: Vec::new(),
        expected: Vec::new(),
        landing: Vec::new(),
        target: None,
        closed,
        events: Vec::new(),
    }
}

/// Working days take the target in equal parts; of it the given share is done in the first buckets, and the rest foretold.
fn cumulated(mut course: Course, target: f64, known: usize, share: f64) -> Course {
    let count = course.buckets.len();
    let weights: Vec<f64> = course.closed.iter().map(|closed| if *closed { 0.15 } else { 1.0 }).collect();
    let whole: f64 = weights.iter().sum();
    let mut passed = 0.0;
    let mut actual = 0.0;
    for (at, weight) in weights.iter().enumerate() {
        passed += weight / whole;
        course.expected.push(Some(passed * target));
        course.landing.push(None);
        let wave = 1.0 + 0.45 * ((at * 7919 % 13) as f64 / 6.0 - 1.0);
        if at < known {
            actual += weight / whole * target * share * wave;
            course.actual.push(Some(actual));
        } else {
            let begun = course.actual.last().copied().flatten().unwrap_or(0.0);
            let passed_then = known.checked_sub(1).map_or(0.0, |last| course.expected[last].unwrap_or(0.0));
            let mean = begun + (passed * target - passed_then) * share;
            let spread = target.abs() * 0.09 * ((at + 1 - known) as f64 / (count - known) as f64).sqrt();
            course.landing[at] = Some(Fan { mean, low: mean - spread, high: mean + spread });
        }
    }
    course.now = course.buckets.get(known).map(|at| at.checked_add(6.hours()).unwrap());
    course.target = Some(Goal::At(target));
    course
}

fn month() -> Course {
    empty(date(2026, 11, 1), date(2026, 12, 1), 1.day())
}

fn revenue() -> Case {
    let mut course = cumulated(month(), 2_000_000.0, 22, 0.86);
    course.closed[10] = true;
    course.events = vec![event(date(2026, 11, 11), "Armistice"), event(date(2026, 11, 27), "Black Friday")];
    Case {
        name: "revenue",
        title: "Chiffre d'affaires de novembre".to_owned(),
        remark: Some("8\u{202f}% de chances d'atteindre la cible".to_owned()),
        unit: euro(),
        course,
    }
}

/// A level that must stay within a band.
fn stock() -> Case {
    let mut course = empty(date(2026, 9, 28), date(2026, 12, 28), 7.days());
    course.shape = CourseShape::Level;
    course.closed.clear();
    course.actual = [41.0, 43.5, 47.0, 46.0, 44.5, 49.0, 52.5, 55.0].map(Some).to_vec();
    course.actual[3] = None;
    course.landing = vec![None; 8];
    for step in 1..=5_u8 {
        let step = f64::from(step);
        let mean = 55.0 + step * 0.9;
        course.landing.push(Some(Fan { mean, low: mean - 1.6 * step.sqrt(), high: mean + 1.6 * step.sqrt() }));
    }
    course.target = Some(Goal::Between(40.0, 50.0));
    course.now = Some(date(2026, 11, 23).at(7, 30, 0, 0));
    course.events = vec![
        event(date(2026, 11, 2), "Nouvel entrepôt de Lille"),
        event(date(2026, 11, 5), "Inventaire"),
        event(date(2026, 12, 24), "Réveillon"),
    ];
    Case {
        name: "stock",
        title: "Jours de stock".to_owned(),
        remark: Some("31\u{202f}% de chances de finir dans la bande".to_owned()),
        unit: Unit::Other("jours".to_owned()),
        course,
    }
}

fn year() -> Case {
    let mut course = cumulated(empty(date(2026, 1, 1), date(2027, 1, 1), 1.day()), 24_500_000.0, 320, 1.04);
    course.events = (1..=11)
        .map(|month| {
            event(date(2026, month, 3), ["Soldes", "Salon de l'agriculture", "Grève", "Promo"][month as usize % 4])
        })
        .collect();
    Case {
        name: "year",
        title: "Revenue 2026".to_owned(),
        remark: Some("93% likely to be reached".to_owned()),
        unit: euro(),
        course,
    }
}

/// Every odd thing that figures, names and dates may be.
fn cases() -> Vec<Case> {
    let case = |name, course| Case { name, title: "Titre".to_owned(), remark: None, unit: euro(), course };
    let mut cases = vec![revenue(), stock(), year()];
    let mut early = cumulated(month(), 2_000_000.0, 0, 1.0);
    early.landing.clear();
    early.now = None;
    cases.push(case("nothing_yet", early));
    cases.push(case("first_day", cumulated(month(), 2_000_000.0, 1, 0.9)));
    cases.push(case("last_day", cumulated(month(), 2_000_000.0, 29, 0.97)));
    cases.push(case("over", cumulated(month(), 2_000_000.0, 30, 0.97)));
    cases.push(case("on_track", cumulated(month(), 2_000_000.0, 20, 1.0)));
    cases.push(case("one_bucket", cumulated(empty(date(2026, 11, 1), date(2026, 11, 2), 1.day()), 100.0, 1, 0.5)));
    cases.push(case("leap_year", cumulated(empty(date(2028, 1, 1), date(2029, 1, 1), 1.day()), 1e6, 183, 0.7)));
    cases.push(case("hours", cumulated(empty(date(2026, 11, 23), date(2026, 11, 24), 1.hour()), 4_000.0, 9, 1.2)));
    cases.push(case("two_days", cumulated(empty(date(2026, 11, 23), date(2026, 11, 25), 1.hour()), 4_000.0, 30, 0.8)));
    cases.push(case("fiscal", cumulated(empty(date(2026, 4, 1), date(2027, 4, 1), 7.days()), 3e9, 30, 0.98)));
    cases.push(case("decade", cumulated(empty(date(2020, 1, 1), date(2031, 1, 1), 1.month()), 3e5, 80, 0.98)));
    cases.push(case("trillion", cumulated(month(), 1e12, 15, 1.1)));
    cases.push(case("enormous", cumulated(month(), 1e300, 15, 1.1)));
    cases.push(case("tiny", cumulated(month(), 1e-7, 15, 1.1)));
    cases.push(case("negative", cumulated(month(), -250_000.0, 15, 1.1)));
    let mut zero = cumulated(month(), 0.0, 15, 1.0);
    zero.target = Some(Goal::At(0.0));
    cases.push(case("zero", zero));
    let mut far = cumulated(month(), 1_000.0, 15, 1.0);
    far.target = Some(Goal::At(5e8));
    cases.push(case("far_target", far));
    let mut close = month();
    close.shape = CourseShape::Level;
    close.actual = (0..20).map(|at| Some(1_000_000.0 + f64::from(at) * 0.002)).collect();
    close.expected = vec![Some(1_000_000.01); 30];
    close.target = Some(Goal::At(1_000_000.02));
    close.now = Some(date(2026, 11, 21).at(6, 0, 0, 0));
    cases.push(case("close", close));
    let mut odd = cumulated(month(), 1_000.0, 15, 1.0);
    odd.actual[3] = Some(f64::NAN);
    odd.actual[4] = Some(f64::INFINITY);
    odd.actual[7] = None;
    odd.expected[20] = Some(f64::NEG_INFINITY);
    odd.landing[20] = Some(Fan { mean: 5.0, low: f64::NAN, high: 9.0 });
    odd.landing[29] = Some(Fan { mean: 800.0, low: -1e9, high: 1e9 });
    odd.landing.extend([Some(Fan { mean: 1.0, low: 1.0, high: 1.0 }); 40]);
    odd.actual.truncate(15);
    cases.push(case("gaps", odd));
    let mut bare = month();
    bare.target = Some(Goal::At(f64::NAN));
    cases.push(case("bare", bare));
    let mut none = month();
    none.buckets.clear();
    none.now = Some(none.end);
    cases.push(case("no_buckets", none));
    let mut crowd = cumulated(month(), 2_000_000.0, 22, 0.86);
    crowd.events = (1..=30).map(|day| event(date(2026, 11, day), "Événement <de> \"plus\" & d'autres")).collect();
    cases.push(Case {
        title: "Chiffre d'affaires <b>net</b> & \"brut\" ]]> des magasins du Grand Est \u{202e}🚀 إيرادات 売上高, hors promotions, "
            .repeat(4),
        remark: Some("Une remarque <i>très</i> longue & détaillée ".repeat(6)),
        unit: Unit::Other("commandes expédiées à temps et complètes <&>".to_owned()),
        ..case("hostile", crowd)
    });
    cases
}

fn each_picture(mut check: impl FnMut(&str, &ObjectiveChart<'_>, Theme)) {
    for case in cases() {
        for lang in [Language::Fr, Language::En] {
            let words = PictureWords { lang, unit: case.unit.clone() };
            let chart = ObjectiveChart {
                title: case.title.clone(),
                remark: case.remark.clone(),
                course: &case.course,
                words: &words,
            };
            for theme in [Theme::Light, Theme::Dark] {
                check(&format!("{}-{lang:?}-{theme:?}", case.name).to_lowercase(), &chart, theme);
            }
        }
    }
}

/// The room of a text's letters, from the tallest to the lowest.
fn frame(text: &Text) -> Frame {
    Frame {
        left: text.left,
        top: text.baseline - font::ASCENT * text.size,
        right: text.left + text.width,
        bottom: text.baseline + font::DESCENT * text.size,
    }
}

fn texts(scene: &Scene) -> Vec<&Text> {
    fn text(shape: &Shape) -> Option<&Text> {
        match shape {
            Shape::Text(text) => Some(text),
            _ => None,
        }
    }
    scene.shapes.iter().filter_map(text).collect()
}

#[test]
fn no_text_overlaps_another_or_leaves_the_picture() {
    each_picture(|name, chart, theme| {
        let scene = drawing::scene(chart, theme);
        let whole = Frame { left: 0.0, top: 0.0, right: scene.width, bottom: scene.height };
        let texts = texts(&scene);
        for (at, text) in texts.iter().enumerate() {
            assert!(whole.holds(&frame(text)), "{name}: {text:?}");
            for other in &texts[at + 1..] {
                assert!(!frame(text).overlaps(&frame(other)), "{name}: {:?} over {:?}", text.words, other.words);
            }
        }
    });
}

#[test]
fn every_coordinate_lies_in_the_picture() {
    each_picture(|name, chart, theme| {
        let scene = drawing::scene(chart, theme);
        let is_inside = |(x, y): &(f64, f64)| (0.0..=scene.width).contains(x) && (0.0..=scene.height).contains(y);
        for shape in &scene.shapes {
            match shape {
                Shape::Area { points, .. } | Shape::Line { points, .. } => {
                    assert!(points.len() > 1 && points.iter().all(is_inside), "{name}: {shape:?}");
                }
                Shape::Dot { at, .. } => assert!(is_inside(at), "{name}: {shape:?}"),
                Shape::Text(text) => assert!(text.width > 0.0 && text.size >= 9.0, "{name}: {shape:?}"),
            }
        }
    });
}

#[test]
fn svg_is_well_formed_and_says_what_it_shows() {
    each_picture(|name, chart, theme| {
        let svg = chart.svg(theme);
        let parsed = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}\n{svg}"));
        let root = parsed.root_element();
        assert_eq!(
            root.attribute("aria-label"),
            Some(chart.alt_text().as_str()).map(|_| root.attribute("aria-label").unwrap())
        );
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
        assert_eq!(svg, chart.svg(theme), "{name}");
        assert!(svg.len() < 60_000, "{name}: {}", svg.len());
    });
}

#[test]
fn png_is_twice_as_dense_and_small() {
    each_picture(|name, chart, theme| {
        let file = chart.png(theme);
        let decoder = png::Decoder::new(std::io::Cursor::new(&file));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.width, info.height), (1200, 600), "{name}");
        assert!(file.len() < 60_000, "{name}: {}", file.len());
        // To be looked at.
        if let Some(folder) = std::env::var_os("VIGIE_PICTURES") {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), &file).unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.svg")), chart.svg(theme)).unwrap();
        }
    });
}

#[test]
fn pictures_stay_as_they_were_approved() {
    let golden = [
        (revenue(), Language::Fr, Theme::Light),
        (stock(), Language::Fr, Theme::Dark),
        (year(), Language::En, Theme::Light),
    ];
    for (case, lang, theme) in golden {
        let words = PictureWords { lang, unit: case.unit };
        let chart = ObjectiveChart { title: case.title, remark: case.remark, course: &case.course, words: &words };
        insta::assert_snapshot!(case.name, chart.svg(theme));
        insta::assert_snapshot!(format!("{}_blocks", case.name), format!("{}\n{}", chart.blocks(80), chart.alt_text()));
    }
}

#[test]
fn blocks_keep_within_their_columns() {
    each_picture(|name, chart, _| {
        for (columns, most) in [(0, 40), (40, 40), (80, 80), (120, 120), (5_000, 160)] {
            let picture = chart.blocks(columns);
            let widest = picture.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= most, "{name} in {columns}: {widest}\n{picture}");
            assert!((12..=15).contains(&picture.lines().count()), "{name} in {columns}:\n{picture}");
            assert!(!picture.contains(|character: char| character.is_control() && character != '\n'), "{name}");
        }
    });
}

#[test]
fn figures_that_differ_look_different() {
    let mut case = revenue();
    case.course.actual[21] = Some(1_399_960.0);
    case.course.expected[21] = Some(1_400_040.0);
    let words = PictureWords { lang: Language::En, unit: case.unit };
    let chart = ObjectiveChart { title: case.title, remark: None, course: &case.course, words: &words };
    let scene = drawing::scene(&chart, Theme::Light);
    let shown: Vec<&str> = texts(&scene).iter().map(|text| text.words.as_str()).collect();
    assert!(shown.contains(&"Actual €1.39996M") && shown.contains(&"Expected €1.40004M"), "{shown:?}");
}
