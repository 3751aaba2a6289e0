//! The command line from outside: what is printed, and with which exit code.

mod assess;
mod backtest;
mod calendar;
mod check;
mod explain;
mod forecast;
mod help;
mod new;
mod objectives;
mod retarget;
mod state;
pub(crate) mod support;
mod test;
