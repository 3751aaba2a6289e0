//! Public holidays by country and region, with their names. Everything is computed, so that no table can run out.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::unit::Language;

/// Whose public holidays are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Country {
    France(FrenchRegion),
}

/// Where in France: some of it has holidays of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrenchRegion {
    #[default]
    National,
    /// Bas-Rhin, Haut-Rhin and Moselle: Good Friday and 26 December besides the national ones.
    AlsaceMoselle,
}

/// A public holiday's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holiday {
    pub fr: &'static str,
    pub en: &'static str,
}

impl Holiday {
    pub fn name(self, language: Language) -> &'static str {
        match language {
            Language::Fr => self.fr,
            Language::En => self.en,
        }
    }
}

impl Country {
    /// The holidays of a year; two may fall on one day.
    pub(super) fn holidays(self, year: i16) -> Vec<(Date, Holiday)> {
        match self {
            Country::France(region) => french_holidays(year, region),
        }
    }
}

const GOOD_FRIDAY: Holiday = Holiday { fr: "Vendredi saint", en: "Good Friday" };
const ST_STEPHEN: Holiday = Holiday { fr: "Saint-Étienne", en: "St Stephen's Day" };

/// The eleven national holidays, of which four hang on Easter, and those of the region.
fn french_holidays(year: i16, region: FrenchRegion) -> Vec<(Date, Holiday)> {
    let easter = easter(year);
    let after_easter = |days: i64| easter.saturating_add(days.days());
    let holiday = |fr, en| Holiday { fr, en };
    let mut holidays = vec![
        (date(year, 1, 1), holiday("Jour de l'an", "New Year's Day")),
        (after_easter(1), holiday("Lundi de Pâques", "Easter Monday")),
        (date(year, 5, 1), holiday("Fête du Travail", "Labour Day")),
        (date(year, 5, 8), holiday("Victoire de 1945", "Victory Day 1945")),
        (after_easter(39), holiday("Ascension", "Ascension Day")),
        (after_easter(50), holiday("Lundi de Pentecôte", "Whit Monday")),
        (date(year, 7, 14), holiday("Fête nationale", "Bastille Day")),
        (date(year, 8, 15), holiday("Assomption", "Assumption Day")),
        (date(year, 11, 1), holiday("Toussaint", "All Saints' Day")),
        (date(year, 11, 11), holiday("Armistice de 1918", "Armistice Day")),
        (date(year, 12, 25), holiday("Noël", "Christmas Day")),
    ];
    if region == FrenchRegion::AlsaceMoselle {
        holidays.push((after_easter(-2), GOOD_FRIDAY));
        holidays.push((date(year, 12, 26), ST_STEPHEN));
    }
    holidays
}

/// Easter Sunday of the Gregorian calendar (the anonymous algorithm that Meeus gives).
fn easter(year: i16) -> Date {
    let year_number = i32::from(year);
    let golden = year_number.rem_euclid(19);
    let (century, of_century) = (year_number.div_euclid(100), year_number.rem_euclid(100));
    let lunar_shift = (century - (century + 8).div_euclid(25) + 1).div_euclid(3);
    let epact = (19 * golden + century - century.div_euclid(4) - lunar_shift + 15).rem_euclid(30);
    let to_sunday = (32 + 2 * century.rem_euclid(4) + 2 * (of_century / 4) - epact - of_century % 4).rem_euclid(7);
    let correction = (golden + 11 * epact + 22 * to_sunday) / 451;
    let day = epact + to_sunday - 7 * correction + 114;
    Date::new(year, (day / 31) as i8, (day % 31 + 1) as i8)
        .expect("invariant: Easter falls between 22 March and 25 April")
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;

    use super::*;

    #[test]
    fn easter_falls_where_the_almanac_says() {
        for day in [
            date(1900, 4, 15),
            date(2000, 4, 23),
            date(2008, 3, 23),
            date(2024, 3, 31),
            date(2025, 4, 20),
            date(2026, 4, 5),
            date(2027, 3, 28),
            date(2038, 4, 25),
        ] {
            assert_eq!(easter(day.year()), day);
        }
    }

    #[test]
    fn easter_has_a_day_in_every_year_of_the_calendar() {
        for year in -9999..=9999 {
            assert_eq!(easter(year).weekday(), Weekday::Sunday, "{year}");
        }
    }

    #[test]
    fn regions_add_to_the_national_holidays() {
        let national = french_holidays(2027, FrenchRegion::National);
        let alsace = french_holidays(2027, FrenchRegion::AlsaceMoselle);
        assert_eq!((national.len(), &alsace[..11]), (11, &national[..]));
        assert_eq!(alsace[11..], [(date(2027, 3, 26), GOOD_FRIDAY), (date(2027, 12, 26), ST_STEPHEN)]);
        assert_eq!(
            (ST_STEPHEN.name(Language::Fr), ST_STEPHEN.name(Language::En)),
            ("Saint-Étienne", "St Stephen's Day")
        );
    }
}
