//! What every channel must do, each through the same list: limits, hostile texts, answers, deadlines, secrets, settings.

mod answers;
mod hostile;
mod limits;
mod reading;
mod secrets;
mod settings;
mod subjects;
