//! Properties of plans that are made up, large and small.
use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn named(zones: &[usize]) -> Vec<(String, String)> {
    let zone =
        |(zone, nodes): (usize, &usize)| (0..*nodes).map(move |node| (format!("z{zone}-n{node}"), format!("z{zone}")));
    zones.iter().enumerate().flat_map(zone).collect()
}

fn places(named: &[(String, String)]) -> Vec<Place<'_>> {
    named.iter().map(|(name, zone)| Place { name, zone }).collect()
}

/// All edges, as source and target.
fn edges(places: &[Place<'_>]) -> BTreeSet<(String, String)> {
    let plan = Plan::default();
    let of = |place: &Place<'_>| {
        let peers = plan.peers(place.name, places).into_iter().map(|peer| (place.name.to_owned(), peer.to_owned()));
        peers.collect::<Vec<_>>()
    };
    places.iter().flat_map(of).collect()
}

#[test]
fn a_small_mesh_is_full_and_nobody_probes_itself() {
    for nodes in [0, 1, 2, 127, 128] {
        let named = named(&[nodes / 2, nodes - nodes / 2]);
        let edges = edges(&places(&named));
        assert_eq!(edges.len(), nodes * nodes.saturating_sub(1));
        assert!(edges.iter().all(|(source, target)| source != target));
    }
    assert_eq!(Plan::default().peers("stranger", &places(&named(&[3]))), Vec::<&str>::new());
}

#[test]
fn a_large_mesh_costs_an_agent_its_zone_and_a_few() {
    let named = named(&[40; 25]);
    let places = places(&named);
    let mut degrees: Vec<usize> = places.iter().map(|place| Plan::default().peers(place.name, &places).len()).collect();
    degrees.sort_unstable();
    assert!(degrees[0] >= 39, "complete within a zone");
    let mean = degrees.iter().sum::<usize>() as f64 / degrees.len() as f64;
    assert!((mean - (39.0 + 24.0 * 16.0 / 40.0)).abs() < 0.5, "{mean}");
    assert!(degrees[999] <= 39 + 30, "slots are spread over the nodes: {}", degrees[999]);
}

#[test]
fn all_edges_are_the_peers_of_all() {
    for zones in [vec![3, 4], vec![50, 40, 45], vec![1, 128, 1]] {
        let named = named(&zones);
        let places = places(&named);
        let name = |at: usize| places[at].name.to_owned();
        let at_once: BTreeSet<_> =
            Plan::default().edges(&places).into_iter().map(|(source, target)| (name(source), name(target))).collect();
        assert_eq!(at_once, edges(&places));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_edge_is_probed_both_ways_and_every_pair_of_zones_is_covered(
        zones in prop::collection::vec(1_usize..60, 2..9), seed in any::<u64>(),
    ) {
        let mut named = named(&zones);
        let by = (seed % named.len() as u64) as usize;
        named.rotate_left(by);
        let places = places(&named);
        let edges = edges(&places);
        let zone: HashMap<&str, &str> = places.iter().map(|place| (place.name, place.zone)).collect();
        let mut covered = BTreeSet::new();
        for (source, target) in &edges {
            prop_assert!(edges.contains(&(target.clone(), source.clone())), "{source} probes {target} alone");
            covered.insert((zone[source.as_str()], zone[target.as_str()]));
        }
        for (low, _) in zones.iter().enumerate() {
            for (high, _) in zones.iter().enumerate().filter(|(high, _)| *high != low) {
                let pair = (format!("z{low}"), format!("z{high}"));
                prop_assert!(covered.contains(&(pair.0.as_str(), pair.1.as_str())), "{pair:?} is not covered");
            }
        }
        if places.len() > FULL_MESH_NODES_MAX {
            for place in &places {
                let between = Plan::default().peers(place.name, &places).iter().filter(|peer| zone[**peer] != place.zone).count();
                prop_assert!(between <= EDGES_BETWEEN_ZONES * (zones.len() - 1));
            }
        }
    }

    #[test]
    fn a_node_that_joins_or_leaves_changes_few_edges(zones in prop::collection::vec(30_usize..60, 5..9), at in 0_usize..5) {
        let before = named(&zones);
        let mut after = before.clone();
        after.push(("newcomer".to_owned(), format!("z{at}")));
        let (old, new) = (edges(&places(&before)), edges(&places(&after)));
        let own = |edge: &(String, String)| edge.0 == "newcomer" || edge.1 == "newcomer";
        let strange: Vec<_> = old.symmetric_difference(&new).filter(|edge| !own(edge)).collect();
        // It took slots from others of its zone: expected are 16 in 30 for each other zone, each an edge both ways.
        let taken = new.iter().filter(|edge| edge.0 == "newcomer").count() - zones[at];
        prop_assert!(strange.len() <= 2 * (taken + zones.len()), "{} edges changed, {taken} slots taken", strange.len());
        prop_assert!(strange.iter().all(|edge| old.contains(*edge)), "nobody else gains a peer");
        prop_assert!(strange.len() * 20 < old.len(), "{} of {}", strange.len(), old.len());
    }

    #[test]
    fn phases_lie_in_the_interval_and_are_spread(millis in 1_u64..100_000) {
        let interval = Duration::from_millis(millis);
        let phases: Vec<_> = (0..200).map(|n| phase("a", &format!("n{n}"), interval)).collect();
        prop_assert!(phases.iter().all(|phase| *phase < interval));
        let early = phases.iter().filter(|phase| **phase < interval / 2).count();
        prop_assert!((70..130).contains(&early), "{early} of 200 in the first half");
    }

    #[test]
    fn no_configuration_passes_the_floors(millis in 0_u64..20_000, peers in 0_usize..20_000, packets in 0_u32..100, bytes in any::<usize>()) {
        let asked = Floors { interval: Duration::from_millis(millis), packets_per_pair: packets, payload_bytes: bytes };
        let kept = asked.kept(peers);
        prop_assert!(kept.interval >= PAIR_INTERVAL_MIN && kept.interval >= asked.interval && kept.payload_bytes <= PAYLOAD_BYTES_MAX);
        let rate = peers as f64 * f64::from(packets) / kept.interval.as_secs_f64();
        prop_assert!(rate <= f64::from(AGENT_PACKETS_PER_SECOND_MAX) * 1.000_001, "{rate} a second");
        let view = kept.interval.max(VIEW_CONFIRMED);
        prop_assert!(!kept.is_blind(view * VIEW_INTERVALS_MAX) && kept.is_blind(view * 4));
    }

    #[test]
    fn a_walk_uses_every_port_once_before_any_twice(first in 1_024_u16.., count in any::<u16>(), start in any::<u64>()) {
        let walk = Walk::new("a", "b", first, count);
        let start = start.min(u64::MAX - 70_000);
        let ports: BTreeSet<u16> = (0..u64::from(walk.count())).map(|n| walk.port(start + n)).collect();
        prop_assert_eq!(ports.len(), usize::from(walk.count()));
        prop_assert!(ports.iter().all(|port| *port >= first));
    }
}

#[test]
fn ports_are_those_of_the_formula() {
    assert_eq!((ports_for(16, 0.9), ports_for(1, 0.9), ports_for(2, 0.9), ports_for(0, 0.9)), (78, 1, 5, 1));
    assert_eq!(ports_for(500, 0.99), PORTS_MAX);
    // As many as that do touch all paths as often as promised, over a hash of ours.
    let touched = (0..2_000).filter(|pair| {
        let paths: BTreeSet<u64> = (0..u64::from(ports_for(8, 0.9))).map(|port| hash::with(*pair, port) % 8).collect();
        paths.len() == 8
    });
    assert!((touched.count() as f64 / 2_000.0 - 0.9).abs() < 0.04);
}
