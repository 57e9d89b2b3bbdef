//! `metlog mesh`: an agent of the mesh, and nothing else.
use super::up::Signals;
use crate::arguments::MeshOptions;
use crate::config::{self, variables};
use crate::failure::Failure;
use crate::logs;
use crate::mesh::Mesh;
use metlog_schemas::wire::limits::PORT_METLOG;

/// Runs until it is told to stop.
///
/// # Errors
/// 2 where the configuration is wrong, 1 where it cannot start.
pub fn run(options: &MeshOptions) -> Result<(), Failure> {
    let config = config::look_into(options.config.as_deref())?;
    let mut mesh = config.mesh;
    let environment: std::collections::HashMap<String, String> = variables().collect();
    config::with_environment(&mut mesh, |name| environment.get(name).cloned()).map_err(Failure::failed)?;
    if let Some(name) = &options.name {
        mesh.name.clone_from(name);
    }
    if let Some(listen) = options.listen {
        mesh.listen = listen;
    }
    if !options.peers.is_empty() {
        mesh.peers.clone_from(&options.peers);
    }
    let to = options.to.clone().or_else(|| mesh.to.clone()).unwrap_or_else(|| format!("127.0.0.1:{PORT_METLOG}"));
    // One thread: an agent is to cost little.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(Failure::failed)?;
        let agent = Mesh::start(&mesh, &to, config.listener.keys.first()).await?;
        let address = agent.address;
        logs::say(&format!("mesh: {} responds at {address}, results go to {to}", mesh.name));
        signals.next().await;
        agent.stop().await;
        Ok(())
    })
}
