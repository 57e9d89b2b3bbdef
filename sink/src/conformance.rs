//! The contract of [`Sink`], each of its sentences as a check that every sink and wrapper has to pass.
//!
//! A [`Place`] is a sink's other end, in a test: it makes sinks that lead there, tells what arrived, and can be
//! made to fail.
use crate::{Batch, Next, Sink};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use metlog_schemas::rows::MessageRows;
use metlog_schemas::table::{Table, TableMap, metrics_rows};
use metlog_schemas::time::{HOUR, SECOND, rfc3339};
use metlog_schemas::window::{Metric, MetricData, Percentile, Timer, Window};
use metlog_schemas::wire::Severity;
use metlog_schemas::wire::message::Message;
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Where a sink leads, in a test.
pub trait Place {
    /// What leads there.
    type Sink: Sink;
    /// A sink that leads there, as a process that begins anew would make it.
    fn sink(&self) -> Self::Sink;
    /// A sink of the same kind that leads to a place which never answers, and whose timeouts are short.
    fn sink_to(&self, black_hole: SocketAddr) -> Self::Sink;
    /// All that is there, sorted, without what depends on when it was written.
    fn contents(&self) -> impl Future<Output = Vec<String>> + Send;
    /// What is written: large enough that [`Place::fail_part_way`] can cut it.
    ///
    /// # Errors
    /// Only where Arrow refuses the columns, which would be a defect.
    fn batch(&self) -> Result<Batch, ArrowError> {
        sample_batch()
    }
    /// From now on a write fails when part of it is over there; as long as this is not called with `false`.
    fn fail_part_way(&self, failing: bool);
}

/// Longest that a sink with short timeouts may take to give up. Generous: it tells slow from never.
const GIVE_UP_MAX: Duration = Duration::from_secs(60);

/// Runs all checks, each in a place of its own.
///
/// # Errors
/// What sentence of the contract does not hold, and how.
pub async fn check<P: Place>(place: impl Fn() -> P) -> Result<(), String> {
    let batch = place().batch().map_err(|error| error.to_string())?;
    check_ok(&place(), &batch).await?;
    check_error(&place(), &place(), &batch).await?;
    check_gives_up(&place(), &batch).await
}

/// "`Ok`: the whole batch is over there", and to write it again adds nothing; nor does another process that does.
async fn check_ok<P: Place>(place: &P, batch: &Batch) -> Result<(), String> {
    let mut sink = place.sink();
    write(&mut sink, batch).await?;
    let once = place.contents().await;
    expect(!once.is_empty(), "Ok, and nothing is there")?;
    write(&mut sink, batch).await?;
    same(&once, &place.contents().await, "the same batch again")?;
    write(&mut place.sink(), batch).await?;
    same(&once, &place.contents().await, "the same batch from a sink that was made anew")
}

/// "`Err`: part of it may be over there; writing the same batch again does no harm and adds nothing twice."
async fn check_error<P: Place>(place: &P, undisturbed: &P, batch: &Batch) -> Result<(), String> {
    write(&mut undisturbed.sink(), batch).await?;
    let expected = undisturbed.contents().await;
    let mut sink = place.sink();
    place.fail_part_way(true);
    match sink.write(batch).await {
        Err(error) if matches!(error.next, Next::Retry(_)) => (),
        other => return Err(format!("a place that fails part-way should be an error to retry, and was {other:?}")),
    }
    place.fail_part_way(false);
    write(&mut sink, batch).await?;
    same(&expected, &place.contents().await, "a repeat after an error part-way")
}

/// "A sink never blocks the thread and gives up in bounded time: what takes longer is an error to retry."
async fn check_gives_up<P: Place>(place: &P, batch: &Batch) -> Result<(), String> {
    let black_hole = BlackHole::new().map_err(|error| error.to_string())?;
    let mut sink = place.sink_to(black_hole.address());
    let mut turns = 0_u64;
    let others = async {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            turns += 1;
        }
    };
    let written = tokio::select! {
        biased;
        () = others => Err("an endless task ended".to_owned())?,
        written = tokio::time::timeout(GIVE_UP_MAX, sink.write(batch)) => written,
    };
    match written {
        Err(_) => return Err(format!("did not give a dead place up within {GIVE_UP_MAX:?}")),
        Ok(Err(error)) if matches!(error.next, Next::Retry(_)) => (),
        Ok(other) => return Err(format!("a dead place should be an error to retry, and was {other:?}")),
    }
    expect(turns > 1, "while it waited for a dead place nothing else on its thread got a turn")
}

async fn write(sink: &mut impl Sink, batch: &Batch) -> Result<(), String> {
    let name = sink.name();
    sink.write(batch).await.map(|_| ()).map_err(|error| format!("{name}: {error}"))
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn same(expected: &[String], found: &[String], what: &str) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected:#?}, found {found:#?}")) }
}

/// An address where connecting never ends: its queue of connections is full and nobody takes one out of it.
#[derive(Debug)]
pub struct BlackHole {
    _listener: Socket,
    _queue: Vec<TcpStream>,
    address: SocketAddr,
}

/// More than the kernel queues for a listener that asked for none.
const QUEUE_MAX: usize = 64;

impl BlackHole {
    /// Opens one on this machine.
    ///
    /// # Errors
    /// If no socket can be had.
    pub fn new() -> io::Result<BlackHole> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))?;
        listener.listen(0)?;
        let address = listener.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queue = (0..QUEUE_MAX).map_while(connect).collect();
        Ok(BlackHole { _listener: listener, _queue: queue, address })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// 2026-01-02T03:00:00Z
const START: i64 = 1_767_322_800 * SECOND;

/// A batch with something of everything: two hours, two loggers, rows out of order, each kind of metric, tags, idle
/// series.
///
/// # Errors
/// Only where Arrow refuses the columns, which would be a defect.
pub fn sample_batch() -> Result<Batch, ArrowError> {
    let mut parts = [MessageRows::default(), MessageRows::default()];
    for (nth, offset) in [5, 3, HOUR / SECOND, 3, 9, HOUR / SECOND + 1].into_iter().enumerate() {
        let message = Message {
            timestamp: START + offset * SECOND,
            r#type: if nth % 2 == 0 { "login" } else { "logout" }.into(),
            logger: if nth % 3 == 0 { "web" } else { "" }.into(),
            severity: Severity::NOTICE,
            hostname: "host.example".into(),
            pid: 7,
            tokens: vec!["browserid".into(), format!("token {nth}")],
            payload: format!("payload \"{nth}\"\n"),
            fields: vec![("headers.path".into(), "/é".into())],
            env_version: "0.8".into(),
        };
        parts[nth % 2].push_message(&message, START + HOUR + nth as i64);
    }
    let messages = parts.iter_mut().map(MessageRows::finish).collect::<Result<_, _>>()?;
    let windows = vec![sample_window(START + 10 * SECOND), sample_window(START + 20 * SECOND)];
    let mut rows = TableMap::default();
    rows[Table::Messages] = messages;
    rows[Table::Metrics] = vec![metrics_rows(windows.iter().map(AsRef::as_ref))?];
    for (table, batches) in rows.iter_mut().filter(|(_, batches)| batches.is_empty()) {
        batches.push(sample_rows(table)?);
    }
    Ok(Batch { listener: "listener_1".into(), segment: 7, rows, windows })
}

/// Two rows of any table, an hour apart, with something in every column.
///
/// # Errors
/// If a column is of a type that is not made up here.
pub fn sample_rows(table: Table) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let row = |hour: i64| {
        let columns = schema.fields().iter().map(|field| (field.name().clone(), sample_value(field.data_type(), hour)));
        Value::Object(columns.collect()).to_string()
    };
    let mut reader = ReaderBuilder::new(schema.clone()).build_decoder()?;
    reader.decode([row(1), row(0)].concat().as_bytes())?;
    reader.flush()?.ok_or_else(|| ArrowError::JsonError("no rows".into()))
}

/// As Arrow's reader of JSON takes it.
fn sample_value(of: &DataType, hour: i64) -> Value {
    match of {
        DataType::Timestamp(..) => rfc3339(START + hour * HOUR).into(),
        DataType::Int32 | DataType::Int64 | DataType::Float64 => (hour + 3).into(),
        DataType::Boolean => true.into(),
        DataType::List(item) => vec![sample_value(item.data_type(), hour); 2].into(),
        DataType::Struct(parts) => {
            parts.iter().map(|part| (part.name().clone(), sample_value(part.data_type(), hour))).collect()
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) => json!({"key": sample_value(parts[1].data_type(), hour)}),
            _ => Value::Null,
        },
        // Text, or bytes in hexadecimal digits.
        _ => "0a0b".into(),
    }
}

/// The window of etsy's own example: a timer of eight values in ten seconds.
fn sample_window(end: i64) -> Arc<Window> {
    let timer = Timer {
        count: 8.0,
        samples: 8,
        sum: 4_466.0,
        sum_squares: 3_036_278.0,
        lower: 120.0,
        upper: 994.0,
        mean: 558.25,
        median: 524.5,
        std: 260.560_333_704_115_46,
        percentiles: vec![Percentile {
            percent: 90.0,
            count: 7,
            mean: 496.0,
            bound: 844.0,
            sum: 3_472.0,
            sum_squares: 2_048_242.0,
        }],
        sketch: vec![1, 2, 3],
    };
    let row = |name: &str, fresh, data| Metric { name: name.into(), tags: Arc::new([]), fresh, data };
    let tagged = Metric {
        tags: Arc::new([("env".into(), "prod eu".into()), ("flag".into(), String::new())]),
        ..row("hits", true, MetricData::Counter { count: 13.0 })
    };
    Arc::new(Window {
        end,
        length: 10 * SECOND,
        hostname: "host.example".into(),
        values: 24,
        bad_lines: 1,
        packets: 5,
        lines: 25,
        rows: vec![
            row("depth", true, MetricData::Gauge { value: -1.5 }),
            row("golden", true, MetricData::Timer(Some(Box::new(timer)))),
            tagged,
            row("idle", false, MetricData::Counter { count: 0.0 }),
            row("quiet", false, MetricData::Timer(None)),
            row("who", true, MetricData::Set { count: 2 }),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::Memory;
    use crate::{Receipt, SinkError};
    use futures::future::BoxFuture;
    use std::sync::Mutex;

    /// Ways to break the contract.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Defect {
        None,
        AddsTwice,
        ForgetsToWrite,
        LosesAfterError,
        WaitsForever,
        BlocksTheThread,
    }

    #[derive(Clone)]
    struct Flawed {
        defect: Defect,
        lines: Arc<Mutex<Vec<String>>>,
        failing: Arc<Mutex<bool>>,
        dead: bool,
    }

    impl Flawed {
        fn new(defect: Defect) -> Flawed {
            Flawed { defect, lines: Arc::default(), failing: Arc::default(), dead: false }
        }

        async fn write_all(&self, batch: &Batch) -> Result<Receipt, SinkError> {
            match (self.dead, self.defect) {
                (true, Defect::WaitsForever) => futures::future::pending::<()>().await,
                (true, Defect::BlocksTheThread) => std::thread::sleep(Duration::from_millis(20)),
                (true, _) => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => (),
            }
            if self.dead {
                return Err(SinkError::retry("dead"));
            }
            let failing = *self.failing.lock().unwrap();
            let mut lines = self.lines.lock().unwrap();
            for line in 0..batch.fact_rows() {
                let line = line.to_string();
                let skip = self.defect == Defect::ForgetsToWrite;
                if !skip && (self.defect == Defect::AddsTwice || !lines.contains(&line)) {
                    lines.push(line);
                }
                if failing {
                    if self.defect == Defect::LosesAfterError {
                        lines.push("torn".into());
                    }
                    return Err(SinkError::retry("part-way"));
                }
            }
            Ok(Receipt::default())
        }
    }

    impl Sink for Flawed {
        fn name(&self) -> &'static str {
            "flawed"
        }

        fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
            Box::pin(self.write_all(batch))
        }
    }

    impl Place for Flawed {
        type Sink = Flawed;

        fn sink(&self) -> Flawed {
            self.clone()
        }

        fn sink_to(&self, _: SocketAddr) -> Flawed {
            Flawed { dead: true, ..self.clone() }
        }

        async fn contents(&self) -> Vec<String> {
            self.lines.lock().unwrap().clone()
        }

        fn fail_part_way(&self, failing: bool) {
            *self.failing.lock().unwrap() = failing;
        }
    }

    /// Guarantees: the suite finds each way to break the contract, and only that.
    #[tokio::test(start_paused = true)]
    async fn each_defect_is_found() {
        for (defect, said) in [
            (Defect::AddsTwice, "the same batch again"),
            (Defect::ForgetsToWrite, "nothing is there"),
            (Defect::LosesAfterError, "a repeat after an error"),
            (Defect::WaitsForever, "did not give a dead place up"),
            (Defect::BlocksTheThread, "nothing else on its thread"),
        ] {
            let found = check(|| Flawed::new(defect)).await;
            assert!(found.as_ref().is_err_and(|found| found.contains(said)), "{defect:?}: {found:?}");
        }
        assert_eq!(check(|| Flawed::new(Defect::None)).await, Ok(()));
    }

    /// A write whose answer got lost is repeated, and adds nothing.
    #[tokio::test]
    async fn a_wrapped_sink_keeps_the_contract() {
        use crate::fail::{Fail, Failure};
        let batch = sample_batch().unwrap();
        let memory = Memory::default();
        let lost = Some(Failure::After(Next::Retry(None)));
        let mut sink: Box<dyn Sink> = Box::new(Fail::new(memory.clone(), [lost, None, lost]));
        assert_eq!(sink.name(), "memory");
        assert!(sink.write(&batch).await.is_err());
        assert_eq!(sink.write(&batch).await.unwrap().written, batch.fact_rows());
        assert!(sink.write(&batch).await.is_err());
        assert_eq!(memory.batches().len(), 1);
    }
}
