//! The pipe of the process that asks: the first one, or, after a fork, a new one.
use super::{Pipe, fork};
use crate::config::Settings;
use crate::slot::Slot;
use std::sync::Arc;
use std::time::Duration;

/// Gives each process its own pipe.
#[derive(Debug)]
pub(crate) struct Pipes {
    settings: Arc<Settings>,
    newest: Slot<Pipe>,
}

impl Pipes {
    pub fn start(settings: Arc<Settings>) -> Pipes {
        fork::watch();
        let newest = Slot::empty();
        newest.replace(None, Some(Pipe::start(&settings, fork::generation())));
        Pipes { settings, newest }
    }

    /// This process's pipe.
    #[inline]
    pub fn current(&self) -> &Pipe {
        self.started().unwrap_or_else(|| self.renew())
    }

    /// The first call after a fork. The parent's pipe is not touched: its mutex may be locked for ever.
    #[cold]
    fn renew(&self) -> &Pipe {
        loop {
            if let Some(pipe) = self.started() {
                return pipe;
            }
            let seen = self.newest.get().filter(|pipe| pipe.generation != fork::generation());
            let pipe = Pipe::start(&self.settings, fork::generation());
            if !self.newest.replace(seen, Some(pipe.clone())) {
                pipe.close(Duration::ZERO); // another thread of this child was first
            }
        }
    }

    /// Waits until this process's pipe, where it has one, is empty.
    pub fn flush(&self, limit: Duration) -> bool {
        self.started().is_none_or(|pipe| pipe.flush(limit))
    }

    /// Closes this process's pipe, where it has one.
    pub fn close(&self, limit: Duration) -> bool {
        self.started().is_none_or(|pipe| pipe.close(limit))
    }

    /// A forked child that has sent nothing has none.
    #[inline]
    fn started(&self) -> Option<&Pipe> {
        self.newest.get().filter(|pipe| pipe.generation == fork::generation())
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        match self.newest.take() {
            Some(pipe) if pipe.generation != fork::generation() => std::mem::forget(pipe),
            pipe => drop(pipe),
        }
    }
}
