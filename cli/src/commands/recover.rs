//! `metlog recover`: what was set aside is offered to the store again.
use super::print;
use crate::arguments::{AddressOptions, RecoverOptions};
use crate::ask::runtime;
use crate::config;
use crate::failure::Failure;
use crate::plural::{counted, verb};
use crate::sinks;
use metlog_listener::offer_again;
use metlog_sink::parquet::Parquet;

/// Offers each file, and says what became of it.
///
/// # Errors
/// Where the data folder is in use or the disk refuses, and where a file stays set aside.
pub fn run(options: &RecoverOptions) -> Result<(), Failure> {
    let config =
        config::load(options.config.config.as_deref(), options.config.data.as_deref(), &AddressOptions::default())?;
    let folder = config.listener.data.display().to_string();
    if !config.listener.data.is_dir() {
        return Err(Failure::failed(format!("{folder}: there is no such folder")));
    }
    if !config.listener.data.join("set_aside").is_dir() {
        return print("nothing is set aside\n");
    }
    let warehouse = sinks::open_warehouse(&config.sinks.parquet)?;
    let mut store = Parquet::new(config.sinks.parquet.objects.clone(), warehouse);
    let offered = runtime()?
        .block_on(offer_again(&config.listener, &mut store))
        .map_err(|error| Failure::failed(format!("{folder}: {error}")))?;
    let (mut stored, mut left) = (0, 0u64);
    for file in &offered {
        let name = file.file.display();
        match &file.left {
            None => print(&format!("{name}: {} stored\n", counted(file.stored, "message")))?,
            Some(why) => {
                left += 1;
                print(&format!("{name}: stays set aside: {why}\n"))?;
            }
        }
        stored += file.stored;
    }
    print(&format!("{} of {} stored\n", counted(stored, "message"), counted(offered.len() as u64, "file")))?;
    match left {
        0 => Ok(()),
        left => Err(Failure::failed(format!("{} {} set aside", counted(left, "file"), verb(left, "stays", "stay")))),
    }
}
