//! The binary `metlog`: reads the command line and hands over. The only crate that names concrete sinks and reads
//! files and environment.
#![cfg_attr(test, allow(clippy::unwrap_used))]
mod access;
mod arguments;
mod arrival;
mod ask;
mod commands;
mod config;
mod demo;
mod failure;
mod front;
mod holder;
mod hot;
mod live;
mod logs;
mod mesh;
mod metlog_line;
mod openapi;
mod outlet;
mod pace;
mod page;
mod plural;
mod serve;
mod severity;
mod ship;
mod sinks;
mod statements;
mod top;

use arguments::{Arguments, Command};
use failure::Failure;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::of_this_process();
    if let Command::QueryWorker = arguments.command {
        // Before there is anything else in this process; what it says goes to its server.
        return commands::query_worker::run();
    }
    // Connections take a part of them; the journal must always find some.
    metlog_listener::raise_descriptor_limit();
    match logs::start(&arguments.logs).map_err(Failure::usage).and_then(|()| run(arguments.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Up(options) => commands::up::run(&options),
        Command::Listen(options) => commands::up::listen(&options),
        Command::Mesh(options) => commands::mesh::run(&options),
        Command::Serve(options) => commands::serve::run(&options),
        Command::Query(options) => commands::query::run(&options),
        Command::Send(options) => commands::send::run(&options),
        Command::Replay(options) => commands::replay::run(&options),
        Command::Tail(options) => commands::tail::run(&options),
        Command::Top(options) => commands::top::run(&options),
        Command::Status(options) => commands::status::run(&options),
        Command::Check(options) => commands::check::run(&options),
        Command::Decode(options) => commands::decode::run(&options),
        Command::Recover(options) => commands::recover::run(&options),
        Command::Ddl(options) => commands::ddl::run(&options),
        Command::Password => commands::password::run(),
        Command::Token(options) => commands::token::run(&options),
        Command::Completions(options) => commands::completions::run(&options),
        Command::QueryWorker => Ok(()),
    }
}
