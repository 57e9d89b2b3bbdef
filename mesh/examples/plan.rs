//! The plan of a large mesh, as it is made by the agents: an edge a line, as two numbers of nodes. For the simulation in
//! `xtask/system/mesh_simulation.py`.
//!
//! Usage: `plan NODES ZONES`
use metlog_mesh::plan::{Place, Plan};
use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|number| number.parse::<usize>().ok());
    let (nodes, zones) = (numbers.next().unwrap_or(10_000), numbers.next().unwrap_or(50).max(1));
    let names: Vec<(String, String)> =
        (0..nodes).map(|node| (format!("n{node}"), format!("z{}", node % zones))).collect();
    let places: Vec<Place<'_>> = names.iter().map(|(name, zone)| Place { name, zone }).collect();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (source, target) in Plan::default().edges(&places) {
        writeln!(out, "{source} {target}")?;
    }
    out.flush()
}
