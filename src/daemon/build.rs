//! From a configuration without errors to everything that runs: rules, sources, channels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::heartbeat::Heart;
use crate::channel::{Channel, ChannelContext, MailContext};
use crate::clock::monotonic;
use crate::config::{Config, Loaded, Problem, Secrets};
use crate::engine::Setup;
use crate::model::catalog::Catalog;
use crate::model::ids::{PersonId, ReceiverId, SourceId};
use crate::model::notification::Person;
use crate::net::ErrorClass;
use crate::rule::{Coverage, RuleProblem, RuleSet, ScriptFiles, Stopwatch, shipped};
use crate::secret::SecretRef;
use crate::source::{BuildContext, Source};
use crate::telemetry::{MetricNames, check_level};

/// Longest script or sidecar read from disk, in bytes.
const SCRIPT_BYTES_MAX: u64 = 256 * 1024;

/// Longest run of one script by the wall. The operation limits end nearly all runs long before.
const RUN_NS_MAX: u64 = 1_000_000_000;

/// What a configuration becomes.
pub struct Built {
    pub setup: Arc<Setup>,
    pub sources: HashMap<SourceId, Arc<Source>>,
    pub channels: HashMap<ReceiverId, Vec<Arc<Channel>>>,
    /// For each recipient of a receiver, in the catalog's order, the position of its channel.
    pub recipient_channels: BTreeMap<ReceiverId, Vec<usize>>,
    pub heart: Option<Arc<Heart>>,
    /// How secrets are referred to that end, and when each of them does.
    pub credential_ends: BTreeMap<String, Timestamp>,
    /// Most series that `/metrics` shows of KPIs and objectives; none: it shows none.
    pub shown_series: Option<usize>,
    /// How long messages that have ended are kept, and changes of alerts that are over.
    pub keep_told: SignedDuration,
}

impl Built {
    /// The names that become labels of metrics.
    pub fn metric_names(&self) -> MetricNames<'_> {
        let kinds: BTreeSet<&str> = self.channels.values().flatten().map(|channel| channel.kind()).collect();
        MetricNames {
            sources: self.sources.keys().collect(),
            failures: &ErrorClass::WORDS,
            receivers: self.setup.catalog.receivers.keys().collect(),
            channels: kinds.into_iter().collect(),
            credentials: self.credential_ends.iter().map(|(name, at)| (name.as_str(), *at)).collect(),
            config_checksum: &self.setup.catalog.checksum,
        }
    }
}

/// How long the present run of a script has taken. There is one engine thread, so one run at a time.
struct RunTime {
    base: Instant,
    began_ns: AtomicU64,
}

impl RunTime {
    fn new() -> RunTime {
        RunTime { base: monotonic(), began_ns: AtomicU64::new(0) }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Stopwatch for RunTime {
    fn start(&self) {
        self.began_ns.store(self.now_ns(), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.now_ns().saturating_sub(self.began_ns.load(Ordering::Relaxed)) > RUN_NS_MAX
    }
}

/// Builds everything that can fail; all problems at once, each at its place.
pub fn build(config: &Config, loaded: &Loaded, secrets: &Secrets) -> Result<Built, Vec<Problem>> {
    let mut problems = Vec::new();
    let catalog = Arc::new(config.catalog.clone());
    let (mut rules, wrong) = compile(&catalog, &config.rule_dirs, loaded, None);
    problems.extend(wrong);
    rules.watch(Arc::new(RunTime::new()));
    let sources = build_sources(config, loaded, secrets, &mut problems);
    let channels = build_channels(config, loaded, secrets, &mut problems);
    let heart = config.settings.heartbeat.as_ref().and_then(|settings| {
        let own = beside(secrets, &settings.base_dir);
        let built = Heart::build(settings, &|reference: &SecretRef| own.resolve(reference));
        built.map_err(|message| problems.push(loaded.problem_at(&["heartbeat"], message))).ok().map(Arc::new)
    });
    check_queries(config, loaded, &sources, &mut problems);
    if let Err(message) = check_level(&config.settings.log.level) {
        problems.push(loaded.problem_at(&["log", "level"], message));
    }
    if problems.is_empty() {
        let shown_series = config.settings.shown_series;
        let setup = Arc::new(Setup::new(catalog, Arc::new(rules)).logging());
        Ok(Built {
            keep_told: config.settings.keep_told,
            setup,
            sources,
            channels,
            recipient_channels: config.recipient_channels.clone(),
            heart,
            credential_ends: credential_ends(config),
            shown_series,
        })
    } else {
        Err(problems)
    }
}

fn credential_ends(config: &Config) -> BTreeMap<String, Timestamp> {
    let mut ends = BTreeMap::new();
    for credential in &config.credentials {
        if let Some(at) = credential.ends(&config.catalog.zone) {
            // Files of two folders may have one name; whoever reads it must hear of the first that ends.
            let known = ends.entry(credential.reference.to_string()).or_insert(at);
            *known = at.min(*known);
        }
    }
    ends
}

/// What evaluates alone, with no word of sources and channels, so that no secret is needed.
pub fn build_rules(catalog: Catalog, rule_dirs: &[PathBuf], loaded: &Loaded) -> Result<Setup, Vec<Problem>> {
    build_covered(catalog, rule_dirs, loaded, None)
}

/// The same, with each run noting which conditions were true and which were false.
pub fn build_covered(
    catalog: Catalog,
    rule_dirs: &[PathBuf],
    loaded: &Loaded,
    coverage: Option<&Coverage>,
) -> Result<Setup, Vec<Problem>> {
    let catalog = Arc::new(catalog);
    let (rules, problems) = compile(&catalog, rule_dirs, loaded, coverage);
    if problems.is_empty() { Ok(Setup::new(catalog, Arc::new(rules))) } else { Err(problems) }
}

fn compile(
    catalog: &Catalog,
    rule_dirs: &[PathBuf],
    loaded: &Loaded,
    coverage: Option<&Coverage>,
) -> (RuleSet, Vec<Problem>) {
    let (rules, wrong) = RuleSet::compile_covered(catalog, &|name| find_script(rule_dirs, name), coverage);
    (rules, wrong.into_iter().map(|problem| at_rule(loaded, problem)).collect())
}

fn build_sources(
    config: &Config,
    loaded: &Loaded,
    secrets: &Secrets,
    problems: &mut Vec<Problem>,
) -> HashMap<SourceId, Arc<Source>> {
    let mut sources = HashMap::new();
    for (id, (source, base_dir)) in &config.sources {
        let own = beside(secrets, base_dir);
        let resolve = |reference: &SecretRef| own.resolve(reference);
        match source.clone().build(&BuildContext { base_dir, resolve: &resolve }) {
            Ok(source) => {
                sources.insert(id.clone(), Arc::new(source));
            }
            Err(message) => {
                problems.push(loaded.problem_at(&["sources", id.as_str()], format!("source '{id}': {message}")));
            }
        }
    }
    sources
}

fn build_channels(
    config: &Config,
    loaded: &Loaded,
    secrets: &Secrets,
    problems: &mut Vec<Problem>,
) -> HashMap<ReceiverId, Vec<Arc<Channel>>> {
    let people = |id: &PersonId| config.catalog.people.get(id).map(|person| Person::clone(person));
    // `mail:` may stand in another folder than the receivers.
    let mail_dir = config.mail.as_ref().map_or(Path::new("."), |(_, base_dir)| base_dir.as_path());
    let mail_secrets = beside(secrets, mail_dir);
    let mail_resolve = |reference: &SecretRef| mail_secrets.resolve(reference);
    let mut channels = HashMap::new();
    for (id, parts) in &config.channels {
        let mut built = Vec::new();
        for (part, base_dir) in parts {
            let own = beside(secrets, base_dir);
            let resolve = |reference: &SecretRef| own.resolve(reference);
            let context = ChannelContext {
                mail: config.mail.as_ref().map(|(mail, base_dir)| MailContext {
                    config: mail,
                    resolve: &mail_resolve,
                    base_dir,
                }),
                people: &people,
                resolve: &resolve,
                base_dir,
                default_language: config.catalog.language,
            };
            match Channel::build(part, &context) {
                Ok(channel) => built.push(Arc::new(channel)),
                Err(message) => {
                    let message = format!("receiver '{id}': {message}");
                    problems.push(loaded.problem_at(&["receivers", id.as_str()], message));
                }
            }
        }
        channels.insert(id.clone(), built);
    }
    channels
}

/// Secret files are named relative to the file that names them.
fn beside(secrets: &Secrets, base_dir: &Path) -> Secrets {
    Secrets { environment: secrets.environment.clone(), base_dir: base_dir.to_owned() }
}

fn check_queries(
    config: &Config,
    loaded: &Loaded,
    sources: &HashMap<SourceId, Arc<Source>>,
    problems: &mut Vec<Problem>,
) {
    // A period to date asks what its KPI asks.
    for kpi in config.catalog.kpis.values().filter(|kpi| kpi.since.is_none()) {
        let Some(source) = sources.get(&kpi.source) else { continue };
        if let Err(message) = source.check_query(kpi) {
            problems
                .push(loaded.problem_at(&["kpis", kpi.id.as_str(), "query"], format!("KPI '{}': {message}", kpi.id)));
        }
    }
}

fn at_rule(loaded: &Loaded, problem: RuleProblem) -> Problem {
    let rule = problem.rule.as_str();
    match problem.file {
        Some(file) => {
            let mut found = Problem::of_file(&file.display().to_string(), problem.message);
            found.line = problem.line;
            found.column = problem.column;
            found
        }
        None => {
            let key = problem.key.unwrap_or_default();
            let mut path = vec!["rules", rule];
            path.extend(key.split('.').filter(|step| !step.is_empty()));
            loaded.problem_at(&path, format!("rule '{rule}': {}", problem.message))
        }
    }
}

/// A script and its sidecar by the name that rules call it: in one of the folders, else a shipped one.
pub fn find_script(dirs: &[PathBuf], name: &str) -> Result<ScriptFiles, String> {
    let safe = !name.is_empty() && name.split('/').all(|step| !step.is_empty() && !step.starts_with('.'));
    if !safe {
        return Err(format!("'{name}' is not a script's name; write it as `objective/off_trajectory`"));
    }
    for dir in dirs {
        let path = dir.join(format!("{name}.rhai"));
        if path.is_file() {
            let sidecar_path = dir.join(format!("{name}.yaml"));
            let sidecar = sidecar_path.is_file().then(|| read(&sidecar_path)).transpose()?;
            let shown = |path: &Path| path.display().to_string();
            return Ok(ScriptFiles {
                path: shown(&path),
                text: read(&path)?,
                sidecar_path: shown(&sidecar_path),
                sidecar,
            });
        }
    }
    shipped(name).ok_or_else(|| {
        let ships: Vec<&str> = crate::rule::SHIPPED.iter().map(|(name, ..)| *name).collect();
        format!(
            "no script '{name}': there is no rules/{name}.rhai beside the configuration, and these ship: {}",
            ships.join(", ")
        )
    })
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    if size > SCRIPT_BYTES_MAX {
        return Err(format!("{} has {size} bytes; at most {SCRIPT_BYTES_MAX} are read", path.display()));
    }
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
