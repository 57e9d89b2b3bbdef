//! A small service: set up from its own TOML file, then messages, counters and timers.
//!
//! `cargo run -p metlog --example service [FILE]`, with `metlog up` running beside it.
use metlog::{Config, Severity};
use std::time::Duration;

fn main() -> Result<(), metlog::ConfigError> {
    let file =
        std::env::args().nth(1).unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/examples/service.toml").into());
    let guard = metlog::init(Config::from_file(file)?.with_env()?)?;
    for (request, user) in ["ann", "bob", "eve"].into_iter().cycle().take(30).enumerate() {
        serve(request, user);
    }
    metlog::gauge("queue", 0);
    metlog::flush();
    println!("{:?}", metlog::stats());
    drop(guard); // what still waits is sent
    Ok(())
}

/// One request, with what it says on its way.
fn serve(request: usize, user: &str) {
    let _timer = metlog::timer("request"); // says how long, whichever way this returns
    metlog::incr("requests");
    metlog::incr_with_rate("requests.sampled", 0.1);
    metlog::set("users", user);
    if user == "eve" {
        metlog::message("bad password")
            .of_type("login")
            .severity(Severity::WARNING)
            .tokens(&["browserid", "refused"])
            .field("user", user)
            .field("request", request)
            .send();
        return;
    }
    metlog::send(["browserid", "login"], user);
    metlog::time("work", || std::thread::sleep(Duration::from_millis(5)));
}
