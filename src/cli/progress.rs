//! A bar on the terminal while something long goes on; silent elsewhere, and for what is short.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Pieces of work between two looks at the terminal.
const PIECES_PER_LOOK: u64 = 512;

pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `what` is going on, in that many steps.
    pub(super) fn of(what: &str, steps: u64) -> Progress {
        Progress::on(what, steps, std::io::stderr().is_terminal())
    }

    /// The same beside lines that are written meanwhile: on one terminal they would mix.
    pub(super) fn beside_lines(what: &str, steps: u64) -> Progress {
        Progress::on(what, steps, std::io::stderr().is_terminal() && !std::io::stdout().is_terminal())
    }

    fn on(what: &str, steps: u64, is_shown: bool) -> Progress {
        let target = if is_shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {percent} %, {eta} left{msg}") {
            bar.set_style(style.progress_chars("##."));
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(500));
        Progress(bar)
    }

    pub(super) fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }

    /// What it has come to, in words.
    pub(super) fn say(&self, where_: String) {
        self.0.set_message(where_);
    }

    /// How far the work has come, after that many pieces of it: they are too small to be shown one by one.
    pub(super) fn at(&self, piece: u64, step: impl FnOnce() -> u64) {
        if piece.is_multiple_of(PIECES_PER_LOOK) {
            self.0.set_position(step());
        }
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
