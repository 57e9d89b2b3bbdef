//! A simulation: clients of both kinds ask once a minute, traffic changes, and what is sampled is held against the goal.
use super::*;

/// A stream of numbers from 0 to 1, the same in each run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Processes of one service, each of which asks at its own second of each minute.
struct Clients {
    processes: Vec<(u64, Strategy)>,
    /// Spans tell their probability, as those of Jaeger's clients do.
    tell: bool,
    chance: Chance,
}

impl Clients {
    fn new(processes: u64, tell: bool) -> Clients {
        let nothing = Strategy::of_probability(0.0);
        let processes = (0..processes).map(|nth| (nth * 60 / processes, nothing.clone())).collect();
        Clients { processes, tell, chance: Chance(7) }
    }

    /// One second with so much traffic a second; how many traces were sampled.
    fn second(&mut self, at: u64, operation: &str, traffic: f64, adaptive: &mut Adaptive) -> u64 {
        let mut sampled = 0;
        let share = traffic / self.processes.len() as f64;
        for (offset, strategy) in &mut self.processes {
            if at % 60 == *offset {
                *strategy = adaptive.strategy("shop");
            }
            let listed = strategy.operations.iter().flat_map(|operations| &operations.listed);
            let rest = strategy.operations.as_ref().map_or(0.0, |operations| operations.default_probability);
            let probability = listed.filter(|(name, _)| name == operation).map(|(_, p)| *p).next().unwrap_or(rest);
            let requests = share.floor() as u64 + u64::from(self.chance.next() < share.fract());
            let picked = (0..requests).filter(|_| self.chance.next() < probability).count() as u64;
            adaptive.count("shop", operation, picked, self.tell.then_some(probability));
            sampled += picked;
        }
        sampled
    }
}

/// Runs so many seconds; the traces a second that were sampled in the last 60.
fn run(clients: &mut Clients, adaptive: &mut Adaptive, clock: &mut u64, seconds: u64, traffic: f64) -> f64 {
    let mut last = 0;
    for second in 0..seconds {
        let sampled = clients.second(*clock, "GET /cart", traffic, adaptive);
        last += if second + 60 >= seconds { sampled } else { 0 };
        *clock += 1;
        if clock.is_multiple_of(STEP_SECONDS as u64) {
            adaptive.step();
        }
    }
    last as f64 / 60.0
}

fn goal() -> Goal {
    Goal { target_per_second: 10.0, ..Goal::default() }
}

#[test]
fn traffic_that_changes_is_followed_by_both_kinds_of_clients() {
    for tell in [true, false] {
        let (mut clients, mut adaptive, mut clock) = (Clients::new(12, tell), Adaptive::new(goal()), 0);
        run(&mut clients, &mut adaptive, &mut clock, 300, 2_000.0);
        for traffic in [2_000.0, 200.0, 5_000.0, 50.0, 1_000.0] {
            // One minute is the clients' to ask, one is for the estimate to settle, the third is measured.
            let sampled = run(&mut clients, &mut adaptive, &mut clock, 180, traffic);
            assert!((6.0..15.0).contains(&sampled), "tell {tell}: {sampled} a second of {traffic}");
        }
    }
}

#[test]
fn what_is_served_follows_within_a_minute() {
    for tell in [true, false] {
        let (mut clients, mut adaptive, mut clock) = (Clients::new(60, tell), Adaptive::new(goal()), 0);
        run(&mut clients, &mut adaptive, &mut clock, 600, 1_000.0);
        for (traffic, seconds) in [(8_000.0, 60), (800.0, 60)] {
            run(&mut clients, &mut adaptive, &mut clock, seconds, traffic);
            let (_, _, probability, _) = adaptive.rows().next().unwrap();
            let wanted = 10.0 / traffic;
            assert!((0.5..2.0).contains(&(probability / wanted)), "tell {tell}: {probability} for {wanted}");
        }
    }
}

#[test]
fn a_rare_operation_is_raised_until_it_is_seen() {
    let (mut clients, mut adaptive, mut clock) = (Clients::new(4, false), Adaptive::new(goal()), 0);
    adaptive.count("shop", "GET /cart", 1, None);
    run(&mut clients, &mut adaptive, &mut clock, 600, 0.5);
    assert_eq!(adaptive.rows().map(|row| row.2).collect::<Vec<_>>(), [1.0]);
    let strategy = adaptive.strategy("new");
    assert_eq!(strategy.operations.map(|o| (o.listed.len(), o.lower_bound_per_second)), Some((0, 1.0 / 60.0)));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let (mut clients, mut adaptive, mut clock) = (Clients::new(12, false), Adaptive::new(goal()), 0);
    run(&mut clients, &mut adaptive, &mut clock, 600, 2_000.0);
    let saved = adaptive.save().unwrap();
    let mut again = Adaptive::load(goal(), &saved).unwrap();
    assert_eq!(again.strategy("shop"), adaptive.strategy("shop"));
    let sampled = run(&mut clients, &mut again, &mut clock, 60, 2_000.0);
    assert!((6.0..15.0).contains(&sampled), "{sampled}");
    assert!(Adaptive::load(goal(), b"[]").is_err());
}

#[test]
fn invented_names_are_bounded() {
    let mut adaptive = Adaptive::new(goal());
    for nth in 0..OPERATIONS_MAX + 10 {
        adaptive.count("shop", &nth.to_string(), 1, None);
    }
    for nth in 0..SERVICES_MAX + 10 {
        adaptive.strategy(&nth.to_string());
    }
    assert_eq!(
        (adaptive.uncounted, adaptive.rows().count(), adaptive.services.len()),
        (10, OPERATIONS_MAX, SERVICES_MAX)
    );
    for _ in 0..3 {
        adaptive.step();
    }
    adaptive.count("shop", "0", u64::MAX, Some(f64::MIN_POSITIVE));
    adaptive.step();
    assert!(adaptive.rows().all(|(.., probability, _)| (1e-5..=1.0).contains(&probability)));
}
