//! The pictures of a message, drawn beside whatever else goes on. A mail goes without one that can't be drawn.

use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::chart::{ObjectiveChart, Theme};
use crate::clock::monotonic;
use crate::locale::PictureWords;
use crate::model::notification::{Message, NewDelivery, Picture};
use crate::model::unit::Language;

/// The part of a delivery's deadline that drawing may take.
const DEADLINE_PART: u32 = 4;

/// Sections whose pictures are drawn: relays refuse what is large.
const PICTURES_MAX: usize = 8;

/// The picture of each section as PNG, where it has one.
pub(super) type Pictures = Vec<Option<Vec<u8>>>;

/// Draws what the delivery's message shows; gives with it what is left of the deadline.
pub(super) async fn drawn(delivery: &NewDelivery, deadline: Duration) -> (Pictures, Duration) {
    if delivery.message.sections.iter().all(|section| section.picture.is_none()) {
        return (Vec::new(), deadline);
    }
    let (began, limit) = (monotonic(), deadline / DEADLINE_PART);
    let left = |began: Instant| deadline.saturating_sub(monotonic().duration_since(began));
    let message = delivery.message.clone();
    let why = match timeout(limit, spawn_blocking(move || draw(&message))).await {
        Ok(Ok(pictures)) => return (pictures, left(began)),
        Ok(Err(_)) => "drawing broke off, report this".to_owned(),
        Err(_) => format!("drawing took longer than {} s", limit.as_secs()),
    };
    tracing::warn!(delivery = delivery.key, why, "a mail goes without its pictures");
    (Vec::new(), left(began))
}

/// Light, at double density, on a ground of its own: it reads on dark ground as well.
fn draw(message: &Message) -> Pictures {
    let of = |picture: &Picture| {
        let words = words(picture, message.language);
        ObjectiveChart::of(picture, &words).png(Theme::Light)
    };
    message.sections.iter().take(PICTURES_MAX).map(|section| section.picture.as_ref().map(of)).collect()
}

/// A picture in a sentence or two, with its figures.
pub(super) fn alt_text(picture: &Picture, language: Language) -> String {
    let words = words(picture, language);
    ObjectiveChart::of(picture, &words).alt_text()
}

fn words(picture: &Picture, language: Language) -> PictureWords {
    PictureWords { lang: language, unit: picture.unit.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(40);

    #[tokio::test]
    async fn each_section_has_its_picture() {
        let mut delivery = fixture::firing_fr();
        let mut bare = delivery.message.sections[0].clone();
        bare.picture = None;
        delivery.message.sections.push(bare);
        let (pictures, left) = drawn(&delivery, DEADLINE).await;
        assert!(left < DEADLINE && left > Duration::from_secs(30), "{left:?}");
        let [Some(png), None] = pictures.as_slice() else { panic!("{} pictures", pictures.len()) };
        assert_eq!((&png[..4], &png[12..16]), (&b"\x89PNG"[..], &b"IHDR"[..]));
        // Double density.
        assert_eq!((&png[16..20], &png[20..24]), (&1200_u32.to_be_bytes()[..], &600_u32.to_be_bytes()[..]));
        assert!(png.len() < 100_000, "{}", png.len());
        delivery.message.sections.remove(0);
        assert_eq!(drawn(&delivery, DEADLINE).await, (Vec::new(), DEADLINE));
    }

    #[tokio::test]
    async fn a_picture_that_takes_too_long_is_left_out() {
        let (pictures, left) = drawn(&fixture::firing_fr(), Duration::ZERO).await;
        assert_eq!((pictures, left), (Vec::new(), Duration::ZERO));
    }
}
