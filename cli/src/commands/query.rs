//! `metlog query`: SQL on the running server, or on a warehouse that nobody serves. Results are printed as they come.
use super::{prompt, read_all};
use crate::arguments::QueryOptions;
use crate::ask::{Place, Server, innermost, runtime};
use crate::config;
use crate::failure::Failure;
use crate::logs;
use crate::serve::engine_config;
use crate::sinks::open_url;
use crate::statements::{Statement, statements};
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use console::Term;
use metlog_query::Engine;
use metlog_query::format::{Format, Options as Layout, Writer};
use reqwest::Response;
use serde_json::json;
use std::io::{BufWriter, ErrorKind, IsTerminal, StdoutLock, Write, stdin, stdout};
use std::path::Path;

/// Where the server marks a result that lacks what it could not read.
const PARTIAL: &str = "metlog-partial";

/// Runs the queries and prints their results, or asks for queries.
///
/// # Errors
/// Where there is no result, with the place in the SQL where it is wrong.
pub fn run(options: &QueryOptions) -> Result<(), Failure> {
    if !options.format.is_text() && stdout().is_terminal() {
        let name = options.format.name();
        return Err(Failure::usage(format!("{name} is nothing that a terminal shows: redirect stdout into a file")));
    }
    let runtime = runtime()?;
    let source = Source::of(options)?;
    let text = match (&options.sql, &options.file) {
        (Some(sql), _) if sql != "-" => sql.clone(),
        (None, Some(file)) => text_of(file)?,
        (None, None) if stdin().is_terminal() => return prompt::run(&runtime, &source, &|| printer(options)),
        _ => text_of(Path::new("-"))?,
    };
    let queries = statements(&text);
    if queries.is_empty() {
        return Err(Failure::usage("there is no query: give one, -f FILE, or `-` for stdin"));
    }
    for query in &queries {
        let mut printer = printer(options);
        runtime.block_on(source.run(query, &mut printer))?;
        printer.finish()?;
    }
    Ok(())
}

/// What prints one result.
fn printer(options: &QueryOptions) -> Printer {
    Printer { format: options.format, layout: layout(options), writer: None }
}

fn text_of(file: &Path) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", file.display()));
    let bytes = read_all(file).map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// How a table is laid out: as wide as the terminal, or as was said; in a file or a pipe nothing is cut.
fn layout(options: &QueryOptions) -> Layout {
    let terminal = Term::stdout();
    let columns = || terminal.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0);
    let width = options.width.or_else(|| terminal.is_term().then(columns).flatten());
    Layout { width, ..Layout::default() }
}

/// What takes a result.
pub trait Take {
    /// Its columns, before its rows.
    ///
    /// # Errors
    /// Where they cannot be taken.
    fn begin(&mut self, schema: &SchemaRef) -> Result<(), Failure>;
    /// Rows.
    ///
    /// # Errors
    /// Where they cannot be taken.
    fn rows(&mut self, batch: &RecordBatch) -> Result<(), Failure>;
}

/// Where queries run.
pub enum Source {
    /// A running server; true where a part of the rows is not enough.
    Server(Server, bool),
    /// Here, on what is stored.
    Warehouse(Box<Engine>),
}

impl Source {
    fn of(options: &QueryOptions) -> Result<Source, Failure> {
        match &options.warehouse {
            Some(url) => Ok(Source::Warehouse(Box::new(warehouse(url, options)?))),
            None => Ok(Source::Server(Server::of(&options.server)?, options.strict)),
        }
    }

    /// Runs one query.
    ///
    /// # Errors
    /// Where there is no result, or not the whole of it.
    pub async fn run(&self, query: &Statement<'_>, take: &mut impl Take) -> Result<(), Failure> {
        match self {
            Source::Server(server, is_strict) => on_server(server, *is_strict, query, take).await,
            Source::Warehouse(engine) => {
                let refused = |error| refused(&error, query.place);
                let mut answer = engine.query(query.text).await.map_err(refused)?;
                take.begin(&answer.schema())?;
                while let Some(batch) = answer.next().await {
                    take.rows(&batch.map_err(refused)?)?;
                }
                Ok(())
            }
        }
    }
}

/// Arrow on the wire, so that every format is made in one place and nothing is lost on the way.
async fn on_server(
    server: &Server,
    is_strict: bool,
    query: &Statement<'_>,
    take: &mut impl Take,
) -> Result<(), Failure> {
    let body = match is_strict {
        true => json!({ "query": query.text, "strict": true }),
        // An older server does not know the word.
        false => json!({ "query": query.text }),
    };
    let response = server.post("/api/sql", &body, Format::Arrow.media_type()).await?;
    if !response.status().is_success() {
        return Err(server.refusal_at(response, query.place).await);
    }
    say_if_partial(&response);
    stream(response, take).await.map_err(|failed| match failed {
        Cut::Taking(failure) => failure,
        Cut::Short(why) => Failure::failed(format!("{}: the result is cut off: {why}", server.address())),
    })
}

fn say_if_partial(response: &Response) {
    if let Some(what) = response.headers().get(PARTIAL) {
        logs::say(&format!("partial result: {}", String::from_utf8_lossy(what.as_bytes())));
    }
}

enum Cut {
    Taking(Failure),
    Short(String),
}

/// Gives rows on as soon as they are whole; no more than a batch is held.
async fn stream(mut response: Response, take: &mut impl Take) -> Result<(), Cut> {
    let short = |error: ArrowError| Cut::Short(error.to_string());
    let mut decoder = StreamDecoder::new();
    let mut has_begun = false;
    while let Some(chunk) = response.chunk().await.map_err(|error| Cut::Short(innermost(&error)))? {
        let mut buffer = Buffer::from_vec(chunk.to_vec());
        while !buffer.is_empty() {
            let batch = decoder.decode(&mut buffer).map_err(short)?;
            if let Some(schema) = decoder.schema().filter(|_| !has_begun) {
                has_begun = true;
                take.begin(&schema).map_err(Cut::Taking)?;
            }
            if let Some(batch) = batch {
                take.rows(&batch).map_err(Cut::Taking)?;
            }
        }
    }
    decoder.finish().map_err(short)?;
    if has_begun { Ok(()) } else { Err(Cut::Short("it is empty".to_owned())) }
}

fn warehouse(url: &str, options: &QueryOptions) -> Result<Engine, Failure> {
    let config = config::look_into(options.server.config.as_deref())?;
    if let Some(folder) = reqwest::Url::parse(url).ok().and_then(|url| url.to_file_path().ok())
        && !folder.is_dir()
    {
        return Err(Failure::failed(format!("--warehouse: there is no folder {}", folder.display())));
    }
    // Those of one kind of store mean nothing to another.
    let parquet = config.sinks.parquet;
    let scheme = |url: &str| url.split(':').next().map(str::to_owned);
    let meant = if scheme(url) == scheme(&parquet.url) { parquet.options } else { Vec::new() };
    let store = open_url(url, &meant)?;
    Engine::new(engine_config(&config.query), store.objects, store.prefix, None).map_err(Failure::failed)
}

fn refused(error: &metlog_query::Error, place: Place) -> Failure {
    match error.position {
        Some((line, column)) => Failure::failed(format!("{}: {}", place.plus(line, column), error.message)),
        None => Failure::failed(&error.message),
    }
}

/// Writes a result to stdout.
pub struct Printer {
    format: Format,
    layout: Layout,
    writer: Option<Writer<BufWriter<StdoutLock<'static>>>>,
}

impl Printer {
    /// Ends the result.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(self) -> Result<(), Failure> {
        let Some(writer) = self.writer else { return Ok(()) };
        let mut out = writer.finish().map_err(unprintable)?;
        let newline = if self.format == Format::Json { "\n" } else { "" };
        out.write_all(newline.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
    }
}

impl Take for Printer {
    fn begin(&mut self, schema: &SchemaRef) -> Result<(), Failure> {
        let out = BufWriter::new(stdout().lock());
        self.writer = Some(Writer::with_options(self.format, schema, out, self.layout).map_err(unprintable)?);
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.writer.as_mut().map_or(Ok(()), |writer| writer.write(batch)).map_err(unprintable)
    }
}

fn unprintable(error: ArrowError) -> Failure {
    match error {
        ArrowError::IoError(_, error) if error.kind() == ErrorKind::BrokenPipe => Failure::output(&error),
        error => Failure::failed(error),
    }
}
