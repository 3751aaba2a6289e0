//! Equal requests of KPIs that are due together are made once: whoever comes first asks, the others take its answer.
//!
//! What is kept is known to be wanted by another one, and goes with the last that wants it. Failures are not shared.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::error::SourceError;

/// Bytes that are kept for others in all; what goes beyond is asked for anew by each.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Answers that are kept for others of one kind of request: pages, spans.
const ANSWERS_MAX: usize = 1000;

type Answer = Arc<dyn Any + Send + Sync>;
type Cell = Arc<OnceCell<Answer>>;

/// What KPIs of one source that are due together ask and are told.
#[derive(Default)]
pub struct Shared {
    groups: Mutex<HashMap<String, Group>>,
}

/// KPIs that ask the same.
#[derive(Default)]
struct Group {
    /// How many there are, and how many of their pulls have not ended: long spans are pulled in parts.
    kpis: usize,
    left: usize,
    answers: HashMap<String, Cell>,
    bytes: usize,
}

/// A pull's part in its group; its end is told when this is dropped.
pub(super) struct Member<'a> {
    shared: &'a Shared,
    /// None where nobody else asks the same.
    group: Option<String>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("groups", &self.groups().len()).finish()
    }
}

impl Shared {
    /// A KPI that is due will ask this, in so many pulls.
    pub fn expect(&self, asks: Option<String>, pulls: usize) {
        if let Some(asks) = asks {
            let mut groups = self.groups();
            let group = groups.entry(asks).or_default();
            (group.kpis, group.left) = (group.kpis + 1, group.left.saturating_add(pulls));
        }
    }

    /// A pull of a KPI begins.
    pub(super) fn join(&self, asks: Option<String>) -> Member<'_> {
        let group = asks.filter(|asks| self.groups().get(asks).is_some_and(|group| group.kpis > 1));
        Member { shared: self, group }
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<String, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member<'_> {
    /// Whether somebody else will ask the same.
    pub(super) fn is_shared(&self) -> bool {
        self.group.is_some()
    }

    /// The answer to a request of that name, asked for by whoever comes first; `bytes` weighs it.
    pub(super) async fn get<T: Any + Send + Sync>(
        &self,
        request: String,
        bytes: impl Fn(&T) -> usize,
        ask: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<Arc<T>, SourceError> {
        let Some(cell) = self.cell(&request) else { return ask.await.map(Arc::new) };
        let mut own = false;
        let asked = async {
            own = true;
            ask.await.map(|answer| Arc::new(answer) as Answer)
        };
        let answer = cell.get_or_try_init(|| asked).await?.clone();
        let answer = answer.downcast::<T>().expect("invariant: a request of one name has answers of one type");
        if own {
            self.weigh(&request, bytes(&answer));
        }
        Ok(answer)
    }

    fn cell(&self, request: &str) -> Option<Cell> {
        let mut groups = self.shared.groups();
        let group = groups.get_mut(self.group.as_ref()?)?;
        if let Some(cell) = group.answers.get(request) {
            return Some(cell.clone());
        }
        // The last one has nobody to keep it for.
        let room = group.left > 1 && group.answers.len() < ANSWERS_MAX;
        room.then(|| group.answers.entry(request.to_owned()).or_default().clone())
    }

    fn weigh(&self, request: &str, bytes: usize) {
        let mut groups = self.shared.groups();
        let kept: usize = groups.values().map(|group| group.bytes).sum();
        let Some(group) = self.group.as_ref().and_then(|group| groups.get_mut(group)) else { return };
        if kept.saturating_add(bytes) > BYTES_MAX {
            tracing::debug!(bytes, bytes_max = BYTES_MAX, "an answer is too large to be kept for other KPIs");
            group.answers.remove(request);
        } else {
            group.bytes += bytes;
        }
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        let mut groups = self.shared.groups();
        let Some(asks) = &self.group else { return };
        if let Some(group) = groups.get_mut(asks) {
            group.left = group.left.saturating_sub(1);
            if group.left == 0 {
                groups.remove(asks);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{BYTES_MAX, Member, Shared};
    use crate::net::ErrorClass;
    use crate::source::SourceError;

    /// So many KPIs are due.
    fn due(kpis: usize) -> Shared {
        let shared = Shared::default();
        for _ in 0..kpis {
            shared.expect(Some("orders".to_owned()), 1);
        }
        shared
    }

    fn join(shared: &Shared) -> Member<'_> {
        shared.join(Some("orders".to_owned()))
    }

    /// As many KPIs as there are names ask for these, each within its own pull; how often the source was asked.
    async fn check(names: &[&str], bytes: usize, expected: usize) {
        let (shared, asked) = (due(names.len()), Cell::new(0));
        for name in names {
            let member = join(&shared);
            let ask = async {
                asked.set(asked.get() + 1);
                Ok((*name).to_owned())
            };
            let answer = member.get((*name).to_owned(), |_: &String| bytes, ask).await.unwrap();
            assert_eq!(*answer, *name);
        }
        assert_eq!(asked.get(), expected, "{names:?} of {bytes} bytes");
        assert!(shared.groups().is_empty(), "nothing is kept once all have ended");
    }

    #[tokio::test]
    async fn what_is_equal_is_asked_once() {
        check(&["a", "a", "a"], 1, 1).await;
        check(&["a", "b", "a"], 1, 2).await;
        check(&["a", "a", "a"], BYTES_MAX + 1, 3).await;
        check(&["a", "a", "b", "b", "b"], BYTES_MAX / 2 + 1, 4).await;
    }

    #[tokio::test]
    async fn who_comes_meanwhile_waits() {
        let (shared, asked) = (due(2), Cell::new(0));
        let (first, second) = (join(&shared), join(&shared));
        let ask = || async {
            asked.set(asked.get() + 1);
            tokio::task::yield_now().await;
            Ok(7)
        };
        let one = |_: &i32| 1;
        let both = tokio::join!(first.get("a".into(), one, ask()), second.get("a".into(), one, ask()));
        assert_eq!((both.0.unwrap(), both.1.unwrap(), asked.get()), (7.into(), 7.into(), 1));
    }

    #[tokio::test]
    async fn failures_are_each_ones_own() {
        let shared = due(2);
        let (first, second) = (join(&shared), join(&shared));
        let failed = async { Err::<i32, _>(SourceError::new(ErrorClass::Transient, "no")) };
        assert!(first.get("a".into(), |_| 1, failed).await.is_err());
        assert_eq!(*second.get("a".into(), |_| 1, async { Ok(7) }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn nobody_else_nothing_kept() {
        let shared = due(1);
        let member = join(&shared);
        assert!(!member.is_shared());
        member.get("a".into(), |_: &i32| 1, async { Ok(7) }).await.unwrap();
        assert!(shared.groups()["orders"].answers.is_empty());
    }
}
