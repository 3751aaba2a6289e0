//! Ninety days of a small company by the script clock, with everything that goes wrong in ninety days; then
//! the same days with restarts and stops, which must change nothing; a month with kills, full disks and lost mailboxes; and
//! configurations that change on the way.

mod changes;
mod history;
mod month;
mod play;
mod replays;
mod restarts;
mod world;
