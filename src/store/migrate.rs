//! The schema's versions: ordered SQL files, each applied in one transaction.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::Failure;

/// `VIGI`: marks the file as ours.
pub(super) const APPLICATION_ID: u32 = 0x5649_4749;

/// Never edited once released; a change is a new file.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_pulse_and_episode.sql"),
    include_str!("migrations/0003_suspect.sql"),
    include_str!("migrations/0004_entry.sql"),
    include_str!("migrations/0005_event.sql"),
    include_str!("migrations/0006_evaluation_and_feedback.sql"),
    include_str!("migrations/0007_audit.sql"),
    include_str!("migrations/0008_identity.sql"),
    include_str!("migrations/0009_rolled_and_heads.sql"),
    include_str!("migrations/0010_closed_period.sql"),
];

/// The newest schema version that this program knows.
pub(super) const KNOWN_VERSION: u32 = MIGRATIONS.len() as u32;

/// Gives a copy an identity of its own.
pub(super) async fn tell_apart(conn: &mut SqliteConnection) -> Result<(), Failure> {
    sqlx::query("UPDATE meta SET value = lower(hex(randomblob(16))) WHERE name = 'identity'").execute(conn).await?;
    Ok(())
}

/// Which file it is; none before there were identities.
pub(super) async fn identity(conn: &mut SqliteConnection) -> Result<Option<String>, Failure> {
    Ok(sqlx::query_scalar("SELECT value FROM meta WHERE name = 'identity'").fetch_optional(conn).await?)
}

/// Brings the schema from `version` to the newest. A crash in between leaves a whole version behind.
pub(super) async fn migrate(conn: &mut SqliteConnection, version: u32) -> Result<(), Failure> {
    for (number, sql) in (1_u32..).zip(MIGRATIONS).skip(version as usize) {
        tracing::info!(version = number, "migrating the state database");
        // Dropped connections roll back by themselves, so a failure needs no clean-up here.
        let script = format!(
            "BEGIN IMMEDIATE;\n{sql}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
        );
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *conn).await?;
    }
    Ok(())
}
