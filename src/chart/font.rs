//! The embedded letters: Inter, cut to what French, English and their neighbours need.
//!
//! Its licence stands beside the files, and how they were made in `font/README.md`.

use std::sync::LazyLock;

use ttf_parser::{GlyphId, OutlineBuilder, RawFace, Tag, cff, cmap, head, hhea, hmtx, maxp};

/// Of the text's size: from the baseline to the top of the tallest letters that matter (`É`), and to the lowest (`g`).
pub(super) const ASCENT: f64 = 0.97;
pub(super) const DESCENT: f64 = 0.22;

/// How wide the box is that stands for a letter of another script; a browser has the letter itself.
const BOX: f64 = 0.72;
/// Most characters of a text that are looked at.
const CHARACTERS_MAX: usize = 400;

static REGULAR: LazyLock<Font> = LazyLock::new(|| font(include_bytes!("font/inter-regular.otf")));
static SEMI_BOLD: LazyLock<Font> = LazyLock::new(|| font(include_bytes!("font/inter-semibold.otf")));

/// The tables of a font that a picture needs; to read all of them would be a third more code.
struct Font {
    letters: cmap::Subtable<'static>,
    widths: hmtx::Table<'static>,
    outlines: cff::Table<'static>,
    units_per_em: f64,
}

impl Font {
    fn parse(bytes: &'static [u8]) -> Option<Self> {
        let raw = RawFace::parse(bytes, 0).ok()?;
        let table = |name: &[u8; 4]| raw.table(Tag::from_bytes(name));
        let letters = cmap::Table::parse(table(b"cmap")?)?.subtables.into_iter().find(cmap::Subtable::is_unicode)?;
        let widths = hhea::Table::parse(table(b"hhea")?)?.number_of_metrics;
        let glyphs = maxp::Table::parse(table(b"maxp")?)?.number_of_glyphs;
        Some(Font {
            letters,
            widths: hmtx::Table::parse(widths, glyphs, table(b"hmtx")?)?,
            outlines: cff::Table::parse(table(b"CFF ")?)?,
            units_per_em: f64::from(head::Table::parse(table(b"head")?)?.units_per_em),
        })
    }

    fn glyph(&self, character: char) -> Option<GlyphId> {
        self.letters.glyph_index(u32::from(character))
    }

    /// How far a character moves the next one, of the text's size.
    fn advance(&self, character: char) -> f64 {
        let known = self.glyph(character).and_then(|glyph| self.widths.advance(glyph));
        known.map_or(BOX, |units| f64::from(units) / self.units_per_em)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    SemiBold,
}

impl Weight {
    fn font(self) -> &'static Font {
        match self {
            Weight::Regular => &REGULAR,
            Weight::SemiBold => &SEMI_BOLD,
        }
    }
}

fn font(bytes: &'static [u8]) -> Font {
    Font::parse(bytes).expect("the embedded font is whole")
}

/// How wide a text is at that size.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let font = weight.font();
    text.chars().map(|character| font.advance(character)).sum::<f64>() * size
}

/// The outline of a text, letter by letter, with the baseline at zero.
pub(super) fn outline(text: &str, size: f64, weight: Weight, into: &mut dyn OutlineBuilder) {
    let font = weight.font();
    let scale = size / font.units_per_em;
    let mut left = 0.0;
    for character in text.chars() {
        match font.glyph(character) {
            Some(glyph) => {
                // A space has no outline, which is no error here.
                let _ = font.outlines.outline(glyph, &mut Placed { into, left: left as f32, scale: scale as f32 });
            }
            None => unknown(left, size, into),
        }
        left += font.advance(character) * size;
    }
}

/// The box of a letter that the font lacks: an outer and, the other way round, an inner edge.
fn unknown(left: f64, size: f64, into: &mut dyn OutlineBuilder) {
    let edge = |from: f64, to: f64, low: f64, high: f64| {
        [(from, low), (from, high), (to, high), (to, low)].map(|(x, y)| ((left + x * size) as f32, (-y * size) as f32))
    };
    let mut inner = edge(0.15, BOX - 0.15, 0.07, 0.65);
    inner.reverse();
    for corners in [edge(0.08, BOX - 0.08, 0.0, 0.72), inner] {
        into.move_to(corners[0].0, corners[0].1);
        for (x, y) in &corners[1..] {
            into.line_to(*x, *y);
        }
        into.close();
    }
}

/// Moves a letter to its place; letters have the ordinate upwards, pictures downwards.
struct Placed<'a> {
    into: &'a mut dyn OutlineBuilder,
    left: f32,
    scale: f32,
}

impl Placed<'_> {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.left + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Placed<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.into.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.into.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.into.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.into.curve_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.into.close();
    }
}

/// A text as a picture can show it: one line, and of what the font lacks only letters, so neither emoji nor marks that
/// change the direction of what follows.
pub(super) fn printable(text: &str) -> String {
    let font = Weight::Regular.font();
    let mut shown = String::new();
    for character in text.chars().take(CHARACTERS_MAX) {
        if character.is_control() || character == ' ' {
            if !shown.ends_with(' ') {
                shown.push(' ');
            }
        } else if font.glyph(character).is_some() || character.is_alphabetic() {
            shown.push(character);
        }
    }
    shown.trim().to_owned()
}

/// The text, or as much of its beginning as fits, with an ellipsis.
pub(super) fn fitted(text: &str, size: f64, weight: Weight, room: f64) -> String {
    if width(text, size, weight) <= room {
        return text.to_owned();
    }
    let font = weight.font();
    let mut left = room / size - font.advance('…');
    let mut kept = String::new();
    for character in text.chars() {
        left -= font.advance(character);
        if left < 0.0 {
            break;
        }
        kept.push(character);
    }
    let kept = kept.trim_end_matches(|character: char| character.is_whitespace() || ",;:.-–".contains(character));
    if kept.is_empty() { String::new() } else { format!("{kept}…") }
}

/// The text in at most two lines, broken between words.
pub(super) fn wrapped(text: &str, size: f64, weight: Weight, room: f64) -> Vec<String> {
    if width(text, size, weight) <= room {
        return vec![text.to_owned()];
    }
    let breaks = text.match_indices(' ').map(|(at, _)| at);
    match breaks.take_while(|at| width(&text[..*at], size, weight) <= room).last() {
        Some(at) => vec![text[..at].to_owned(), fitted(&text[at + 1..], size, weight, room)],
        None => vec![fitted(text, size, weight, room)],
    }
}

#[cfg(test)]
mod tests {
    use super::{Weight, fitted, printable, width, wrapped};

    #[test]
    fn what_french_and_english_write_has_its_letters() {
        for weight in [Weight::Regular, Weight::SemiBold] {
            for character in
                "ÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸàâæçéèêëîïôœùûüÿ«»“”‘’–—…€£$¥%‰°²³·×−±≈≤≥≠→←↑↓↗↘№\u{202f}\u{a0}ŁłŠšŽžŐőß".chars()
            {
                assert!(weight.font().glyph(character).is_some(), "{character:?} in {weight:?}");
            }
        }
        assert!((width("1 234", 10.0, Weight::Regular) - 10.0 * width("1 234", 1.0, Weight::Regular)).abs() < 1e-9);
    }

    #[test]
    fn what_can_not_be_shown_is_left_out() {
        assert_eq!(printable(" CA\t2026 \u{202e}🚀👩‍💻 <b>&\n"), "CA 2026 <b>&");
        assert_eq!(printable("إيرادات"), "إيرادات");
        assert_eq!(printable(&"x".repeat(5_000)).len(), 400);
    }

    #[test]
    fn long_texts_end_in_an_ellipsis_within_their_room() {
        let text = "Chiffre d'affaires des magasins du Grand Est, hors promotions et retours";
        for room in [0.0, 5.0, 20.0, 60.0, 120.0, 5000.0] {
            let kept = fitted(text, 12.0, Weight::SemiBold, room);
            assert!(width(&kept, 12.0, Weight::SemiBold) <= room, "{kept} in {room}");
            for line in wrapped(text, 12.0, Weight::SemiBold, room) {
                assert!(width(&line, 12.0, Weight::SemiBold) <= room, "{line} in {room}");
            }
        }
        assert_eq!(fitted(text, 12.0, Weight::SemiBold, 5000.0), text);
        assert_eq!(wrapped(text, 12.0, Weight::SemiBold, 300.0).len(), 2);
    }
}
