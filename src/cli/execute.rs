//! From what was typed to the command that does it.

use super::args::{Args, Command, Format};
use super::demo::DemoOptions;
use super::output::Out;
use super::{
    ack, alerts, ask, assess, audit, backtest, backup, calendar, check, completions, deliveries, doctor, event,
    explain, feedback, forecast, man, new, objectives, pull, query, record, restore, rules, schema, send, silence,
    snooze, status, suspect, test,
};
use crate::clock::Clock;
use crate::daemon::{Request, RunOptions};

/// Does what was asked. Returns the exit code.
pub async fn execute(args: Args) -> anyhow::Result<u8> {
    let Args { config, format, color, command } = args;
    if format == Format::Csv && !matches!(command, Command::Audit(_)) {
        anyhow::bail!("--format csv is for `vigie audit`; others have `--format json`");
    }
    let mut out = Out::stdout(format, color);
    let now = Clock::Wall.now();
    let code = match command {
        Command::Run => crate::daemon::run(RunOptions { config }).await,
        Command::Check(check) => check::check(&mut out, &config, check, now).await,
        Command::Audit(args) => audit::audit(&mut out, &config, &args).await,
        Command::Backup(args) => backup::backup(&mut out, &config, &args, now).await,
        Command::Doctor => doctor::doctor(&mut out, &config, now).await,
        Command::Restore(args) => restore::restore(&mut out, &config, &args, now).await,
        Command::Release(args) => restore::release(&mut out, &config, &args).await,
        Command::Reload => ask::reload(&mut out, &config).await,
        Command::LogLevel { level } => ask::ask(&mut out, &config, &Request::LogLevel { level }).await,
        Command::Schema(args) => schema::schema(&mut out, &args),
        Command::Query(query) => query::query(&mut out, &config, query, now).await,
        Command::Assess(args) => assess::assess(&mut out, &config, args, now).await,
        Command::Backtest(args) => backtest::backtest(&mut out, &config, *args, now).await,
        Command::Forecast(args) => forecast::forecast(&mut out, &config, *args, now).await,
        Command::Objectives(args) => objectives::objectives(&mut out, &config, *args, now).await,
        Command::Test(args) => test::test(&mut out, &args),
        Command::Explain(args) => explain::explain(&mut out, &config, &args, now).await,
        Command::Rules(args) => rules::rules(&mut out, &args),
        Command::New(command) => new::new(&mut out, &config, command, now).await,
        Command::Pull(span) => pull::pull(&mut out, &config, span, now).await,
        Command::Status => status::status(&mut out, &config, now).await,
        Command::Alerts(alerts) => alerts::alerts(&mut out, &config, &alerts, now).await,
        Command::Ack(ack) => ack::ack(&mut out, &config, ack).await,
        Command::Snooze(snooze) => snooze::snooze(&mut out, &config, snooze, now).await,
        Command::Feedback(args) => feedback::feedback(&mut out, &config, args).await,
        Command::Silence(silence) => silence::silence(&mut out, &config, silence, now).await,
        Command::Suspect(suspect) => suspect::suspect(&mut out, &config, suspect).await,
        Command::Deliveries(deliveries) => deliveries::deliveries(&mut out, &config, deliveries, now).await,
        Command::Send(send) => send::send(&mut out, &config, send, now).await,
        Command::Completions { shell } => completions::completions(&mut out, shell),
        Command::Man(args) => man::man(&mut out, &args),
        Command::Record(record) => record::record(&mut out, &config, record, now).await,
        Command::Demo(demo) => {
            let options = DemoOptions { dir: demo.dir, now: demo.now, once: demo.once, json: out.is_json() };
            Box::pin(super::demo::run(options)).await
        }
        Command::Event(command) => event::event(&mut out, &config, command, now).await,
        Command::Calendar(args) => calendar::calendar(&mut out, &config, &args, now),
    };
    let code = without_broken_pipe(code)?;
    without_broken_pipe(out.finish().map(|()| code).map_err(Into::into))
}

/// A reader that has enough (`| head`) ends the command well.
fn without_broken_pipe(done: anyhow::Result<u8>) -> anyhow::Result<u8> {
    let is_pipe = |error: &anyhow::Error| {
        error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    match done {
        Err(error) if is_pipe(&error) => Ok(0),
        done => done,
    }
}
