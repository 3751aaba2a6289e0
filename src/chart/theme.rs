//! The colours of a picture, for light and dark surroundings.
//!
//! After Okabe and Ito, whose colours stay apart for colour-blind readers; those of texts are darkened or lightened until
//! they can be read on every ground that they stand on.

/// What surrounds a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// A colour, and how much of it covers what lies beneath.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ink {
    pub rgb: [u8; 3],
    pub alpha: f64,
}

impl Ink {
    const fn full(rgb: u32) -> Self {
        Ink::thin(rgb, 1.0)
    }

    const fn thin(rgb: u32, alpha: f64) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Ink { rgb: [red, green, blue], alpha }
    }
}

/// One ink per thing that is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    pub ground: Ink,
    pub title: Ink,
    pub muted: Ink,
    pub grid: Ink,
    pub axis: Ink,
    pub closed: Ink,
    pub actual: Ink,
    pub expected: Ink,
    pub expected_text: Ink,
    pub target: Ink,
    pub target_text: Ink,
    pub band: Ink,
    pub landing: Ink,
    pub landing_text: Ink,
    pub fan: Ink,
}

const LIGHT: Palette = Palette {
    ground: Ink::full(0xff_ff_ff),
    title: Ink::full(0x11_18_27),
    muted: Ink::full(0x56_5f_6d),
    grid: Ink::full(0xe4_e7_eb),
    axis: Ink::full(0x8b_94_a1),
    closed: Ink::thin(0x8b_94_a1, 0.11),
    actual: Ink::full(0x11_18_27),
    expected: Ink::full(0x6b_74_82),
    expected_text: Ink::full(0x56_5f_6d),
    target: Ink::full(0xc9_56_00),
    target_text: Ink::full(0xa0_42_00),
    band: Ink::thin(0xd5_5e_00, 0.10),
    landing: Ink::full(0x00_72_b2),
    landing_text: Ink::full(0x00_60_98),
    fan: Ink::thin(0x56_b4_e9, 0.28),
};

const DARK: Palette = Palette {
    ground: Ink::full(0x16_19_1f),
    title: Ink::full(0xf3_f5_f8),
    muted: Ink::full(0xaa_b3_c0),
    grid: Ink::full(0x2b_30_39),
    axis: Ink::full(0x6c_76_84),
    closed: Ink::thin(0xaa_b3_c0, 0.07),
    actual: Ink::full(0xf7_f9_fb),
    expected: Ink::full(0x98_a2_b1),
    expected_text: Ink::full(0xb4_bc_c8),
    target: Ink::full(0xe6_9f_00),
    target_text: Ink::full(0xf2_ae_1c),
    band: Ink::thin(0xe6_9f_00, 0.14),
    landing: Ink::full(0x56_b4_e9),
    landing_text: Ink::full(0x7c_c6_f0),
    fan: Ink::thin(0x56_b4_e9, 0.22),
};

impl Theme {
    pub(super) fn palette(self) -> &'static Palette {
        match self {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ink, Theme};

    fn over(ink: Ink, ground: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|at| f64::from(ink.rgb[at]) * ink.alpha + ground[at] * (1.0 - ink.alpha))
    }

    /// As the Web Content Accessibility Guidelines reckon it.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let luminance = |rgb: [f64; 3]| {
            let linear = rgb.map(|part| {
                let part = part / 255.0;
                if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055_f64).powf(2.4) }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_can_be_read_and_every_line_be_seen() {
        assert!((contrast([0.0; 3], [255.0; 3]) - 21.0).abs() < 1e-9);
        for theme in [Theme::Light, Theme::Dark] {
            let palette = theme.palette();
            let ground = over(palette.ground, [0.0; 3]);
            let grounds =
                [ground, over(palette.closed, ground), over(palette.fan, ground), over(palette.band, ground), {
                    over(palette.fan, over(palette.closed, ground))
                }];
            for ground in grounds {
                for text in [
                    palette.title,
                    palette.muted,
                    palette.actual,
                    palette.expected_text,
                    palette.target_text,
                    palette.landing_text,
                ] {
                    let found = contrast(over(text, ground), ground);
                    assert!(found >= 4.5, "{theme:?}: {text:?} on {ground:?} has {found:.2}");
                }
                for line in [palette.actual, palette.expected, palette.target, palette.landing] {
                    let found = contrast(over(line, ground), ground);
                    assert!(found >= 3.0, "{theme:?}: {line:?} on {ground:?} has {found:.2}");
                }
            }
        }
    }
}
