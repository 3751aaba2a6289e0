//! A scene as SVG that stands in a page by itself: no script, no font, no outside reference.

use std::fmt::Write as _;

use super::font::Weight;
use super::scene::{Point, Scene, Shape, Text};
use super::theme::Ink;

/// Of like width as the embedded one where that is not installed.
const FAMILY: &str = "Inter, Roboto, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";

/// How wide the halo of a text is drawn, half of which its letters cover.
pub(super) const HALO: f64 = 3.0;
/// The rim of a dot.
pub(super) const RIM: f64 = 1.5;

/// The scene with its text for those who don't see it.
pub(super) fn svg(scene: &Scene, alt: &str) -> String {
    let alt = escaped(alt);
    let (width, height) = (scene.width, scene.height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{alt}\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILY}\"><title>{alt}</title>\n<rect \
         width=\"{width}\" height=\"{height}\" {}/>",
        paint("fill", scene.ground)
    );
    for shape in &scene.shapes {
        // Writing to a text can't fail.
        let _ = match shape {
            Shape::Area { points, ink } => {
                write!(svg, "\n<path d=\"{}Z\" {}/>", path(points), paint("fill", *ink))
            }
            Shape::Line { points, ink, width, dash } => {
                let dash = dash.map_or(String::new(), |(on, off)| format!(" stroke-dasharray=\"{on} {off}\""));
                let stroke = paint("stroke", *ink);
                write!(
                    svg,
                    "\n<path d=\"{}\" fill=\"none\" {stroke} stroke-width=\"{width}\" stroke-linejoin=\"round\"{dash}/>",
                    path(points)
                )
            }
            Shape::Dot { at: (x, y), radius, ink, rim } => write!(
                svg,
                "\n<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {} {} stroke-width=\"{RIM}\"/>",
                paint("fill", *ink),
                paint("stroke", *rim)
            ),
            Shape::Text(text) => write!(svg, "\n{}", text_element(text)),
        };
    }
    svg.push_str("\n</svg>");
    svg
}

/// In any font the text takes the width that it was given a place for.
fn text_element(text: &Text) -> String {
    let weight = match text.weight {
        Weight::Regular => "",
        Weight::SemiBold => " font-weight=\"600\"",
    };
    let halo = text.halo.map_or(String::new(), |halo| {
        format!(" {} stroke-width=\"{HALO}\" stroke-linejoin=\"round\" paint-order=\"stroke\"", paint("stroke", halo))
    });
    format!(
        "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{weight} {}{halo} textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\">{}\
         </text>",
        text.left,
        text.baseline,
        text.size,
        paint("fill", text.ink),
        text.width,
        escaped(&text.words)
    )
}

fn path(points: &[Point]) -> String {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{x} {y}", if at == 0 { 'M' } else { 'L' });
    }
    path
}

fn paint(what: &str, ink: Ink) -> String {
    let [red, green, blue] = ink.rgb;
    let color = format!("{what}=\"#{red:02x}{green:02x}{blue:02x}\"");
    if ink.alpha < 1.0 { format!("{color} {what}-opacity=\"{}\"", ink.alpha) } else { color }
}

/// Text that may stand in an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Neither is a character of XML.
            '\u{fffe}' | '\u{ffff}' => safe.push(' '),
            character if character.is_control() => safe.push(' '),
            character => safe.push(character),
        }
    }
    safe
}
