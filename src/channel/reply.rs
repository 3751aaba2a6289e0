//! What an SMTP server's answer, or its silence, means for a delivery.
//!
//! Pure: the stage of the conversation and what happened in it, to what to do. Facts from RFC 5321 and RFC 3463.

use jiff::SignedDuration;

use crate::model::notification::AttemptOutcome;
use crate::net::{TlsFault, TlsKeys};

/// How far the conversation had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    Connect,
    Tls,
    Auth,
    Sender,
    Recipient,
    Data,
    /// The text was on its way, its final dot maybe there.
    Body,
}

impl Stage {
    pub(super) const ALL: [Stage; 7] =
        [Stage::Connect, Stage::Tls, Stage::Auth, Stage::Sender, Stage::Recipient, Stage::Data, Stage::Body];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Stage::Connect => "connecting",
            Stage::Tls => "starting encryption",
            Stage::Auth => "authenticating",
            Stage::Sender => "naming the sender",
            Stage::Recipient => "naming the recipient",
            Stage::Data => "announcing the text",
            Stage::Body => "sending the text",
        }
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server answered with a refusal.
    Reply { code: u16, text: String },
    /// The connection failed, broke, or spoke nonsense.
    Broken(String),
    /// No answer before the deadline.
    Silent,
    /// The connection could not be encrypted, or not with somebody who is to be trusted.
    Tls(TlsFault),
    /// The server lacks something that this delivery needs.
    Unsupported(String),
}

/// Servers that grey-list want to see a second try after 1 to 15 minutes.
const GREYLIST: SignedDuration = SignedDuration::from_mins(5);
/// For what only a change of configuration, here or there, mends.
pub(super) const MENDABLE: SignedDuration = SignedDuration::from_mins(30);
/// How the settings of the mail server are named.
const TLS_KEYS: TlsKeys = TlsKeys { host: "mail.smtp.host", ca: "mail.smtp.ca", cert: None };
const MAILBOX_FULL: SignedDuration = SignedDuration::from_hours(1);
/// A full mailbox said with a permanent code is believed after that many attempts.
const MAILBOX_FULL_ATTEMPTS_MAX: u32 = 5;

/// What becomes of the delivery.
pub(super) fn classify(server: &str, stage: Stage, failure: &Failure, attempt: u32) -> AttemptOutcome {
    let place = format!("mail server {server}, {}", stage.as_str());
    match failure {
        Failure::Reply { code, text } => reply(&place, stage, (*code, text), attempt),
        Failure::Broken(what) if stage == Stage::Body => AttemptOutcome::Ambiguous {
            cause: format!("{place}: {what}; the mail may have been taken, a repeat carries the same Message-ID"),
        },
        Failure::Silent if stage == Stage::Body => AttemptOutcome::Ambiguous {
            cause: format!(
                "{place}: no answer in time; the mail may have been taken, a repeat carries the same Message-ID"
            ),
        },
        Failure::Broken(what) => retry(format!("{place}: {what}"), None),
        Failure::Silent => {
            let hint = if stage == Stage::Connect { "; check host, port and `tls` under mail.smtp" } else { "" };
            retry(format!("{place}: no answer in time{hint}"), None)
        }
        Failure::Tls(fault) if stage == Stage::Body => AttemptOutcome::Ambiguous {
            cause: format!(
                "{place}: {}; the mail may have been taken, a repeat carries the same Message-ID",
                fault.cause()
            ),
        },
        Failure::Tls(fault) => {
            retry(format!("{place}: {}; {}", fault.cause(), fault.remedy(&TLS_KEYS)), Some(MENDABLE))
        }
        Failure::Unsupported(what) => {
            let remedy = match stage {
                Stage::Tls => "; nothing was sent in clear text, check mail.smtp `port`, or set `tls` to implicit",
                Stage::Auth => "; check mail.smtp `port` and `tls`, or leave `user` and `password` out",
                Stage::Connect | Stage::Sender | Stage::Recipient | Stage::Data | Stage::Body => "",
            };
            retry(format!("{place}: {what}{remedy}"), Some(MENDABLE))
        }
    }
}

fn reply(place: &str, stage: Stage, (code, text): (u16, &str), attempt: u32) -> AttemptOutcome {
    let said = format!("{place}: {code} {text}");
    let status = enhanced(text);
    let is = |class: &str| status.is_some_and(|(_, subject, detail)| format!("{subject}.{detail}") == class);
    let permanent = match status {
        // The finer code holds where the two disagree.
        Some((class @ (4 | 5), _, _)) => class == 5,
        _ => code >= 500,
    };
    let credentials = matches!(code, 530 | 534 | 535 | 538) || is("7.8") || is("7.57") || is("7.30") || is("7.9");
    if permanent && (credentials || stage == Stage::Auth) {
        return retry(
            format!("{said}; the server wants other credentials, check mail.smtp `user` and `password`"),
            Some(MENDABLE),
        );
    }
    if permanent && stage == Stage::Tls {
        return retry(
            format!(
                "{said}; the server does not encrypt here, nothing was sent in clear text, check mail.smtp `port` and `tls`"
            ),
            Some(MENDABLE),
        );
    }
    if permanent && stage < Stage::Tls {
        return retry(
            format!("{said}; the server takes no mail from here, check mail.smtp `host` and `hello`"),
            Some(MENDABLE),
        );
    }
    if permanent && is("2.2") && attempt <= MAILBOX_FULL_ATTEMPTS_MAX {
        return retry(format!("{said}; the mailbox is full"), Some(MAILBOX_FULL));
    }
    if permanent {
        return AttemptOutcome::Permanent { cause: format!("{said}; {}", remedy(stage, code, status)) };
    }
    retry(said, (code != 421).then_some(GREYLIST))
}

fn remedy(stage: Stage, code: u16, status: Option<(u8, u16, u16)>) -> &'static str {
    match (stage, status, code) {
        (_, Some((_, 3, 4)), _) | (Stage::Data | Stage::Body, None, 552) => "the mail is too large for this server",
        (Stage::Sender, _, _) => "the server refuses the sender, check mail.from",
        (_, Some((_, 7, _)), _) => "the server's policy refuses it, ask its operator (SPF, DKIM, DMARC, relaying)",
        (Stage::Recipient, _, _) => {
            "the server refuses this recipient, correct the address under people or the receiver"
        }
        (_, Some((_, 6, _)), _) => "the server can't read the mail, report this",
        _ => "the server refuses the mail for good",
    }
}

fn retry(cause: String, after: Option<SignedDuration>) -> AttemptOutcome {
    AttemptOutcome::Retry { cause, after }
}

/// The enhanced status code (RFC 3463) at the start of a reply's text.
fn enhanced(text: &str) -> Option<(u8, u16, u16)> {
    let first = text.split_whitespace().next()?;
    let mut numbers = first.split('.');
    let found = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    (numbers.next().is_none() && matches!(found.0, 2 | 4 | 5)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "mx.example.test:25";

    fn class(outcome: &AttemptOutcome) -> String {
        match outcome {
            AttemptOutcome::Sent { .. } => "sent".to_owned(),
            AttemptOutcome::Retry { after: Some(after), .. } => format!("retry after {} min", after.as_mins()),
            AttemptOutcome::Retry { after: None, .. } => "retry".to_owned(),
            AttemptOutcome::Ambiguous { .. } => "ambiguous".to_owned(),
            AttemptOutcome::Permanent { .. } => "permanent".to_owned(),
        }
    }

    #[track_caller]
    fn check(stage: Stage, code: u16, text: &str, expected: &str) {
        let outcome = classify(SERVER, stage, &Failure::Reply { code, text: text.to_owned() }, 1);
        assert_eq!(class(&outcome), expected, "{outcome:?}");
    }

    #[test]
    fn replies_have_classes() {
        check(Stage::Recipient, 450, "4.7.1 greylisted", "retry after 5 min");
        check(Stage::Recipient, 451, "try later", "retry after 5 min");
        check(Stage::Recipient, 452, "4.2.2 mailbox full", "retry after 5 min");
        check(Stage::Connect, 421, "4.3.2 shutting down", "retry");
        check(Stage::Body, 421, "closing", "retry");
        check(Stage::Recipient, 550, "5.1.1 no such user", "permanent");
        check(Stage::Recipient, 550, "no such user", "permanent");
        check(Stage::Recipient, 553, "5.1.3 bad address", "permanent");
        check(Stage::Sender, 550, "5.7.1 sender refused", "permanent");
        check(Stage::Body, 552, "5.3.4 too big", "permanent");
        check(Stage::Body, 554, "5.7.1 policy", "permanent");
        check(Stage::Recipient, 552, "5.2.2 over quota", "retry after 60 min");
        check(Stage::Auth, 535, "5.7.8 bad credentials", "retry after 30 min");
        check(Stage::Auth, 535, "no", "retry after 30 min");
        check(Stage::Auth, 454, "4.7.0 temporary failure", "retry after 5 min");
        check(Stage::Sender, 530, "5.7.0 authentication required", "retry after 30 min");
        check(Stage::Sender, 550, "5.7.30 basic auth off", "retry after 30 min");
        check(Stage::Connect, 554, "no SMTP service here", "retry after 30 min");
        check(Stage::Tls, 502, "5.5.1 no such command", "retry after 30 min");
        check(Stage::Tls, 454, "4.7.0 TLS not available", "retry after 5 min");
    }

    #[test]
    fn the_finer_code_holds() {
        check(Stage::Recipient, 550, "4.2.1 busy", "retry after 5 min");
        check(Stage::Recipient, 450, "5.1.1 unknown", "permanent");
        check(Stage::Recipient, 550, "2.1.1 odd", "permanent");
        check(Stage::Recipient, 450, "1.2.3.4 blocked", "retry after 5 min");
    }

    #[test]
    fn a_mailbox_that_stays_full_is_given_up() {
        let full = Failure::Reply { code: 552, text: "5.2.2 over quota".to_owned() };
        assert_eq!(class(&classify(SERVER, Stage::Recipient, &full, 5)), "retry after 60 min");
        assert_eq!(class(&classify(SERVER, Stage::Recipient, &full, 6)), "permanent");
    }

    #[test]
    fn silence_is_ambiguous_only_once_the_text_went_out() {
        for stage in Stage::ALL {
            let expected = if stage == Stage::Body { "ambiguous" } else { "retry" };
            assert_eq!(class(&classify(SERVER, stage, &Failure::Silent, 1)), expected, "{stage:?}");
            let broken = Failure::Broken("connection reset".to_owned());
            assert_eq!(class(&classify(SERVER, stage, &broken, 1)), expected, "{stage:?}");
            let fault = Failure::Tls(TlsFault::Protocol("decrypt error".to_owned()));
            let expected = if stage == Stage::Body { "ambiguous" } else { "retry after 30 min" };
            assert_eq!(class(&classify(SERVER, stage, &fault, 1)), expected, "{stage:?}");
        }
    }

    #[test]
    fn causes_name_server_stage_and_remedy() {
        let refused = Failure::Reply { code: 550, text: "5.1.1 no such user".to_owned() };
        let AttemptOutcome::Permanent { cause } = classify(SERVER, Stage::Recipient, &refused, 1) else {
            panic!("permanent expected");
        };
        assert_eq!(
            cause,
            "mail server mx.example.test:25, naming the recipient: 550 5.1.1 no such user; \
             the server refuses this recipient, correct the address under people or the receiver"
        );
    }
}
