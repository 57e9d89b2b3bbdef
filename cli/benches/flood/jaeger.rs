//! Jaeger's `emitBatch` in Thrift's compact protocol, 20 spans a datagram: each with four tags, as a web server's are.
use std::net::UdpSocket;
use std::time::{Duration, Instant, UNIX_EPOCH};

const SPANS: u64 = 20;
/// Distinct datagrams; then they come again.
const DATAGRAMS: u64 = 5_000;

/// Appends compact Thrift.
#[derive(Default)]
struct Compact(Vec<u8>);

impl Compact {
    fn varint(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// A field by the distance to the one before it.
    fn head(&mut self, delta: u8, kind: u8) -> &mut Self {
        self.0.push(delta << 4 | kind);
        self
    }

    fn number(&mut self, delta: u8, kind: u8, value: i64) -> &mut Self {
        self.head(delta, kind).varint(((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    fn text(&mut self, delta: u8, text: &str) -> &mut Self {
        self.head(delta, 8).varint(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn stop(&mut self) -> &mut Self {
        self.0.push(0);
        self
    }

    fn text_tag(&mut self, key: &str, value: &str) {
        self.text(1, key).number(1, 5, 0).text(1, value).stop();
    }

    fn number_tag(&mut self, key: &str, value: i64) {
        self.text(1, key).number(1, 5, 3).number(4, 6, value).stop();
    }
}

fn datagram(nth: u64) -> Vec<u8> {
    let mut out = Compact(b"\x82\x81\x00\x09emitBatch".to_vec());
    out.head(1, 12).head(1, 12).text(1, "checkout").head(1, 9).0.push(2 << 4 | 12);
    out.text_tag("hostname", "app1.web.dev.svc.example.com");
    out.text_tag("jaeger.version", "Go-2.30.0");
    out.stop().head(1, 9).0.push(0xf0 | 12);
    out.varint(SPANS);
    let now = UNIX_EPOCH.elapsed().unwrap().as_micros() as i64;
    for span in 0..SPANS {
        // Ids as random ones look.
        let id = (nth * SPANS + span + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        out.number(1, 6, id.cast_signed()).number(1, 6, 0).number(1, 6, id.rotate_left(7).cast_signed());
        out.number(1, 6, 0).text(1, ["GET /cart", "POST /order", "GET /item"][span as usize % 3]);
        out.number(2, 5, 1).number(1, 6, now).number(1, 6, 1_000 + span.cast_signed() * 37);
        out.head(1, 9).0.push(4 << 4 | 12);
        out.text_tag("span.kind", "server");
        out.text_tag("http.method", "GET");
        out.text_tag("http.url", "http://shop.example.com/cart?item=7");
        out.number_tag("http.status_code", 200);
        out.stop();
    }
    out.stop().stop();
    out.0
}

/// Sends until then; how many spans went.
pub fn send(socket: &UdpSocket, until: Instant, spans_per_second: u64) -> u64 {
    let datagrams: Vec<Vec<u8>> = (0..DATAGRAMS).map(datagram).collect();
    let (begun, mut sent) = (Instant::now(), 0);
    for datagram in datagrams.iter().cycle() {
        if socket.send(datagram).is_ok() {
            sent += SPANS;
        }
        let due = Duration::from_secs_f64(sent as f64 / spans_per_second as f64);
        if let Some(ahead) = due.checked_sub(begun.elapsed()) {
            std::thread::sleep(ahead);
        }
        if Instant::now() > until {
            break;
        }
    }
    sent
}
