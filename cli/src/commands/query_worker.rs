//! `metlog query-worker`: the process that runs queries for `metlog up`, which starts it. Hidden, since nobody else
//! can: its standard input is the channel to the server.
use crate::hot;
use crate::sinks::open_url;
use metlog_query::{Launch, Opened, run_worker};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a worker needs to open the warehouse's store. It may hold secrets, and goes over the channel.
#[derive(Debug, Serialize, Deserialize)]
struct Store {
    url: String,
    options: Vec<(String, String)>,
}

/// How the server starts this command.
pub fn launch(url: &str, options: &[(String, String)]) -> Launch {
    let store = Store { url: url.to_owned(), options: options.to_vec() };
    Launch {
        // The very program that runs, also where another one lies at its path by now.
        program: PathBuf::from("/proc/self/exe"),
        arguments: vec!["query-worker".into()],
        // The allocator must not take a gibibyte in advance, which the limit of the worker's memory would not see used.
        environment: vec![("MIMALLOC_ARENA_EAGER_COMMIT".into(), "0".into())],
        store: serde_json::to_value(store).unwrap_or_default(),
    }
}

/// Runs queries until the server is gone.
pub fn run() -> ExitCode {
    match run_worker(open, hot::decoder()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("query-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open(store: &Value) -> Result<Opened, String> {
    let Store { url, options } = Store::deserialize(store).map_err(|error| error.to_string())?;
    let store = open_url(&url, &options).map_err(|failure| failure.to_string())?;
    Ok(Opened { store: store.objects, prefix: store.prefix })
}
