//! `vigie doctor`: whether everything that the service rests on is as it should be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::configuration::read_and_build;
use super::output::{Out, Table, ago, counted, moment};
use super::{configuration, state};
use crate::config::{Config, Credential};
use crate::daemon::{Reply, Request, Value, request};
use crate::locale::duration;
use crate::model::ids::ReceiverId;
use crate::model::notification::DeliveryState;
use crate::model::unit::Language;
use crate::secret::SecretRef;
use crate::store::{DeliveryFilter, RESERVE_BYTES, Store};

/// Exit code when something is wrong.
const FOUND: u8 = 1;
/// Less space than this beside the state is worth a warning.
const SPACE_LOW_BYTES: u64 = 1 << 30;
/// Something decided so long before now in the future of the clock means that the clock was set back.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// A delivery that waits for longer is worth a warning.
const QUEUE_OLD: SignedDuration = SignedDuration::from_hours(1);
/// A secret that has not changed for longer is worth a warning.
const SECRET_OLD: SignedDuration = SignedDuration::from_hours(24 * 365);
const DEAD_MAX: u32 = 1_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    Warning,
    Wrong,
}

impl Grade {
    fn as_str(self) -> &'static str {
        match self {
            Grade::Good => "ok",
            Grade::Warning => "warning",
            Grade::Wrong => "wrong",
        }
    }
}

/// What was looked at, and what was found.
struct Finding {
    what: &'static str,
    grade: Grade,
    said: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, what: &'static str, said: impl Into<String>) {
        self.0.push(Finding { what, grade: Grade::Good, said: said.into() });
    }

    fn warn(&mut self, what: &'static str, said: impl Into<String>) {
        self.0.push(Finding { what, grade: Grade::Warning, said: said.into() });
    }

    fn wrong(&mut self, what: &'static str, said: impl Into<String>) {
        self.0.push(Finding { what, grade: Grade::Wrong, said: said.into() });
    }
}

pub(super) async fn doctor(out: &mut Out, paths: &[PathBuf], now: Timestamp) -> anyhow::Result<u8> {
    // Without a configuration it is not known where anything is.
    let config = configuration::read(paths)?;
    let mut found = Findings::default();
    match read_and_build(paths) {
        Ok(_) => found.good("configuration", "without errors"),
        Err(error) => found.wrong("configuration", format!("{error:#}; `vigie check` tells more").trim().to_owned()),
    }
    service(&mut found, &config).await;
    match state::open(&config).await {
        Ok(store) => {
            look_at(&mut found, &store, &config, now).await?;
            store.close().await;
        }
        Err(error) => found.wrong("state", format!("{error:#}")),
    }
    disk(&mut found, &config.settings.state);
    for credential in &config.credentials {
        secret(&mut found, credential, now, &config);
    }
    tell(out, &found)
}

async fn service(found: &mut Findings, config: &Config) {
    match request(&config.settings.control, &Request::Ping).await {
        Ok(Reply::Ok(Value::Pong { pid, config_checksum, .. })) if config_checksum == config.catalog.checksum => {
            found.good("service", format!("runs with this configuration (process {pid})"));
        }
        Ok(Reply::Ok(Value::Pong { pid, .. })) => {
            let said = format!("runs with another configuration (process {pid}): `vigie reload` takes this one up");
            found.warn("service", said);
        }
        Ok(_) => found.warn("service", "it gives an unexpected answer: is it of another version?"),
        Err(error) => found.warn("service", format!("{error:#}")),
    }
}

/// The state's structure, what must hold of its content, its clock and its queue.
async fn look_at(found: &mut Findings, store: &Store, config: &Config, now: Timestamp) -> anyhow::Result<()> {
    let bytes = fs::metadata(store.path()).map_or(0, |about| about.len());
    match store.verify().await? {
        None => found.good("state", format!("{}: {}, whole", store.path().display(), size(bytes))),
        Some(damage) => {
            let remedy = "stop the service and put a backup in its place: `vigie restore`";
            found.wrong("state", format!("{} is damaged ({damage}): {remedy}", store.path().display()));
            return Ok(());
        }
    }
    let receivers: Vec<&ReceiverId> = config.catalog.receivers.keys().collect();
    let violations = store.violations(&receivers).await?;
    if violations.is_empty() {
        found.good("invariants", "all hold of what is stored");
    }
    for violation in violations {
        let places = violation.places.join(", ");
        found.wrong("invariants", format!("not true: {}: {places}; report this as a bug", violation.invariant));
    }
    let mut entries = 0_usize;
    match store.audit((Timestamp::MIN, Timestamp::MAX), |_| entries += 1).await? {
        None => found.good("audit", format!("{}, one chain", counted(entries, "noted action"))),
        Some(number) => found.wrong("audit", format!("entry {number} does not follow from the one before")),
    }
    clock(found, store, config, now).await?;
    if let Some(since) = store.withheld().await? {
        let at = moment(since, &config.catalog.zone);
        found.warn("messages", format!("nothing is told since the state was restored ({at}): `vigie release`"));
    }
    let filter = DeliveryFilter { state: Some(DeliveryState::Dead), limit: DEAD_MAX, ..DeliveryFilter::default() };
    let dead = store.deliveries(&filter).await?.len();
    if dead > 0 {
        found.warn("deliveries", format!("{} given up: `vigie deliveries --state dead`", counted(dead, "message")));
    }
    match store.oldest_queued().await? {
        Some(at) if now.duration_since(at) > QUEUE_OLD => {
            found.warn("deliveries", format!("the oldest that waits was decided {}: `vigie deliveries`", ago(at, now)));
        }
        Some(_) => found.good("deliveries", "some wait, none for long"),
        None => found.good("deliveries", "none waits"),
    }
    Ok(())
}

async fn clock(found: &mut Findings, store: &Store, config: &Config, now: Timestamp) -> anyhow::Result<()> {
    match store.newest_instant().await? {
        Some(newest) if newest.duration_since(now) > CLOCK_TOLERANCE => {
            let at = moment(newest, &config.catalog.zone);
            let said = format!("the state knows of things that happened at {at}, later than now: set the clock right");
            found.wrong("clock", said);
        }
        Some(newest) => found.good("clock", format!("the state's newest entry was made {}", ago(newest, now))),
        None => found.good("clock", "the state is new"),
    }
    Ok(())
}

fn disk(found: &mut Findings, state: &Path) {
    let folder = state.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(about) => {
            let free = about.f_bavail.saturating_mul(about.f_frsize);
            let said = format!("{} free beside the state", size(free));
            match free {
                0..RESERVE_BYTES => found.wrong("disk", format!("{said}: free some, or the service stops evaluating")),
                RESERVE_BYTES..SPACE_LOW_BYTES => found.warn("disk", said),
                _ => found.good("disk", said),
            }
            if about.f_files > 0 && about.f_favail == 0 {
                found.wrong("disk", "no inode is free beside the state: remove some files");
            }
        }
        Err(error) => found.wrong("disk", format!("{} can't be looked at: {error}", folder.display())),
    }
    let mut reserve = state.as_os_str().to_owned();
    reserve.push(".reserve");
    if fs::metadata(&reserve).map_or(0, |about| about.len()) < RESERVE_BYTES && state.exists() {
        found.warn("disk", "the reserve for a full disk is not held; the next start, or free space, brings it back");
    }
    for (path, allowed) in [(folder, 0o700), (state, 0o600)] {
        let Ok(about) = fs::metadata(path) else { continue };
        let mode = about.permissions().mode() & 0o777;
        if mode & !allowed & 0o007 != 0 {
            let path = path.display();
            found.warn(
                "files",
                format!("{path} is open to all users (mode {mode:04o}): run `chmod {allowed:o} {path}`"),
            );
        }
    }
}

/// How old a secret is, as far as that can be seen, and when it expires.
fn secret(found: &mut Findings, credential: &Credential, now: Timestamp, config: &Config) {
    let reference = &credential.reference;
    if let Some(warning) = credential.warning(config.catalog.zone.to_datetime(now).date()) {
        found.warn("secrets", warning);
        return;
    }
    let changed = match reference {
        SecretRef::File(path) => fs::metadata(credential.base_dir.join(path)).and_then(|about| about.modified()).ok(),
        SecretRef::Env(_) | SecretRef::Credential(_) => None,
    };
    let expires = credential.expires.map(|day| format!(", expires on {day}")).unwrap_or_default();
    let Some(age) = changed.and_then(|at| age(at, now)) else {
        found.good("secrets", format!("{reference}{expires}"));
        return;
    };
    let said = format!("{reference} was changed {} ago{expires}", duration(Language::En, age));
    if age > SECRET_OLD && credential.expires.is_none() {
        found.warn("secrets", format!("{said}: renew it, or say until when it is valid with `expires:`"));
    } else {
        found.good("secrets", said);
    }
}

fn age(changed: SystemTime, now: Timestamp) -> Option<SignedDuration> {
    Some(now.duration_since(Timestamp::try_from(changed).ok()?).max(SignedDuration::ZERO))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn tell(out: &mut Out, found: &Findings) -> anyhow::Result<u8> {
    let wrong = found.0.iter().filter(|finding| finding.grade == Grade::Wrong).count();
    let warnings = found.0.iter().filter(|finding| finding.grade == Grade::Warning).count();
    if out.is_json() {
        for Finding { what, grade, said } in &found.0 {
            out.record(&json!({"type": "finding", "what": what, "grade": grade.as_str(), "text": said}))?;
        }
        out.record(&json!({"type": "summary", "wrong": wrong, "warnings": warnings}))?;
    } else {
        let mut table = Table::new(&["GRADE", "WHAT", "FOUND"]);
        for Finding { what, grade, said } in &found.0 {
            table.row([grade.as_str().to_owned(), (*what).to_owned(), said.clone()]);
        }
        out.table(&table)?;
        out.line("")?;
        out.line(&format!("{wrong} wrong, {}", counted(warnings, "warning")))?;
    }
    Ok(if wrong > 0 { FOUND } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_in_words() {
        assert_eq!(size(0), "0 kB");
        assert_eq!(size(999_999), "999 kB");
        assert_eq!(size(12_340_000), "12.3 MB");
        assert_eq!(size(2_500_000_000), "2.5 GB");
    }
}
