//! Lists and DNS.
use super::*;
use crate::discovery::dns::{Dns, Resolve};
use crate::discovery::listed::Listed;
use std::collections::BTreeSet;
use std::io::{Error, Result};

/// Answers these, one after the other, and then the last of them.
struct Answers(Vec<Result<Vec<u8>>>);

#[async_trait::async_trait]
impl Resolve for Answers {
    async fn resolve(&mut self, host: &str, port: u16) -> Result<BTreeSet<SocketAddr>> {
        assert_eq!((host, port), ("mesh.svc", 5585));
        let answer = self.0.remove(0)?;
        Ok(answer.into_iter().map(|last| SocketAddr::from(([10, 0, 0, last], port))).collect())
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_dns_keeps_the_last_good_view() {
    let answers = Answers(vec![Ok(vec![1, 2]), Err(Error::other("SERVFAIL")), Ok(vec![]), Ok(vec![2, 3])]);
    let own = Identity { address: ([10, 0, 0, 2], 5585).into(), ..identity("me", 0) };
    let mut dns = Dns::with_resolver(&own, &["mesh.svc:5585".to_owned()], answers, Duration::from_secs(10)).unwrap();
    let first = dns.next().await;
    assert_eq!(
        states(&first),
        [("10.0.0.1:5585", State::Alive), ("me", State::Alive)],
        "it knows itself by its address"
    );
    let begun = tokio::time::Instant::now();
    let second = dns.next().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(30), "two failures yielded nothing");
    let expected = [("10.0.0.1:5585", State::Lost), ("10.0.0.3:5585", State::Joining), ("me", State::Alive)];
    assert_eq!((states(&second).as_slice(), second.version), (&expected[..], 2));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_what_it_says() {
    let peers = ["a@eu/r1=127.0.0.1:7001", "127.0.0.1:7002", "b=no-such-host.invalid:1"].map(str::to_owned);
    let mut listed = Listed::new(&identity("me", 7002), &peers).unwrap();
    let view = listed.next().await;
    assert_eq!(states(&view), [("a", State::Alive), ("me", State::Alive)], "b has no address, and me is in the list");
    assert_eq!(
        (view.nodes[0].zone.as_str(), view.nodes[0].rack.as_str(), view.nodes[0].address.port()),
        ("eu", "r1", 7001)
    );
    assert_eq!(listed.next().await.version, 2);
}
