//! `metlog top`: threads that ask, listen to keys and signals, and the one that draws.
use super::print;
use crate::arguments::TopOptions;
use crate::ask::{Server, runtime};
use crate::failure::Failure;
use crate::top::ask::{SAMPLE_EVERY, follow, rows, sample};
use crate::top::model::{Event, Model};
use crate::top::{once, screen};
use ratatui::crossterm::event::{self, Event as Input};
use std::io::{IsTerminal, stdout};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How often the thread of keys looks whether it is still needed.
const KEYS_WAIT: Duration = Duration::from_millis(200);

/// Draws until it is told to end.
///
/// # Errors
/// Where there is no terminal, or, with `--once`, no server.
pub fn run(options: &TopOptions) -> Result<(), Failure> {
    let server = Server::of(&options.server)?;
    if options.once {
        return print_once(&server);
    }
    if !stdout().is_terminal() {
        return Err(Failure::usage("top draws on a terminal, and stdout is none; use `metlog top --once`"));
    }
    let has_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut model = Model::new(server.address(), has_colour);
    let (sender, events) = channel();
    spawn("ask", {
        let sender = sender.clone();
        move || ask(server, &sender)
    })?;
    // From here on a panic of any thread restores the terminal first.
    let mut terminal = ratatui::try_init().map_err(Failure::failed)?;
    let outcome = spawn("keys", move || keys(&sender)).and_then(|()| show(&mut terminal, &mut model, &events));
    let restored = ratatui::try_restore().map_err(Failure::failed);
    outcome.and(restored)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(Failure::failed)
}

fn show(terminal: &mut ratatui::DefaultTerminal, model: &mut Model, events: &Receiver<Event>) -> Result<(), Failure> {
    loop {
        terminal.draw(|frame| screen::draw(frame, model)).map_err(Failure::failed)?;
        // What has come meanwhile is drawn at once.
        let Ok(first) = events.recv() else { return Ok(()) };
        for event in std::iter::once(first).chain(events.try_iter()) {
            if model.update(event) {
                return Ok(());
            }
        }
    }
}

/// Keys and sizes, until nobody takes them.
fn keys(events: &Sender<Event>) {
    loop {
        let event = match event::poll(KEYS_WAIT).and_then(|is_there| is_there.then(event::read).transpose()) {
            Ok(None) | Ok(Some(Input::FocusGained | Input::FocusLost | Input::Mouse(_) | Input::Paste(_))) => continue,
            Ok(Some(Input::Key(key))) => Event::Key(key),
            Ok(Some(Input::Resize(..))) => Event::Resized,
            // The terminal is gone.
            Err(_) => Event::Told,
        };
        let is_end = matches!(event, Event::Told);
        if events.send(event).is_err() || is_end {
            return;
        }
    }
}

/// Asks the server, and waits for signals, which would leave the terminal as it is.
fn ask(server: Server, events: &Sender<Event>) {
    let Ok(runtime) = runtime() else { return };
    runtime.block_on(async {
        let told = async {
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()];
            let signals = kinds.into_iter().filter_map(|kind| signal(kind).ok());
            let waits = signals.map(|mut signal| Box::pin(async move { signal.recv().await }));
            futures::future::select_all(waits).await;
        };
        tokio::select! {
            () = told => drop(events.send(Event::Told)),
            () = follow(server, events.clone()) => (),
        }
    });
}

/// Two samples, so that there are rates, and each table once.
fn print_once(server: &Server) -> Result<(), Failure> {
    let (sender, events) = channel();
    let mut model = Model::new(server.address(), false);
    runtime()?.block_on(async {
        let started = Instant::now();
        let first = sample(server, started).await?;
        model.update(Event::Sample(Box::new(first)));
        tokio::join!(rows(server, &sender), tokio::time::sleep(2 * SAMPLE_EVERY));
        let second = sample(server, started).await?;
        model.update(Event::Sample(Box::new(second)));
        Ok::<(), Failure>(())
    })?;
    for event in events.try_iter() {
        model.update(event);
    }
    print(&once::written(&model))
}
