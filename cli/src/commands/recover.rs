//! `metlog recover`: offers what was set aside to the store again.
use super::print;
use crate::arguments::{AddressOptions, ConfigOptions};
use crate::failure::Failure;
use crate::plural::{counted, verb};
use crate::{config, sinks};
use metlog_listener::{Offered, offer_again};
use tokio::runtime::Runtime;

/// Offers every file in `set_aside`, while no other metlog has the data folder.
///
/// # Errors
/// 2 where the configuration is wrong, 1 where something is set aside still.
pub fn run(options: &ConfigOptions) -> Result<(), Failure> {
    let config = config::load(options.config.as_deref(), options.data.as_deref(), &AddressOptions::default())?;
    let runtime = Runtime::new().map_err(Failure::failed)?;
    let warehouse = sinks::open_warehouse(&config.sinks.parquet)?;
    let mut store = sinks::store(&config.sinks, warehouse);
    let offered = runtime.block_on(offer_again(&config.listener, &mut *store)).map_err(Failure::failed)?;
    if offered.is_empty() {
        return print("nothing is set aside that could be offered again\n");
    }
    let left = offered.iter().filter(|offered| offered.left.is_some()).count();
    print(&offered.iter().map(line).collect::<String>())?;
    match left {
        0 => Ok(()),
        left => Err(Failure::failed(format!(
            "{} {} set aside still",
            counted(left as u64, "file"),
            verb(left as u64, "is", "are")
        ))),
    }
}

fn line(offered: &Offered) -> String {
    let stored = counted(offered.stored, "message");
    match &offered.left {
        None => format!("{}: {stored} stored\n", offered.file.display()),
        Some(why) => format!("{}: {stored} stored, set aside still: {why}\n", offered.file.display()),
    }
}
