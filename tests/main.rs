//! Integration tests that need nothing installed.

mod scenario;
