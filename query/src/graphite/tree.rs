//! Names as a tree of nodes, as Graphite's users go through them, and the search in it.
use super::names::Identity;
use super::pattern::{Pattern, nodes};
use metlog_schemas::carbon::{Naming, Number, TIMERS};
use metlog_schemas::statsd::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A number of a series that a path names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wanted {
    /// One that each series of its kind has.
    Number(Number),
    /// Of a percentile: `upper_90`.
    Percentile(String),
}

/// Something that has points.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Its path, with its tags.
    pub path: String,
    /// The series in the table.
    pub series: Arc<Identity>,
    /// Which number of it.
    pub wanted: Wanted,
}

/// What a search finds.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its path.
    pub path: String,
    /// Its points, unless it is only on the way to others.
    pub leaf: Option<Leaf>,
}

impl Found {
    /// The last node of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Box<str>, Node>,
    /// Those whose name ends here, but for the names of their numbers.
    series: Vec<(Arc<Identity>, &'static str)>,
}

/// All names.
#[derive(Debug, Default)]
pub struct Tree {
    root: Node,
    naming: Naming,
    /// With tags: these are found by their tags.
    tagged: Vec<Arc<Identity>>,
    untagged: Vec<Arc<Identity>>,
}

impl Tree {
    /// Of these series.
    pub fn new(naming: &Naming, series: impl Iterator<Item = Arc<Identity>>) -> Tree {
        let mut tree = Tree { naming: naming.clone(), ..Tree::default() };
        for series in series {
            if series.tags.is_empty() {
                tree.insert(&series);
                tree.untagged.push(series);
            } else {
                tree.tagged.push(series);
            }
        }
        tree
    }

    fn insert(&mut self, series: &Arc<Identity>) {
        let mut namespaces: Vec<&'static str> = Vec::new();
        for statistic in self.naming.statistics(series.kind) {
            if !namespaces.contains(&statistic.namespace) {
                namespaces.push(statistic.namespace);
            }
        }
        for namespace in namespaces {
            let path = [&series.prefix, namespace, &series.name].concat();
            let parts = path.split('.').filter(|part| !part.is_empty());
            let node = parts.fold(&mut self.root, |node, part| node.children.entry(part.into()).or_default());
            node.series.push((Arc::clone(series), namespace));
        }
    }

    /// Each series with all of its leaves.
    pub fn leaves_of(&self, series: &Arc<Identity>) -> Vec<Leaf> {
        let of_kind = self.naming.statistics(series.kind).iter();
        let numbers = of_kind.map(|it| (it.namespace, it.suffix.to_owned(), Wanted::Number(it.number)));
        let percentiles = series.percentiles.iter().filter(|_| series.kind == Kind::Timer);
        let percentiles = percentiles.map(|name| (TIMERS, format!(".{name}"), Wanted::Percentile(name.clone())));
        let leaf = |(namespace, suffix, wanted): (&str, String, Wanted)| {
            let path = [&series.prefix, namespace, &series.name, &suffix, &series.tags].concat();
            Leaf { path, series: Arc::clone(series), wanted }
        };
        numbers.chain(percentiles).map(leaf).collect()
    }

    /// Series with tags and without.
    pub fn series(&self) -> impl Iterator<Item = &Arc<Identity>> {
        self.tagged.iter().chain(&self.untagged)
    }

    /// What a path with patterns means, sorted by path, branches and leaves; at most `max` and one.
    ///
    /// # Errors
    /// Where a pattern stands for too many.
    pub fn find(&self, query: &str, max: usize) -> Result<Vec<Found>, String> {
        if query.contains(';') {
            return Ok(self.find_tagged(query));
        }
        let patterns = nodes(query)?;
        let mut found = Vec::new();
        self.search(&self.root, &patterns, String::new(), max, &mut found);
        found.sort_by(|a, b| a.path.cmp(&b.path).then(a.leaf.is_some().cmp(&b.leaf.is_some())));
        Ok(found)
    }

    /// A path with its tags.
    fn find_tagged(&self, path: &str) -> Vec<Found> {
        let mut parts: Vec<&str> = path.split(';').collect();
        parts[1..].sort_unstable();
        let path = parts.join(";");
        let of_tags = self.tagged.iter().filter(|series| path.ends_with(&series.tags));
        let leaves = of_tags.flat_map(|series| self.leaves_of(series)).filter(|leaf| leaf.path == path);
        leaves.map(|leaf| Found { path: leaf.path.clone(), leaf: Some(leaf) }).collect()
    }

    fn search(&self, node: &Node, patterns: &[Pattern], path: String, max: usize, found: &mut Vec<Found>) {
        let Some((pattern, rest)) = patterns.split_first() else { return };
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { [&path, ".", name].concat() };
        let mut visit = |name: &str, child: &Node| {
            if found.len() > max {
                return;
            }
            if !rest.is_empty() {
                return self.search(child, rest, below(name), max, found);
            }
            let here = below(name);
            let has_more = !child.children.is_empty() || self.numbers_below(child).next().is_some();
            if has_more {
                found.push(Found { path: here.clone(), leaf: None });
            }
            if let Some(leaf) = self.leaf_at(child, &here) {
                found.push(Found { path: here, leaf: Some(leaf) });
            }
        };
        match pattern.exact() {
            Some(name) => {
                if let Some(child) = node.children.get(name) {
                    visit(name, child);
                }
            }
            None => {
                let matching = node.children.iter().filter(|(name, _)| pattern.matches(name));
                matching.for_each(|(name, child)| visit(name, child));
            }
        }
        if rest.is_empty() {
            for (name, series, wanted) in self.numbers_below(node) {
                let is_hidden = node.children.get(name.as_str()).is_some_and(|child| self.leaf_at(child, "").is_some());
                if found.len() <= max && pattern.matches(&name) && !is_hidden {
                    let leaf = Leaf { path: below(&name), series: Arc::clone(series), wanted };
                    found.push(Found { path: below(&name), leaf: Some(leaf) });
                }
            }
        }
    }

    /// Numbers of the series that end at a node, which stand one node below it.
    fn numbers_below<'n>(&'n self, node: &'n Node) -> impl Iterator<Item = (String, &'n Arc<Identity>, Wanted)> + 'n {
        node.series.iter().flat_map(move |(series, namespace)| {
            let of_kind = self.naming.statistics(series.kind).iter();
            let numbers = of_kind.filter(move |it| it.namespace == *namespace && !it.suffix.is_empty());
            let numbers = numbers.map(|it| (it.suffix[1..].to_owned(), Wanted::Number(it.number)));
            let percentiles = series.percentiles.iter().filter(|_| series.kind == Kind::Timer);
            let percentiles = percentiles.map(|name| (name.clone(), Wanted::Percentile(name.clone())));
            numbers.chain(percentiles).map(move |(name, wanted)| (name, series, wanted))
        })
    }

    /// The series whose number stands at a node itself.
    fn leaf_at(&self, node: &Node, path: &str) -> Option<Leaf> {
        node.series.iter().find_map(|(series, namespace)| {
            let of_kind = self.naming.statistics(series.kind).iter();
            let own = of_kind.clone().find(|it| it.namespace == *namespace && it.suffix.is_empty())?;
            let (series, wanted) = (Arc::clone(series), Wanted::Number(own.number));
            Some(Leaf { path: path.to_owned(), series, wanted })
        })
    }
}
