//! The thread that owns the engine's state: rule scripts need its large stack, and a step must never
//! hold up the threads that do I/O.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use tokio::sync::oneshot;

use crate::engine::{Setup, State};

type Work = Box<dyn FnOnce(&mut State, &Setup) + Send>;

/// Deep expressions of scripts recurse on the native stack.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A handle to the engine's thread. The thread ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct EngineThread {
    work: mpsc::Sender<Work>,
}

/// The engine's thread of the configuration in force.
#[derive(Clone, Debug)]
pub(super) struct LiveEngine(Arc<Mutex<EngineThread>>);

impl LiveEngine {
    pub(super) fn new(engine: EngineThread) -> LiveEngine {
        LiveEngine(Arc::new(Mutex::new(engine)))
    }

    pub(super) fn now(&self) -> EngineThread {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, engine: EngineThread) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

impl EngineThread {
    pub fn start(state: State, setup: Arc<Setup>) -> std::io::Result<EngineThread> {
        let (work, queue) = mpsc::channel::<Work>();
        let mut state = state;
        thread::Builder::new().name("engine".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            while let Ok(next) = queue.recv() {
                next(&mut state, &setup);
            }
        })?;
        Ok(EngineThread { work })
    }

    /// Runs `job` on the engine's thread and waits for its result.
    ///
    /// # Panics
    /// When the engine's thread has died: a bug, after which nothing can be decided any more.
    pub async fn with<R: Send + 'static>(&self, job: impl FnOnce(&mut State, &Setup) -> R + Send + 'static) -> R {
        let (done, result) = oneshot::channel();
        let work: Work = Box::new(move |state, setup| {
            // The caller may have been dropped at shutdown; then nobody waits for the result.
            drop(done.send(job(state, setup)));
        });
        self.work.send(work).expect("the engine's thread lives as long as its handles");
        result.await.expect("the engine's thread answers every job")
    }
}
