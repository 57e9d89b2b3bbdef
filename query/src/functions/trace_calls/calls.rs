//! Spans as numbers, and the calls between their services.
use hashbrown::DefaultHashBuilder;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::LazyLock;

/// Spans are dealt out by their hash, so that the table of one part fits a processor's cache.
const PARTS: usize = 64;

/// Bits of a hash that choose a part.
const PART_BITS: u32 = PARTS.trailing_zeros();

/// What a number says besides the service: whether the span is a server's or a client's, and an error.
const SERVER: u32 = 1;
const CLIENT: u32 = 2;
const ERROR: u32 = 4;
const FLAGS_BITS: u32 = 3;

/// In a slot of a table: nothing.
const EMPTY: u32 = u32::MAX;

/// Most services that are told apart; those beyond are all of one without a name, which no call is of.
const SERVICES_MAX: u32 = 1 << 24;

/// One for the process: states of partitions are merged.
static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

/// What is said of one service calling another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Call {
    pub(super) count: u64,
    pub(super) errors: u64,
}

/// By caller and called.
pub(super) type Calls = BTreeMap<(String, String), Call>;

/// A row.
pub(super) struct Span<'r> {
    pub(super) trace: &'r str,
    pub(super) id: &'r str,
    pub(super) parent: &'r str,
    pub(super) service: &'r str,
    pub(super) kind: &'r str,
    pub(super) is_error: bool,
}

/// Hashes, and what is said of each, side by side: 12 bytes together.
#[derive(Debug, Default)]
struct Pairs {
    keys: Vec<u64>,
    what: Vec<u32>,
}

impl Pairs {
    fn push(&mut self, key: u64, what: u32) {
        reserve(&mut self.keys);
        reserve(&mut self.what);
        self.keys.push(key);
        self.what.push(what);
    }

    fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.keys.iter().copied().zip(self.what.iter().copied())
    }

    fn bytes(&self) -> usize {
        self.keys.capacity() * 8 + self.what.capacity() * 4
    }
}

/// An eighth more, not twice as much: most of the memory is here.
fn reserve<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 8).max(64));
    }
}

/// Spans whose hash begins alike.
#[derive(Debug, Default)]
struct Part {
    spans: Pairs,
    /// By the parent's hash.
    children: Pairs,
    /// Likewise, of servers, which may share their span with their client; `own` has the hash of each.
    servers: Pairs,
    own: Vec<u64>,
}

/// Spans of any traces.
#[derive(Debug, Default)]
pub(super) struct Spans {
    parts: Vec<Part>,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// The number of the row before: rows are sorted by service.
    last: Option<u32>,
}

impl Spans {
    pub(super) fn push(&mut self, span: &Span<'_>) {
        let hash = |id: &str| HASHER.hash_one((span.trace, id));
        let flags = match span.kind {
            "server" => SERVER,
            "client" => CLIENT,
            _ => 0,
        };
        let what = self.number(span.service) << FLAGS_BITS | flags | if span.is_error { ERROR } else { 0 };
        let own = hash(span.id);
        self.part(own).spans.push(own, what);
        if span.parent.is_empty() || span.parent == span.id {
            return;
        }
        let parent = hash(span.parent);
        let part = self.part(parent);
        if flags == SERVER {
            part.servers.push(parent, what);
            reserve(&mut part.own);
            part.own.push(own);
        } else {
            part.children.push(parent, what);
        }
    }

    fn part(&mut self, hash: u64) -> &mut Part {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Part::default);
        }
        &mut self.parts[(hash >> (u64::BITS - PART_BITS)) as usize]
    }

    fn number(&mut self, service: &str) -> u32 {
        if let Some(last) = self.last
            && self.names[last as usize] == service
        {
            return last;
        }
        let number = self.numbers.get(service).copied().unwrap_or_else(|| self.named(service));
        self.last = Some(number);
        number
    }

    fn named(&mut self, service: &str) -> u32 {
        let next = u32::try_from(self.names.len()).unwrap_or(SERVICES_MAX);
        if next >= SERVICES_MAX {
            return self.number("");
        }
        self.names.push(service.to_owned());
        self.numbers.insert(service.to_owned(), next);
        next
    }

    pub(super) fn bytes(&self) -> usize {
        let of_part =
            |part: &Part| part.spans.bytes() + part.children.bytes() + part.servers.bytes() + part.own.capacity() * 8;
        let names: usize = self.names.iter().map(|name| 2 * (name.len() + 48)).sum();
        // While calls are counted there is a table of one part besides, of twice its spans.
        let table = self.parts.iter().map(|part| part.spans.keys.len()).max().unwrap_or(0) * 4 * 12;
        self.parts.iter().map(of_part).sum::<usize>() + names + table
    }

    /// All of it as bytes, for [`Spans::read`].
    pub(super) fn written(self) -> Vec<u8> {
        let mut out = Vec::new();
        let length = |out: &mut Vec<u8>, length: usize| out.extend_from_slice(&(length as u64).to_le_bytes());
        length(&mut out, self.names.len());
        for name in &self.names {
            length(&mut out, name.len());
            out.extend_from_slice(name.as_bytes());
        }
        for part in self.parts {
            for pairs in [&part.spans, &part.children, &part.servers] {
                length(&mut out, pairs.keys.len());
                pairs.keys.iter().for_each(|key| out.extend_from_slice(&key.to_le_bytes()));
                pairs.what.iter().for_each(|what| out.extend_from_slice(&what.to_le_bytes()));
            }
            part.own.iter().for_each(|key| out.extend_from_slice(&key.to_le_bytes()));
        }
        out
    }

    /// Takes in what another has [`written`](Spans::written); none where it is cut off.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Option<()> {
        let mut numbers = Vec::new();
        for _ in 0..number(&mut bytes)? {
            let length = usize::try_from(number(&mut bytes)?).ok()?;
            let name = std::str::from_utf8(bytes.split_off(..length)?).ok()?;
            numbers.push(self.number(name));
        }
        let renumbered = |what: u32| {
            let service = *numbers.get((what >> FLAGS_BITS) as usize)?;
            Some(service << FLAGS_BITS | what & (SERVER | CLIENT | ERROR))
        };
        let mut at = 0;
        while !bytes.is_empty() {
            let part = self.part((at as u64) << (u64::BITS - PART_BITS));
            for pairs in [&mut part.spans, &mut part.children, &mut part.servers] {
                let count = usize::try_from(number(&mut bytes)?).ok()?;
                let keys = bytes.split_off(..count.checked_mul(8)?)?;
                let what = bytes.split_off(..count.checked_mul(4)?)?;
                for (key, what) in keys.as_chunks().0.iter().zip(what.as_chunks().0) {
                    pairs.push(u64::from_le_bytes(*key), renumbered(u32::from_le_bytes(*what))?);
                }
            }
            let fresh = part.servers.keys.len() - part.own.len();
            let own = bytes.split_off(..fresh * 8)?;
            part.own.extend(own.as_chunks().0.iter().map(|key| u64::from_le_bytes(*key)));
            at += 1;
        }
        Some(())
    }

    /// Who called whom. A server that shares its span with a client is called by that client, and what it does is its own;
    /// spans whose parent is not there, and services without a name, call and are called by nobody.
    pub(super) fn calls(mut self) -> Calls {
        let mut counted: HashMap<(u32, u32), Call> = HashMap::new();
        let mut count = |parent: u32, child: u32| {
            let call = counted.entry((parent >> FLAGS_BITS, child >> FLAGS_BITS)).or_default();
            call.count += 1;
            call.errors += u64::from(child & ERROR != 0);
        };
        let (mut table, mut shared) = (Table::default(), HashSet::new());
        for part in &mut self.parts {
            table.fill(&part.spans);
            for (key, what) in part.spans.iter().filter(|(_, what)| what & SERVER != 0) {
                if let Some(client) = table.client(key) {
                    shared.insert(key);
                    count(client, what);
                }
            }
            for (parent, child) in part.children.iter() {
                if let Some(parent) = table.parent(parent) {
                    count(parent, child);
                }
            }
            // A server's parent takes the place of its hash: whether the server shares its span is known at the end.
            for key in &mut part.servers.keys {
                *key = u64::from(table.parent(*key).unwrap_or(EMPTY));
            }
        }
        for part in &self.parts {
            for ((parent, child), own) in part.servers.iter().zip(&part.own) {
                let parent = u32::try_from(parent).unwrap_or(EMPTY);
                if parent != EMPTY && !shared.contains(own) {
                    count(parent, child);
                }
            }
        }
        let name = |number: u32| self.names[number as usize].clone();
        let named = counted.into_iter().map(|((parent, child), call)| ((name(parent), name(child)), call));
        named.filter(|((parent, child), _)| !parent.is_empty() && !child.is_empty()).collect()
    }
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*first))
}

/// Spans of a part by their hash: for each, its client and what else has that hash.
#[derive(Debug, Default)]
struct Table {
    keys: Vec<u64>,
    /// A client's, and any other's.
    slots: Vec<[u32; 2]>,
}

impl Table {
    fn fill(&mut self, spans: &Pairs) {
        let size = (spans.keys.len() * 2).next_power_of_two();
        self.keys.clear();
        self.keys.resize(size, 0);
        self.slots.clear();
        self.slots.resize(size, [EMPTY; 2]);
        for (key, what) in spans.iter() {
            let slot = self.slot(key);
            self.keys[slot] = key;
            // Of spans that are there twice, one.
            let place = &mut self.slots[slot][usize::from(what & CLIENT == 0)];
            *place = (*place).min(what);
        }
    }

    /// Where a hash is, or would be: at least half of the slots are free.
    fn slot(&self, key: u64) -> usize {
        let mask = self.keys.len() - 1;
        let mut slot = key as usize & mask;
        while self.slots[slot] != [EMPTY; 2] && self.keys[slot] != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The client that shares this span with its server.
    fn client(&self, key: u64) -> Option<u32> {
        let client = self.slots[self.slot(key)][0];
        (client != EMPTY).then_some(client)
    }

    /// Whoever has this span: the server where a client and a server share it.
    fn parent(&self, key: u64) -> Option<u32> {
        let [client, other] = self.slots[self.slot(key)];
        let parent = if other == EMPTY { client } else { other };
        (parent != EMPTY).then_some(parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Likewise by looking at every pair.
    fn slowly(spans: &[Row]) -> Calls {
        let mut out = Calls::new();
        let mut count = |parent: &Row, child: &Row| {
            let call = out.entry((parent.3.clone(), child.3.clone())).or_default();
            call.count += 1;
            call.errors += u64::from(child.5);
        };
        let same = |a: &Row, trace: &str, id: &str| a.0 == trace && a.1 == id;
        let client = |of: &Row| spans.iter().find(|span| same(span, &of.0, &of.1) && span.4 == "client");
        for child in spans {
            if child.4 == "server"
                && let Some(client) = client(child)
            {
                count(client, child);
                continue;
            }
            if child.2.is_empty() || child.2 == child.1 {
                continue;
            }
            let parents = || spans.iter().filter(|span| same(span, &child.0, &child.2));
            if let Some(parent) = parents().find(|span| span.4 != "client").or_else(|| parents().next()) {
                count(parent, child);
            }
        }
        out.retain(|(parent, child), _| !parent.is_empty() && !child.is_empty());
        out
    }

    /// Trace, id, parent, service, kind, whether it is an error.
    type Row = (String, String, String, String, &'static str, bool);

    fn of(rows: &[Row]) -> Spans {
        let mut spans = Spans::default();
        for (trace, id, parent, service, kind, is_error) in rows {
            spans.push(&Span { trace, id, parent, service, kind, is_error: *is_error });
        }
        spans
    }

    /// A span's service follows from its id and kind, so that it does not matter which of two alike is taken.
    fn row() -> impl Strategy<Value = Row> {
        let kind = prop::sample::select(vec!["server", "client", ""]);
        (0..3_u8, 1..9_u8, 0..9_u8, kind, any::<bool>()).prop_map(|(trace, id, parent, kind, is_error)| {
            let of_client = if kind == "client" { "client-" } else { "" };
            let service = if id == 8 { String::new() } else { format!("{of_client}{}", id % 4) };
            let parent = if parent == 0 { String::new() } else { format!("{parent:016x}") };
            (format!("{trace:032x}"), format!("{id:016x}"), parent, service, kind, is_error)
        })
    }

    proptest! {
        #[test]
        fn calls_are_those_of_every_pair(rows in prop::collection::vec(row(), 0..60), cut in 0..60_usize) {
            let expected = slowly(&rows);
            prop_assert_eq!(of(&rows).calls(), expected.clone());
            // As of two partitions.
            let (first, second) = rows.split_at(cut.min(rows.len()));
            let mut both = of(first);
            both.read(&of(second).written()).unwrap();
            prop_assert_eq!(both.calls(), expected);
        }

        #[test]
        fn what_is_cut_off_is_refused(rows in prop::collection::vec(row(), 1..20), cut in 1..40_usize) {
            let written = of(&rows).written();
            prop_assume!(cut < written.len());
            let mut spans = Spans::default();
            // A whole number of parts less may be read; nothing panics.
            let _ = spans.read(&written[..written.len() - cut]);
        }
    }

    #[test]
    fn memory_is_what_is_there() {
        let rows: Vec<Row> = (0..20_000)
            .map(|n| (format!("{n:032x}"), format!("{n:016x}"), format!("{:016x}", n / 2), "a".into(), "", false))
            .collect();
        let spans = of(&rows);
        let least = rows.len() * 24;
        assert!((least..least * 2).contains(&spans.bytes()), "{}", spans.bytes());
    }
}
