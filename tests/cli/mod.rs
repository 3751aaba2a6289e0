//! The command line from outside: what is printed, and with which exit code.

mod calendar;
mod check;
mod help;
mod state;
mod support;
