//! A delivery as one MIME mail: headers that thread and stop automatic answers, a text part, an HTML part with its pictures.
//!
//! The same delivery always gives the same bytes, so a repeat can be known as one.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message as Mail, MessageBuilder, MultiPart, SinglePart};

use crate::model::notification::{NewDelivery, NotifyReason};
use crate::model::verdict::Severity;

use super::clean;
use super::view::{Bodies, bodies};

const SUBJECT_CHARS_MAX: usize = 250;
/// Alert names listed in a header.
const ALERTS_MAX: usize = 20;
const PNG_IS_A_TYPE: &str = "invariant: image/png is a content type";

/// A mail for one recipient, ready for the wire.
pub(super) struct Mime {
    pub(super) from: Address,
    pub(super) to: Address,
    /// ASCII only, lines ended by CRLF.
    pub(super) bytes: Vec<u8>,
}

/// Who stands in the headers of a mail.
pub(super) struct Parties<'a> {
    pub(super) from: &'a Mailbox,
    pub(super) reply_to: Option<&'a Mailbox>,
    pub(super) to: Vec<&'a Mailbox>,
    pub(super) cc: Vec<&'a Mailbox>,
    /// Whom this copy is for.
    pub(super) recipient: &'a Mailbox,
}

/// Builds the mail.
pub(super) fn build(
    delivery: &NewDelivery,
    parties: &Parties<'_>,
    pictures: &[Option<Vec<u8>>],
) -> Result<Mime, String> {
    let names = names(delivery, parties, pictures);
    let Bodies { text, html, shown } = bodies(&delivery.message, &names)?;
    let part = |kind: ContentType, body: String| {
        SinglePart::builder().header(kind).header(ContentTransferEncoding::QuotedPrintable).body(body)
    };
    let alternative = MultiPart::alternative()
        .boundary(boundary(delivery, "boundary"))
        .singlepart(part(ContentType::TEXT_PLAIN, text));
    let html = part(ContentType::TEXT_HTML, html);
    let mut inline = names.iter().zip(pictures).take(shown).filter_map(|(name, png)| name.as_ref().zip(png.as_ref()));
    let parts = match inline.next() {
        None => alternative.singlepart(html),
        Some(first) => {
            let related = MultiPart::related().boundary(boundary(delivery, "related")).singlepart(html);
            let add = |related: MultiPart, (name, png): (&String, &Vec<u8>)| {
                // Readers that show the parts as a list name them by this.
                let file = name.split('.').next().unwrap_or_default();
                let picture = Attachment::new_inline_with_name(name.clone(), format!("{file}.png"));
                related.singlepart(picture.body(png.clone(), ContentType::parse("image/png").expect(PNG_IS_A_TYPE)))
            };
            alternative.multipart(std::iter::once(first).chain(inline).fold(related, add))
        }
    };
    let mail = headers(delivery, parties)
        .multipart(parts)
        .map_err(|error| format!("the mail for {} can't be built: {error}", delivery.recipient))?;
    let bytes = mail.formatted();
    if !bytes.is_ascii() {
        return Err(format!(
            "the mail for {} holds bytes that not every server takes, report this",
            delivery.recipient
        ));
    }
    Ok(Mime { from: parties.from.email.clone(), to: parties.recipient.email.clone(), bytes })
}

/// The content ids of the pictures: as unique as the delivery's own.
fn names(delivery: &NewDelivery, parties: &Parties<'_>, pictures: &[Option<Vec<u8>>]) -> Vec<Option<String>> {
    let (token, domain) = (clean::token(&delivery.key), domain_of(parties.from));
    let name = |(at, png): (usize, &Option<Vec<u8>>)| png.as_ref().map(|_| format!("chart{at}.{token}@{domain}"));
    pictures.iter().enumerate().map(name).collect()
}

fn boundary(delivery: &NewDelivery, of: &str) -> String {
    format!("=_vigie_{}", clean::token(&format!("{}/{of}", delivery.key)).replace('.', "_"))
}

/// The subject as it is sent: follow-ups get a prefix that mail readers ignore when they thread.
pub(super) fn subject(delivery: &NewDelivery) -> String {
    let stem = clean::one_line(&delivery.message.subject, SUBJECT_CHARS_MAX);
    if delivery.thread.position == 0 { stem } else { format!("Re: {stem}") }
}

/// The opening mail bears the thread's own id, so that follow-ups refer to a mail that was really sent.
pub(super) fn message_id(delivery: &NewDelivery, domain: &str) -> String {
    let name = if delivery.thread.position == 0 { &delivery.thread.root } else { &delivery.key };
    id(name, domain)
}

fn id(name: &str, domain: &str) -> String {
    format!("<{}@{domain}>", clean::token(name))
}

/// The domain of ids; an address literal or a non-ASCII domain makes none.
fn domain_of(from: &Mailbox) -> String {
    let domain = from.email.domain();
    let is_plain = domain.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '.' | '-'));
    if is_plain && !domain.is_empty() { domain.to_owned() } else { "vigie.invalid".to_owned() }
}

fn headers(delivery: &NewDelivery, parties: &Parties<'_>) -> MessageBuilder {
    let domain = domain_of(parties.from);
    let message = &delivery.message;
    let mut mail = Mail::builder()
        .from(parties.from.clone())
        .subject(subject(delivery))
        .message_id(Some(message_id(delivery, &domain)))
        .date(UNIX_EPOCH + Duration::from_secs(message.created_at.as_second().max(0).unsigned_abs()));
    for to in &parties.to {
        mail = mail.to((*to).clone());
    }
    for cc in &parties.cc {
        mail = mail.cc((*cc).clone());
    }
    if let Some(reply_to) = parties.reply_to {
        mail = mail.reply_to(reply_to.clone());
    }
    if delivery.thread.position > 0 {
        let root = id(&delivery.thread.root, &domain);
        mail = mail.in_reply_to(root.clone()).references(root);
    }
    let state = match (message.reason, message.resolved) {
        (NotifyReason::Test, _) => "test",
        (_, true) => "resolved",
        (_, false) => "firing",
    };
    let alerts: Vec<&str> = message.sections.iter().take(ALERTS_MAX).map(|section| section.alert.as_str()).collect();
    let mut fixed = vec![
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("List-Id", format!("<vigie.{domain}>")),
        ("X-Vigie-Alert", alerts.join(" ")),
        ("X-Vigie-State", state.to_owned()),
        ("X-Vigie-Reason", message.reason.as_str().to_owned()),
        ("X-Vigie-Severity", message.severity.as_str().to_owned()),
        ("X-Vigie-Delivery", clean::one_line(&delivery.key, SUBJECT_CHARS_MAX)),
    ];
    if message.severity == Severity::Critical && state == "firing" {
        fixed.push(("Importance", "high".to_owned()));
        fixed.push(("X-Priority", "1".to_owned()));
    }
    fixed.into_iter().filter(|(_, value)| !value.is_empty()).fold(mail, |mail, (name, value)| {
        mail.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn mailbox(text: &str) -> Mailbox {
        text.parse().expect("valid mailbox")
    }

    fn mail_of(delivery: &NewDelivery) -> String {
        let (from, to) = (mailbox("Vigie <vigie@example.test>"), mailbox("Claire Léger <claire@example.test>"));
        let parties = Parties { from: &from, reply_to: None, to: vec![&to], cc: vec![], recipient: &to };
        String::from_utf8(build(delivery, &parties, &[]).expect("builds").bytes).expect("ascii")
    }

    #[test]
    fn pictures_go_inside_beside_the_html_that_shows_them() {
        let mut delivery = fixture::firing_fr();
        delivery.message.sections = vec![delivery.message.sections[0].clone(); 3];
        let (from, to) = (mailbox("Vigie <vigie@example.test>"), mailbox("claire@example.test"));
        let parties = Parties { from: &from, reply_to: None, to: vec![&to], cc: vec![], recipient: &to };
        let pictures = [Some(b"\x89PNG one".to_vec()), None, Some(b"\x89PNG three".to_vec())];
        let built = || build(&delivery, &parties, &pictures).expect("builds").bytes;
        let mail = String::from_utf8(built()).expect("ascii");
        assert_eq!(mail.as_bytes(), built(), "the same delivery gives the same bytes");
        assert_eq!(header(&mail, "Content-Type").map(|kind| kind.starts_with("multipart/alternative;")), Some(true));
        let order = ["text/plain", "multipart/related", "text/html", "image/png", "image/png"];
        let kinds: Vec<&str> = mail.split("Content-Type: ").skip(2).filter_map(|part| part.split(';').next()).collect();
        let kinds: Vec<&str> = kinds.iter().filter_map(|kind| kind.split("\r\n").next()).collect();
        assert_eq!(kinds, order);
        let html = mail.split("text/html").nth(1).and_then(|rest| rest.split("--=_vigie").next()).expect("a part");
        let html = html.replace("=\r\n", "").replace("=3D", "=");
        for at in [0, 2] {
            let name = format!("chart{at}.n0000001-claire@example.test");
            assert!(mail.contains(&format!("Content-ID: <{name}>")), "{mail}");
            assert!(html.contains(&format!(r#"src="cid:{name}""#)), "{html}");
        }
        assert_eq!((html.matches("<img").count(), mail.matches("Content-Disposition: inline").count()), (2, 2));
    }

    fn header<'a>(mail: &'a str, name: &str) -> Option<&'a str> {
        let head = mail.split("\r\n\r\n").next()?;
        head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    #[test]
    fn the_wire_form_is_plain_ascii_with_crlf() {
        let mail = mail_of(&fixture::firing_fr());
        assert!(mail.is_ascii());
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "bare line ends");
        assert!(mail.split("\r\n").all(|line| line.len() < 998));
        assert_eq!(mail, mail_of(&fixture::firing_fr()), "the same delivery gives the same bytes");
    }

    #[test]
    fn follow_ups_refer_to_the_opening_mail() {
        let first = mail_of(&fixture::firing_fr());
        let mut later = fixture::firing_fr();
        later.key = "n0000002-claire".to_owned();
        later.thread.position = 1;
        let second = mail_of(&later);
        let root = header(&first, "Message-ID").expect("an id");
        assert_eq!(header(&first, "In-Reply-To"), None);
        assert_eq!(header(&second, "In-Reply-To"), Some(root));
        assert_eq!(header(&second, "References"), Some(root));
        assert_eq!(header(&second, "Message-ID"), Some("<n0000002-claire@example.test>"));
        assert_eq!(subject(&later), format!("Re: {}", fixture::firing_fr().message.subject));
    }

    #[test]
    fn automatic_mail_says_so() {
        let mail = mail_of(&fixture::firing_fr());
        for (name, value) in [
            ("Auto-Submitted", "auto-generated"),
            ("X-Auto-Response-Suppress", "All"),
            ("List-Id", "<vigie.example.test>"),
            ("X-Vigie-State", "firing"),
            ("X-Vigie-Severity", "critical"),
            ("X-Vigie-Delivery", "n0000001-claire"),
            ("Importance", "high"),
            ("Date", "Mon, 23 Nov 2026 05:15:04 +0000"),
        ] {
            assert_eq!(header(&mail, name), Some(value), "{name}");
        }
        let resolved = mail_of(&fixture::resolved_fr());
        assert_eq!((header(&resolved, "X-Vigie-State"), header(&resolved, "Importance")), (Some("resolved"), None));
    }

    #[test]
    fn headers_can_t_be_injected() {
        let mut delivery = fixture::firing_fr();
        delivery.message.subject = "CA\r\nBcc: x@example.test\u{0}".to_owned();
        delivery.key = "k\r\nBcc: y@example.test".to_owned();
        delivery.thread.root = "r>\r\nBcc: z@example.test".to_owned();
        delivery.thread.position = 1;
        let mail = mail_of(&delivery);
        assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
    }

    #[test]
    fn french_subjects_survive_encoding() {
        let mut delivery = fixture::firing_fr();
        delivery.message.subject = "Livraison retardée du mois d’août – région Île-de-France, équipe dédiée".to_owned();
        let mail = mail_of(&delivery);
        let start = mail.find("Subject: ").expect("a subject");
        let line: String =
            mail[start..].split("\r\n").take_while(|l| l.starts_with("Subject") || l.starts_with(' ')).collect();
        assert!(line.starts_with("Subject: ") && line.contains("=?utf-8?b?"), "{line}");
    }
}
