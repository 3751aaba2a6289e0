//! The whole of it: all sections, in the order in which they hang on each other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::context::{Context, Report};
use super::gather::{Gathered, Section, gather};
use super::{calendar, event, kpi, measurable, objective, period, receiver, reconcile, route, rule, service, to_date};
use crate::config::load::{Documents, LoadOptions, problem};
use crate::config::problem::{Level, Problem};
use crate::config::secrets::{Environment, Secrets};
use crate::config::settings::{Config, Credential};
use crate::config::yaml::{Kind, Node};
use crate::model::catalog::Catalog;
use crate::model::ids::{KpiId, ObjectiveId, PersonId, ReceiverId, RuleId, SourceId};
use crate::model::kpi::Kpi;
use crate::model::notification::{Person, Receiver};
use crate::model::objective::Objective;
use crate::model::rename::Renames;
use crate::model::rule::RuleDef;
use crate::model::unit::Language;
use crate::secret::{EXPIRES, SecretRef};

/// The configuration that the files describe; whether it may be used, the problems tell.
pub(in crate::config) fn resolve(
    documents: &Documents,
    options: &LoadOptions,
    checksum: String,
    whole: bool,
    problems: &mut Vec<Problem>,
) -> Config {
    let mut report = Report { documents, problems: Vec::new(), whole };
    let all = gather(&mut report);
    let settings = service::settings(&mut report, &all);
    let rule_dirs = service::rule_dirs(&mut report, &all);
    let credentials = secrets(&mut report, options);
    let mut context = context(report, &all);
    let people: IndexMap<PersonId, Arc<Person>> = all
        .people
        .iter()
        .filter_map(|(id, item)| Some((id, item.value.as_ref()?)))
        .map(|(id, raw)| (PersonId::from(id.as_str()), Arc::new(receiver::person(&mut context, id, raw))))
        .collect();
    let mut kpis = kpis(&mut context);
    reconcile::check(&mut context, &kpis);
    let mut objectives: IndexMap<ObjectiveId, Arc<Objective>> = all
        .objectives
        .iter()
        .filter_map(|(id, item)| Some((id, (item.value.as_ref()?, item.base_dir.as_path()))))
        .flat_map(|(id, (raw, base_dir))| {
            let kpi = kpis.get(raw.kpi.as_str()).map(Arc::as_ref);
            objective::resolve(&mut context, id, (raw, base_dir), kpi)
        })
        .map(|objective| (objective.id.clone(), Arc::new(objective)))
        .collect();
    let mut rules: IndexMap<RuleId, Arc<RuleDef>> = all
        .rules
        .iter()
        .filter_map(|(id, item)| rule::resolve(&mut context, id, item.value.as_ref()?, &kpis))
        .map(|rule| (rule.id.clone(), Arc::new(rule)))
        .collect();
    to_date::derive(&mut kpis, &mut objectives, &mut rules);
    let events = all
        .events
        .iter()
        .filter_map(|(id, item)| event::resolve(&mut context, id, item.value.as_ref()?))
        .map(|event| (event.id.clone(), Arc::new(event)))
        .collect();
    let (receivers, recipient_channels) = receivers(&mut context);
    let route = route::resolve(&mut context);
    let mut renames = renames(&mut context);
    of_parts(&mut renames, &objectives);
    let Context { mut report, zone, language, calendars, .. } = context;
    let checksum = calendars.checksum(checksum);
    let catalog =
        Catalog { zone, language, kpis, objectives, rules, people, receivers, route, events, renames, checksum };
    measurable::check(&mut report, &catalog);
    problems.extend(report.problems);
    let mail = all.mail.as_ref().and_then(|item| Some((item.value.clone()?, item.base_dir.clone())));
    Config {
        catalog,
        settings,
        sources: sources(&all),
        channels: all
            .receivers
            .iter()
            .filter_map(|(id, item)| {
                let parts = item.value.as_ref()?.0.iter();
                let channels = parts.map(|channel| (channel.clone(), item.base_dir.clone())).collect();
                Some((ReceiverId::from(id.as_str()), channels))
            })
            .collect(),
        recipient_channels,
        mail,
        calendars: calendars.named,
        calendar: calendars.default,
        rule_dirs,
        credentials,
    }
}

/// What things were called before.
fn renames(context: &mut Context<'_>) -> Renames {
    let all = context.all;
    Renames {
        kpis: was(context, "kpis", &all.kpis, |kpi| kpi.was.as_deref()),
        objectives: was(context, "objectives", &all.objectives, |objective| objective.was.as_deref()),
        rules: was(context, "rules", &all.rules, |rule| rule.was.as_deref()),
    }
}

/// The parts of an objective go on under its new name as well.
fn of_parts(renames: &mut Renames, objectives: &IndexMap<ObjectiveId, Arc<Objective>>) {
    let parts = objectives.keys().filter_map(|id| Some((id, ObjectiveId::from(id.whole()?))));
    let known = renames.objectives.clone();
    for (part, whole) in parts {
        let old = known.iter().find(|(_, new)| **new == whole);
        let value = part.as_str().get(whole.as_str().len() + 1..).unwrap_or_default();
        renames.objectives.extend(old.map(|(old, _)| (old.part(value), part.clone())));
    }
}

fn was<T, K: for<'t> From<&'t str> + Ord>(
    context: &mut Context<'_>,
    section: &str,
    items: &Section<T>,
    named: impl Fn(&T) -> Option<&str>,
) -> BTreeMap<K, K> {
    let mut renames = BTreeMap::new();
    for (id, item) in items {
        let Some(old) = item.value.as_ref().and_then(&named) else { continue };
        let path = [section, id, "was"];
        if items.contains_key(old) {
            let help = "`was` is for a name that nothing bears any more; remove it, or the other entry";
            context.report.error(&path, format!("`{old}` is still defined in `{section}`"), help);
        } else if renames.insert(K::from(old), K::from(id)).is_some() {
            let help = "its history can go on under one name only; remove one of the two";
            context.report.error(&path, format!("`was: {old}` stands twice in `{section}`"), help);
        }
    }
    renames
}

fn context<'a>(mut report: Report<'a>, all: &'a Gathered) -> Context<'a> {
    let language = all.language.as_ref().and_then(|item| item.value).unwrap_or(Language::Fr);
    let calendars = calendar::resolve(&mut report, all);
    let fiscal = period::fiscal_years(&mut report, all);
    let mut context = Context { report, all, zone: TimeZone::UTC, language, calendars, fiscal };
    if let Some(name) = all.timezone.as_ref().and_then(|item| item.value.as_ref()) {
        context.zone = kpi::zone(&mut context, &["timezone"], name).unwrap_or(TimeZone::UTC);
    }
    context
}

fn kpis(context: &mut Context<'_>) -> IndexMap<KpiId, Arc<Kpi>> {
    let all = context.all;
    let mut known: HashMap<&str, Arc<Kpi>> = HashMap::new();
    // Those that are computed come after those that they are computed from.
    for is_computed in [false, true] {
        for (id, item) in &all.kpis {
            let Some(raw) = item.value.as_ref().filter(|raw| raw.formula.is_some() == is_computed) else { continue };
            if let Some(kpi) = kpi::resolve(context, id, raw, &known) {
                known.insert(id.as_str(), Arc::new(kpi));
            }
        }
    }
    all.kpis.keys().filter_map(|id| known.remove(id.as_str())).map(|kpi| (kpi.id.clone(), kpi)).collect()
}

type Receivers = (IndexMap<ReceiverId, Arc<Receiver>>, BTreeMap<ReceiverId, Vec<usize>>);

fn receivers(context: &mut Context<'_>) -> Receivers {
    let all = context.all;
    let mut receivers = Receivers::default();
    for (id, item) in &all.receivers {
        let Some(raw) = &item.value else { continue };
        let (receiver, channels) = receiver::receiver(context, id, raw);
        receivers.1.insert(receiver.id.clone(), channels);
        receivers.0.insert(receiver.id.clone(), receiver);
    }
    if all.receivers.is_empty() {
        let id = ReceiverId::from(route::NOBODY);
        receivers.0.insert(id.clone(), Arc::new(Receiver { id, recipients: Vec::new() }));
    }
    receivers
}

fn sources(all: &Gathered) -> crate::config::parts::Sources {
    let known = all.sources.iter().filter_map(|(id, item)| Some((id, item.value.clone()?, item.base_dir.clone())));
    known.map(|(id, source, base_dir)| (SourceId::from(id.as_str()), (source, base_dir))).collect()
}

/// Resolves every reference to a secret where it stands, without keeping the values; gives the references.
fn secrets(report: &mut Report<'_>, options: &LoadOptions) -> Vec<Credential> {
    let is_needed = !matches!(options.env, Environment::Unneeded);
    let documents = report.documents;
    let mut credentials: Vec<Credential> = Vec::new();
    for document in &documents.files {
        let secrets = Secrets { environment: options.env.clone(), base_dir: document.base_dir.clone() };
        for section in ["sources", "receivers", "mail", "heartbeat"] {
            let mut found = Vec::new();
            if let Some(entry) = document.root.get(section) {
                references(&entry.value, &mut found);
            }
            for (reference, expires, node) in found {
                if is_needed && let Err(message) = secrets.resolve(&reference) {
                    let (message, help) = message.split_once(": ").unwrap_or((&message, ""));
                    let help = (!help.is_empty()).then(|| help.to_owned());
                    let found = Problem { help, ..problem(&document.name, node.span, message.to_owned()) };
                    report.problems.push(if secrets.leaves_out(&reference) {
                        not_here(&reference, found)
                    } else {
                        found
                    });
                }
                let known =
                    |known: &&mut Credential| known.reference == reference && known.base_dir == document.base_dir;
                let Problem { file, line, column, .. } = problem(&document.name, node.span, String::new());
                let place = (file, line, column);
                match credentials.iter_mut().find(known) {
                    // Named in several places, with different days: the first one that comes counts.
                    Some(known) => {
                        if expires.is_some_and(|day| known.expires.is_none_or(|first| day < first)) {
                            (known.expires, known.place) = (expires, place);
                        }
                    }
                    None => {
                        credentials.push(Credential { reference, expires, base_dir: document.base_dir.clone(), place });
                    }
                }
            }
        }
    }
    credentials
}

/// What only the service is handed, where another process looks: no error, but nothing built on it can be tried.
fn not_here(reference: &SecretRef, problem: Problem) -> Problem {
    let message = format!("{reference} is handed to the service alone: what needs it is not tried here");
    let help = "the rest is checked; `systemctl start vigie` and `journalctl -u vigie` tell whether it can be read";
    Problem { severity: Level::Warning, message, ..problem }.help(help)
}

/// Mappings of just `env`, `file` or `credential`, at any depth, with the day on which they expire.
fn references<'a>(node: &'a Node, found: &mut Vec<(SecretRef, Option<Date>, &'a Node)>) {
    const REFERENCES_MAX: usize = 1_000;
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => items.iter().for_each(|item| references(item, found)),
        Kind::Map(entries) => {
            let mut others = entries.iter().filter(|entry| entry.key != EXPIRES);
            if let (Some(entry), None) = (others.next(), others.next())
                && let Kind::Scalar { text, .. } = &entry.value.kind
                && found.len() < REFERENCES_MAX
            {
                let reference = match entry.key.as_str() {
                    "env" => Some(SecretRef::Env(text.clone())),
                    "file" => Some(SecretRef::File(text.into())),
                    "credential" => Some(SecretRef::Credential(text.clone())),
                    _ => None,
                };
                let expires =
                    entries.iter().find(|entry| entry.key == EXPIRES).and_then(|entry| match &entry.value.kind {
                        Kind::Scalar { text, .. } => text.parse().ok(),
                        Kind::List(_) | Kind::Map(_) => None,
                    });
                found.extend(reference.map(|reference| (reference, expires, &*entry.value)));
            }
            for entry in entries {
                references(&entry.value, found);
            }
        }
    }
}
