//! `metlog replay`: the lines of files as messages, at a rate, with a progress bar and counts at the end.
use super::print;
use crate::arguments::ReplayOptions;
use crate::failure::Failure;
use crate::metlog_line::is_metlog_json;
use crate::outlet::Outlet;
use crate::pace::Pace;
use indicatif::{ProgressBar, ProgressStyle};
use metlog_schemas::wire::limits::{DATAGRAM_BYTES_DEFAULT, DATAGRAM_BYTES_MAX, NAME_BYTES_MAX};
use metlog_schemas::wire::v1::{DoesNotFit, Draft, Encoder};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, ErrorKind, Read, stdin};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the answer to the last datagram may take where nobody listens.
const REFUSAL_WAIT: Duration = Duration::from_millis(20);

/// Sends the lines of all files.
///
/// # Errors
/// Where a file cannot be read, nobody listens, or a line was too large to be sent.
pub fn run(options: &ReplayOptions) -> Result<(), Failure> {
    let outlet = Outlet::open(&options.to)
        .map_err(|error| Failure::usage(format!("--to: cannot send to `{}`: {error}", options.to)))?;
    let mut replay = Replay::new(options, outlet);
    let bar = bar(options);
    for file in &options.files {
        let name = file.display().to_string();
        let unreadable = |error: std::io::Error| Failure::failed(format!("{name}: {error}"));
        let source: Box<dyn Read> =
            if name == "-" { Box::new(stdin()) } else { Box::new(File::open(file).map_err(unreadable)?) };
        replay.logger = options.logger.clone().unwrap_or_else(|| logger_of(file));
        replay.file(BufReader::with_capacity(1 << 16, bar.wrap_read(source)), unreadable)?;
    }
    replay.settle()?;
    bar.finish_and_clear();
    print(&format!("{}\n", replay.summary()))?;
    match replay.too_large {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} lines are larger than a datagram may be and were not sent"))),
    }
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
fn logger_of(file: &Path) -> String {
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = if name == "-" { "stdin".to_owned() } else { name };
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

struct Replay {
    outlet: Outlet,
    to: String,
    r#type: String,
    logger: String,
    pace: Pace,
    started: Instant,
    /// Datagrams of the usual size.
    usual: Encoder,
    /// For the lines that do not fit one of those.
    large: Encoder,
    sequence: u64,
    json: u64,
    texts: u64,
    too_large: u64,
    datagrams: u64,
}

impl Replay {
    fn new(options: &ReplayOptions, outlet: Outlet) -> Replay {
        let hostname = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
        let (sender, pid) = (RandomState::new().hash_one(std::process::id()), std::process::id());
        let encoder = |bytes| Encoder::new(bytes, sender, pid, &hostname, "", None);
        Replay {
            outlet,
            to: options.to.clone(),
            r#type: options.r#type.clone(),
            logger: String::new(),
            pace: Pace::new(options.rate),
            started: Instant::now(),
            usual: encoder(DATAGRAM_BYTES_DEFAULT),
            large: encoder(DATAGRAM_BYTES_MAX),
            sequence: 0,
            json: 0,
            texts: 0,
            too_large: 0,
            datagrams: 0,
        }
    }

    fn file(
        &mut self,
        mut lines: BufReader<impl Read>,
        unreadable: impl Fn(std::io::Error) -> Failure,
    ) -> Result<(), Failure> {
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(&unreadable)? > 0 {
            let text = line.trim_ascii_end();
            if is_metlog_json(text) {
                self.json(text)?;
            } else if !text.is_empty() {
                self.text(&String::from_utf8_lossy(text))?;
            }
            line.clear();
            let wait = self.pace.wait(self.json + self.texts, self.started.elapsed());
            // The next line may be a long time in coming.
            if wait.is_some() || lines.buffer().is_empty() {
                self.leave()?;
            }
            wait.into_iter().for_each(std::thread::sleep);
        }
        self.leave()
    }

    fn json(&mut self, line: &[u8]) -> Result<(), Failure> {
        if line.len() > DATAGRAM_BYTES_MAX {
            self.too_large += 1;
            return Ok(());
        }
        self.json += 1;
        self.datagrams += 1;
        self.outlet.send(line).map_err(|error| self.refused(&error))
    }

    fn text(&mut self, line: &str) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        if self.push(now, line, false).is_err() {
            self.leave()?;
            if self.push(now, line, false).is_err() && self.push(now, line, true).is_err() {
                self.too_large += 1;
                return Ok(());
            }
        }
        self.texts += 1;
        if self.large.is_empty() { Ok(()) } else { self.leave() }
    }

    fn push(&mut self, now: i64, payload: &str, large: bool) -> Result<(), DoesNotFit> {
        let (r#type, logger) = (self.r#type.as_str(), Some(self.logger.as_str()));
        let draft = Draft { timestamp: now, r#type, logger, payload, ..Draft::default() };
        let encoder = if large { &mut self.large } else { &mut self.usual };
        encoder.push(now, &draft, [].into_iter(), [].into_iter())
    }

    /// Sends what was put together.
    fn leave(&mut self) -> Result<(), Failure> {
        let mut sent = Ok(());
        for encoder in [&mut self.usual, &mut self.large] {
            if !encoder.is_empty() {
                sent = sent.and(self.outlet.send(encoder.finish(self.sequence, self.too_large)));
                encoder.clear();
                self.sequence += 1;
                self.datagrams += 1;
            }
        }
        sent.map_err(|error| self.refused(&error))
    }

    /// Waits for the refusal of the last datagram, which comes after it was sent.
    fn settle(&self) -> Result<(), Failure> {
        std::thread::sleep(REFUSAL_WAIT);
        self.outlet.late_error().map_or(Ok(()), |error| Err(self.refused(&error)))
    }

    fn refused(&self, error: &std::io::Error) -> Failure {
        let (to, messages) = (&self.to, self.json + self.texts);
        match error.kind() {
            ErrorKind::ConnectionRefused => {
                Failure::failed(format!("nobody listens at {to} (after {messages} messages): is `metlog up` running?"))
            }
            _ => Failure::failed(format!("cannot send to {to} (after {messages} messages): {error}")),
        }
    }

    fn summary(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let Replay { json, texts, datagrams, .. } = self;
        let all = json + texts;
        format!("{all} messages ({json} Metlog JSON, {texts} lines of text) in {datagrams} datagrams, {seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metlog_schemas::wire::v1::Datagram;
    use std::net::UdpSocket;
    use std::path::PathBuf;

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
        ReplayOptions { to: to.to_owned(), rate: 0, r#type: "line".into(), logger: None, files }
    }

    #[test]
    fn each_line_arrives_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.log");
        let json = r#"{"type":"wsgi","payload":"x","env_version":"0.8"}"#;
        let long = "l".repeat(10_000);
        std::fs::write(&file, format!("first\n{json}\r\n\n{long}\n{{\"level\":1}}\nlast without end")).unwrap();
        let (socket, to) = listener();
        let sent = std::thread::spawn(move || run(&options(&to, vec![file])));
        let received = receive(&socket, 5);
        assert_eq!(sent.join().unwrap(), Ok(()));
        assert_eq!(received.json, [json]);
        let text = |payload: &str| ("line".to_owned(), "auth.log".to_owned(), payload.to_owned());
        assert_eq!(received.texts, ["first", &long, "{\"level\":1}", "last without end"].map(text));
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
        assert_eq!(failure.parts(), (1, "1 lines are larger than a datagram may be and were not sent"));
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
