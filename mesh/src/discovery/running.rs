//! A discovery in a task of its own: what it does is not begun again whenever its reader looks elsewhere.
use super::Discovery;
use crate::node::View;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Views of a discovery that runs by itself. It ends when this is dropped.
pub struct Running {
    views: watch::Receiver<Option<View>>,
    leave: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts it. Needs a runtime.
    pub fn start(mut discovery: Box<dyn Discovery>) -> Running {
        let (sender, views) = watch::channel(None);
        let (leave, mut left) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    view = discovery.next() => if sender.send(Some(view)).is_err() { return },
                    told = &mut left => {
                        if told.is_ok() {
                            discovery.leave().await;
                        }
                        return;
                    }
                }
            }
        });
        Running { views, leave: Some(leave), task }
    }
}

#[async_trait::async_trait]
impl Discovery for Running {
    async fn next(&mut self) -> View {
        loop {
            if self.views.changed().await.is_err() {
                return std::future::pending().await;
            }
            if let Some(view) = self.views.borrow_and_update().clone() {
                return view;
            }
        }
    }

    async fn leave(&mut self) {
        if self.leave.take().is_some_and(|leave| leave.send(()).is_ok())
            && let Err(error) = (&mut self.task).await
        {
            tracing::debug!(%error, "discovery had ended before");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    /// Says something new every ten seconds, counted from when it is asked.
    struct Slow(u64);

    #[async_trait::async_trait]
    impl Discovery for Slow {
        async fn next(&mut self) -> View {
            tokio::time::sleep(Duration::from_secs(10)).await;
            self.0 += 1;
            View { nodes: Vec::new(), version: self.0, at: SystemTime::UNIX_EPOCH }
        }
    }

    /// Scenario: a reader that looks elsewhere every second, as an agent's loop does.
    /// Guarantees: it gets each view all the same.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_looks_elsewhere_does_not_begin_again() {
        let mut running = Running::start(Box::new(Slow(0)));
        let mut seen = Vec::new();
        for _ in 0..45 {
            tokio::select! {
                view = running.next() => seen.push(view.version),
                () = tokio::time::sleep(Duration::from_secs(1)) => (),
            }
        }
        assert_eq!(seen, [1, 2, 3, 4]);
        running.leave().await;
    }
}
