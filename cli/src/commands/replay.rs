//! `metlog replay`: the lines of files as messages, at a rate, with a progress bar and counts at the end.
use super::print;
use crate::arguments::ReplayOptions;
use crate::arrival::{Arrival, Before, Sent};
use crate::failure::Failure;
use crate::logs;
use crate::metlog_line::is_metlog_json;
use crate::outlet::Outlet;
use crate::pace::Pace;
use crate::plural::{counted, verb};
use crate::ship::pack::{Origin, Packed, Packer};
use crate::ship::source::{Line, Lines};
use crate::ship::template::Template;
use crate::ship::{Counts, exact};
use indicatif::{ProgressBar, ProgressStyle};
use metlog_schemas::wire::limits::{DATAGRAM_BYTES_MAX, NAME_BYTES_MAX};
use metlog_schemas::wire::v1::{SigningKey, secret};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read, stdin};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Sends the lines of all files.
///
/// # Errors
/// Where a file cannot be read, nobody listens, a line was too large to be sent, or not all of it arrived.
pub fn run(options: &ReplayOptions) -> Result<(), Failure> {
    let outlet = Outlet::open(&options.to)
        .map_err(|error| Failure::usage(format!("--to: cannot send to `{}`: {error}", options.to)))?;
    let (arrival, origin) = (Arrival::of(&options.server, &options.to)?, origin()?);
    let started = Instant::now();
    let seconds = || started.elapsed().as_secs_f64();
    if let Some(state) = &options.state {
        let Some(arrival) = arrival else {
            let hint = "no server answers for it here, so --server ADDR is required";
            return Err(Failure::usage(format!("--state asks what of it has arrived at {}: {hint}", options.to)));
        };
        let address = arrival.address().to_owned();
        let shipped = exact::run(options, state, outlet, arrival, origin)?;
        print(&format!("{}; {address} received all of it\n", shipped.counts.summary(shipped.datagrams, seconds())))?;
        return said(&shipped.counts);
    }
    let before = arrival.as_ref().map(Arrival::begin).transpose()?;
    let mut replay = Replay::new(options, outlet, origin);
    let bar = bar(options);
    for file in &options.files {
        replay.file(file, &bar)?;
    }
    replay.end()?;
    bar.finish_and_clear();
    print(&format!("{}\n", replay.counts.summary(replay.datagrams, seconds())))?;
    said(&replay.counts).and(compare(arrival.as_ref(), before.as_ref(), &replay))
}

/// Says what was not sent as it was.
fn said(counts: &Counts) -> Result<(), Failure> {
    counts.remarks().iter().for_each(|remark| logs::say(remark));
    match counts.too_large {
        0 => Ok(()),
        count => {
            let (lines, are, were) = (counted(count, "line"), verb(count, "is", "are"), verb(count, "was", "were"));
            Err(Failure::failed(format!("{lines} {are} larger than a datagram may be and {were} not sent")))
        }
    }
}

fn compare(arrival: Option<&Arrival>, before: Option<&Before>, replay: &Replay<'_>) -> Result<(), Failure> {
    let (Some(arrival), Some(before)) = (arrival, before) else {
        logs::say("not compared with what arrived: no server is known to listen there; --server names it");
        return Ok(());
    };
    let sent = Sent {
        sender: replay.sender,
        datagrams: replay.packer.sequence(),
        messages: replay.counts.messages(),
        json: replay.counts.json,
    };
    let compared = arrival.compare(before, &sent);
    if compared.is_err() && sent.datagrams > 0 {
        // What said how many there were may be among the missing; the server counts them as lost only where it knows.
        let _ = replay.outlet.send(&replay.packer.heartbeat(now()));
    }
    logs::say(&compared?);
    Ok(())
}

/// Who sends, with the key of the environment.
fn origin() -> Result<Origin, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let key = match (variable("METLOG_KEY_ID"), variable("METLOG_KEY")) {
        (Some(id), Some(text)) => {
            let secret = secret(&text).map_err(|error| Failure::usage(format!("METLOG_KEY {error}")))?;
            Some(SigningKey { id, secret })
        }
        (None, None) => None,
        _ => return Err(Failure::usage("METLOG_KEY_ID and METLOG_KEY belong together")),
    };
    let hostname = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    Ok(Origin { sender: RandomState::new().hash_one(std::process::id()), hostname, key })
}

fn bar(options: &ReplayOptions) -> ProgressBar {
    let sizes: Option<u64> = options.files.iter().map(|file| Some(std::fs::metadata(file).ok()?.len())).sum();
    let style = "{bar:40} {percent}% {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    match sizes {
        Some(bytes) => ProgressBar::new(bytes).with_style(style),
        None => ProgressBar::new_spinner(),
    }
}

/// The file's name without folders, cut to what a logger may have.
pub fn logger_of(file: &Path) -> String {
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = if name == "-" { "stdin".to_owned() } else { name };
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

/// µs since 1970 UTC.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

struct Replay<'o> {
    options: &'o ReplayOptions,
    outlet: Outlet,
    sender: u64,
    packer: Packer,
    template: Template,
    pace: Pace,
    started: Instant,
    counts: Counts,
    /// Of lines, since the packer wants to know where each ends.
    lines: u64,
    datagrams: u64,
}

impl<'o> Replay<'o> {
    fn new(options: &'o ReplayOptions, outlet: Outlet, origin: Origin) -> Replay<'o> {
        Replay {
            options,
            outlet,
            sender: origin.sender,
            packer: Packer::new(&origin, 0),
            template: Template::new(&options.template, &options.r#type),
            pace: Pace::new(options.rate),
            started: Instant::now(),
            counts: Counts::default(),
            lines: 0,
            datagrams: 0,
        }
    }

    fn file(&mut self, file: &Path, bar: &ProgressBar) -> Result<(), Failure> {
        let name = file.display().to_string();
        let unreadable = |error: std::io::Error| Failure::failed(format!("{name}: {error}"));
        let source: Box<dyn Read> = match name.as_str() {
            "-" => Box::new(stdin()),
            _ => Box::new(File::open(file).map_err(unreadable)?),
        };
        let mut lines = Lines::new(bar.wrap_read(source)).map_err(unreadable)?;
        let logger = self.options.logger.clone().unwrap_or_else(|| logger_of(file));
        let mut line = Line::default();
        loop {
            line.clear();
            lines.read(&mut line, |_| ()).map_err(unreadable)?;
            if line.length == 0 {
                return self.close();
            }
            self.line(&line, &logger)?;
            let wait = self.pace.wait(self.counts.messages(), self.started.elapsed());
            // The next line may be a long time in coming.
            if wait.is_some() || lines.is_drained() {
                self.close()?;
            }
            wait.into_iter().for_each(std::thread::sleep);
        }
    }

    fn line(&mut self, line: &Line, logger: &str) -> Result<(), Failure> {
        let text = line.bytes.trim_ascii_end();
        if !line.is_cut() && text.len() <= DATAGRAM_BYTES_MAX && is_metlog_json(text) {
            self.counts.json += 1;
            self.datagrams += 1;
            return self.outlet.send(text).map_err(|error| self.refused(&error));
        }
        let now = now();
        let outgoing = self.template.message(&line.bytes, logger, now, &mut self.counts);
        self.lines += 1;
        let mut out = Vec::new();
        if !self.packer.push(now, &outgoing, self.lines, &mut out) {
            self.counts.too_large += 1;
            self.packer.begin(self.lines);
        }
        self.leave(&out)
    }

    fn close(&mut self) -> Result<(), Failure> {
        let mut out = Vec::new();
        self.packer.close(&mut out);
        self.leave(&out)
    }

    fn leave(&mut self, out: &[Packed]) -> Result<(), Failure> {
        for packed in out {
            self.datagrams += 1;
            self.outlet.send(&packed.bytes).map_err(|error| self.refused(&error))?;
        }
        Ok(())
    }

    /// Says how many datagrams there were, and waits: the refusal of the last comes after it was sent.
    fn end(&self) -> Result<(), Failure> {
        if self.packer.sequence() > 0 {
            self.outlet.send(&self.packer.heartbeat(now())).map_err(|error| self.refused(&error))?;
        }
        self.outlet.settle().map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &std::io::Error) -> Failure {
        let (to, messages) = (&self.options.to, counted(self.counts.messages(), "message"));
        match error.kind() {
            ErrorKind::ConnectionRefused => {
                Failure::failed(format!("nobody listens at {to} (after {messages}): is `metlog up` running?"))
            }
            _ => Failure::failed(format!("cannot send to {to} (after {messages}): {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{ServerOptions, TemplateOptions};
    use metlog_schemas::wire::v1::Datagram;
    use std::net::UdpSocket;
    use std::path::PathBuf;
    use std::time::Duration;

    struct Received {
        json: Vec<String>,
        texts: Vec<(String, String, String)>,
        sequences: Vec<u64>,
    }

    fn listener() -> (UdpSocket, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        (socket, address)
    }

    fn receive(socket: &UdpSocket, messages: usize) -> Received {
        let mut received = Received { json: Vec::new(), texts: Vec::new(), sequences: Vec::new() };
        let mut bytes = vec![0; DATAGRAM_BYTES_MAX];
        while received.json.len() + received.texts.len() < messages {
            let length = socket.recv(&mut bytes).unwrap();
            match Datagram::decode(&bytes[..length]) {
                Ok(datagram) => {
                    received.sequences.push(datagram.header.sequence);
                    let texts = datagram.messages().map(|message| {
                        let message = message.unwrap();
                        (message.r#type.to_owned(), message.logger.to_owned(), message.payload.to_owned())
                    });
                    received.texts.extend(texts);
                }
                Err(_) => received.json.push(String::from_utf8(bytes[..length].to_vec()).unwrap()),
            }
        }
        received
    }

    fn options(to: &str, files: Vec<PathBuf>) -> ReplayOptions {
        ReplayOptions {
            to: to.to_owned(),
            server: ServerOptions::default(),
            rate: 0,
            r#type: "line".into(),
            logger: None,
            template: TemplateOptions::default(),
            follow: false,
            state: None,
            files,
        }
    }

    #[test]
    fn each_line_arrives_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.log");
        let json = r#"{"type":"wsgi","payload":"x","env_version":"0.8"}"#;
        let long = "l".repeat(10_000);
        std::fs::write(&file, format!("first \r\n{json}\r\n\n{long}\n{{\"level\":1}}\nlast without end")).unwrap();
        let (socket, to) = listener();
        let sent = std::thread::spawn(move || run(&options(&to, vec![file])));
        let received = receive(&socket, 6);
        assert_eq!(sent.join().unwrap(), Ok(()));
        assert_eq!(received.json, [json]);
        let text = |payload: &str| ("line".to_owned(), "auth.log".to_owned(), payload.to_owned());
        assert_eq!(received.texts, ["first \r", "", &long, "{\"level\":1}", "last without end"].map(text));
        assert!(received.sequences.iter().copied().eq(0..received.sequences.len() as u64), "{:?}", received.sequences);
    }

    #[test]
    fn many_lines_share_datagrams() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("many");
        std::fs::write(&file, "a line of text that is not long\n".repeat(300)).unwrap();
        let (socket, to) = listener();
        let sent = std::thread::spawn(move || run(&options(&to, vec![file])));
        let received = receive(&socket, 300);
        assert_eq!(sent.join().unwrap(), Ok(()));
        assert!(received.sequences.len() < 30, "{} datagrams", received.sequences.len());
    }

    #[test]
    fn what_is_too_large_is_counted_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("huge");
        std::fs::write(&file, format!("{}\nsmall\n", "x".repeat(70_000))).unwrap();
        let (socket, to) = listener();
        let sent = std::thread::spawn(move || run(&options(&to, vec![file])));
        assert_eq!(receive(&socket, 1).texts[0].2, "small");
        let failure = sent.join().unwrap().unwrap_err();
        assert_eq!(failure.parts(), (1, "1 line is larger than a datagram may be and was not sent"));
    }

    #[test]
    fn nobody_listening_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "one\n").unwrap();
        let (socket, to) = listener();
        drop(socket);
        let failure = run(&options(&to, vec![file])).unwrap_err();
        let (code, message) = failure.parts();
        assert!(code == 1 && message.contains("nobody listens at"), "{message}");
    }
}
