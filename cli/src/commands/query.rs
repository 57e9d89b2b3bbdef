//! `metlog query`: a question in SQL, of the running server or of a warehouse that nobody serves.
use crate::arguments::QueryOptions;
use crate::ask::{Server, runtime};
use crate::config;
use crate::failure::Failure;
use crate::logs;
use crate::serve::engine_config;
use crate::sinks::open_url;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use metlog_query::format::{Format, Writer};
use metlog_query::{Engine, PARTIAL};
use serde_json::json;
use std::io::{BufWriter, Cursor, ErrorKind, StdoutLock, Write, stdout};

/// Asks, and prints the answer.
///
/// # Errors
/// Where there is no answer, with the place in the SQL where it is wrong.
pub fn run(options: &QueryOptions) -> Result<(), Failure> {
    match &options.warehouse {
        Some(url) => runtime()?.block_on(read(url, options)),
        None => runtime()?.block_on(ask(options)),
    }
}

/// Arrow on the wire, so that every format is made in one place and nothing is lost on the way.
async fn ask(options: &QueryOptions) -> Result<(), Failure> {
    let server = Server::of(&options.server)?;
    let question = match options.strict {
        true => json!({"query": options.sql, "strict": true}),
        // An older server does not know the word.
        false => json!({"query": options.sql}),
    };
    let response = server.post("/api/sql", &question, Format::Arrow.media_type()).await?;
    if !response.status().is_success() {
        return Err(server.refusal(response).await);
    }
    if let Some(reason) = response.headers().get(PARTIAL.as_str()) {
        logs::say(&format!("not all rows are here: {}", reason.to_str().unwrap_or_default()));
    }
    let cut = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("{}: the answer is cut off: {error}", server.address()))
    };
    let body = response.bytes().await.map_err(|error| cut(&error))?;
    let reader = StreamReader::try_new(Cursor::new(body), None).map_err(|error| cut(&error))?;
    let mut printer = Printer::new(options.format, &reader.schema())?;
    for batch in reader {
        printer.print(&batch.map_err(|error| cut(&error))?)?;
    }
    printer.finish()
}

async fn read(url: &str, options: &QueryOptions) -> Result<(), Failure> {
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
    let engine =
        Engine::new(engine_config(&config.query), store.objects, store.prefix, None).map_err(Failure::failed)?;
    let mut answer = engine.query(&options.sql).await.map_err(|error| refused(&error))?;
    let mut printer = Printer::new(options.format, &answer.schema())?;
    while let Some(batch) = answer.next().await {
        printer.print(&batch.map_err(|error| refused(&error))?)?;
    }
    printer.finish()
}

fn refused(error: &metlog_query::Error) -> Failure {
    match error.position {
        Some((line, column)) => Failure::failed(format!("{line}:{column}: {}", error.message)),
        None => Failure::failed(&error.message),
    }
}

/// Writes an answer to stdout.
struct Printer {
    format: Format,
    writer: Writer<BufWriter<StdoutLock<'static>>>,
}

impl Printer {
    fn new(format: Format, schema: &SchemaRef) -> Result<Printer, Failure> {
        let writer = Writer::new(format, schema, BufWriter::new(stdout().lock())).map_err(unprintable)?;
        Ok(Printer { format, writer })
    }

    fn print(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.writer.write(batch).map_err(unprintable)
    }

    fn finish(self) -> Result<(), Failure> {
        let mut out = self.writer.finish().map_err(unprintable)?;
        let newline = if matches!(self.format, Format::Table | Format::Json) { "\n" } else { "" };
        out.write_all(newline.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
    }
}

fn unprintable(error: ArrowError) -> Failure {
    match error {
        ArrowError::IoError(_, error) if error.kind() == ErrorKind::BrokenPipe => Failure::output(&error),
        error => Failure::failed(error),
    }
}
