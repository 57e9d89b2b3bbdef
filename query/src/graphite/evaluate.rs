//! From targets to series: names are looked up, points are fetched once for all, functions are called from the innermost.
use super::fetch::{Points, Span, fetch};
use super::functions::{self, Context, Value};
use super::names::{Names, RENDER_HOURS_MAX};
use super::rows::Rows;
use super::series::Series;
use super::tags::Tagged;
use super::target::{self, Call, Expression};
use super::tree::Leaf;
use crate::error::{Error, Kind};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Series of one request, before functions are called.
const LEAVES_MAX: usize = 20_000;
/// Calls of functions that need other points than were asked for.
const AGAIN_MAX: usize = 64;

/// Series by time and expression, and how many calls asked again.
type Cache = (HashMap<(i64, i64, String), Vec<Series>>, usize);

/// Evaluates the targets of one request.
pub struct Evaluator<'r> {
    pub(super) rows: &'r dyn Rows,
    pub(super) names: &'r Names,
    /// See [`Span::idle_after`].
    pub(super) idle_after: i64,
    /// Values of the request for names in templates.
    pub(super) templates: Vec<(String, String)>,
    cache: Mutex<Cache>,
}

fn mistake(message: impl Into<String>) -> Error {
    Error::new(Kind::Request, message)
}

impl<'r> Evaluator<'r> {
    /// For one request.
    pub fn new(
        rows: &'r dyn Rows,
        names: &'r Names,
        idle_after: i64,
        templates: Vec<(String, String)>,
    ) -> Evaluator<'r> {
        Evaluator { rows, names, idle_after, templates, cache: Mutex::default() }
    }

    /// The series of all targets.
    ///
    /// # Errors
    /// [`Kind::Request`] where a target is wrong; those of queries.
    pub async fn targets(&self, context: &Context, targets: &[String]) -> Result<Vec<Series>, Error> {
        let mut expressions = Vec::new();
        for target in targets.iter().filter(|target| !target.trim().is_empty()) {
            let expression = target::parse(target);
            expressions.push(expression.map_err(|error| mistake(format!("target `{}`: {error}", shown(target))))?);
        }
        let mut paths = Vec::new();
        expressions.iter().for_each(|expression| target::paths(expression, &self.templates, &mut paths));
        // An unknown function is told before anything is read.
        expressions.iter().try_for_each(check)?;
        self.prefetch(context, paths).await?;
        let mut all = Vec::new();
        for expression in &expressions {
            match self.evaluate(context, expression, &self.templates).await? {
                Value::Series(series) => all.extend(series),
                _ => return Err(mistake("a target must be a path or a call that gives series")),
            }
        }
        Ok(all)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches what is not there yet, with one query.
    async fn prefetch(&self, context: &Context, mut paths: Vec<String>) -> Result<(), Error> {
        paths.sort_unstable();
        paths.dedup();
        paths.retain(|path| !self.cache().0.contains_key(&(context.from, context.until, path.clone())));
        if paths.is_empty() {
            return Ok(());
        }
        let first = (context.from - self.idle_after).max(context.until - RENDER_HOURS_MAX * 3_600);
        let tree = self.names.tree(self.rows, first, context.until, context.now).await?;
        let mut found: Vec<(String, Vec<Leaf>)> = Vec::new();
        for path in paths {
            let leaves: Vec<Leaf> = if path.starts_with("seriesByTag(") {
                Tagged::of_call(&path).and_then(|tagged| tagged.find(&tree)).map_err(mistake)?
            } else {
                let found = tree.find(&path, LEAVES_MAX).map_err(mistake)?;
                found.into_iter().filter_map(|found| found.leaf).collect()
            };
            found.push((path, leaves));
        }
        let mut leaves: Vec<Leaf> = found.iter().flat_map(|(_, leaves)| leaves.iter().cloned()).collect();
        leaves.sort_by(|a, b| a.path.cmp(&b.path));
        leaves.dedup_by(|a, b| a.path == b.path);
        if leaves.len() > LEAVES_MAX {
            let message = format!("the targets name more than {LEAVES_MAX} series; name fewer");
            return Err(Error::new(Kind::Limit, message));
        }
        let span = Span { from: context.from, until: context.until, now: context.now, idle_after: self.idle_after };
        let points = fetch(self.rows, &leaves, span, self.names.naming().names_hosts()).await?;
        let mut cache = self.cache();
        for (path, leaves) in found {
            let series = leaves.iter().filter_map(|leaf| Some(series(&path, leaf, points.get(&leaf.path)?, context)));
            let mut series: Vec<Series> = series.collect();
            series.sort_by(|a, b| a.name.cmp(&b.name));
            cache.0.insert((context.from, context.until, path), series);
        }
        Ok(())
    }

    fn evaluate<'e>(
        &'e self,
        context: &'e Context,
        expression: &'e Expression,
        templates: &'e [(String, String)],
    ) -> BoxFuture<'e, Result<Value, Error>> {
        async move {
            match expression {
                Expression::Integer(number) => Ok(Value::Integer(*number)),
                Expression::Float(number) => Ok(Value::Float(*number)),
                Expression::Text(text) => Ok(Value::Text(text.clone())),
                Expression::Boolean(truth) => Ok(Value::Boolean(*truth)),
                Expression::None => Ok(Value::None),
                Expression::Path(path) => {
                    // A whole argument may be a template's number or text.
                    let own = path.strip_prefix('$').and_then(|name| templates.iter().find(|(key, _)| key == name));
                    match own {
                        Some((_, value)) => Ok(value.parse().map_or_else(|_| Value::Text(value.clone()), Value::Float)),
                        None => self.fetched(context, target::replaced(path, templates)).await,
                    }
                }
                Expression::Template(inner, own) => {
                    let merged = target::merged(own, &self.templates);
                    self.evaluate(context, inner, &merged).await
                }
                Expression::Call(call) if call.function == "seriesByTag" => {
                    self.fetched(context, call.raw.clone()).await
                }
                Expression::Call(call) => self.call(context, call, templates).await,
            }
        }
        .boxed()
    }

    async fn fetched(&self, context: &Context, path: String) -> Result<Value, Error> {
        self.prefetch(context, vec![path.clone()]).await?;
        let found = self.cache().0.get(&(context.from, context.until, path)).cloned();
        Ok(Value::Series(found.unwrap_or_default()))
    }

    async fn call(&self, context: &Context, call: &Call, templates: &[(String, String)]) -> Result<Value, Error> {
        let spec = functions::find(&call.function).ok_or_else(|| unknown(&call.function))?;
        let (mut by_place, mut by_name) = (Vec::new(), Vec::new());
        for argument in &call.arguments {
            by_place.push(self.evaluate(context, argument, templates).await?);
        }
        for (name, argument) in &call.named {
            by_name.push((name.clone(), self.evaluate(context, argument, templates).await?));
        }
        let mut args = spec.bind(by_place, by_name).map_err(mistake)?;
        if let Some(again) = spec.again
            && let Some(first) = call.arguments.first()
            && let Some(other) = again(context, &args).map_err(mistake)?
        {
            self.cache().1 += 1;
            if self.cache().1 > AGAIN_MAX {
                return Err(Error::new(Kind::Limit, format!("more than {AGAIN_MAX} calls need points of other times")));
            }
            let mut paths = Vec::new();
            target::paths(first, templates, &mut paths);
            self.prefetch(&other, paths).await?;
            if let Value::Series(series) = self.evaluate(&other, first, templates).await? {
                args.again = Some(series);
            }
        }
        spec.call(context, &mut args).map(Value::Series).map_err(mistake)
    }
}

/// The begin of a long target.
fn shown(target: &str) -> String {
    let end = target.floor_char_boundary(200);
    if end < target.len() { format!("{}…", &target[..end]) } else { target.to_owned() }
}

fn unknown(name: &str) -> Error {
    let mut names: Vec<&str> = functions::all().map(|spec| spec.name).chain(["seriesByTag", "template"]).collect();
    names.sort_unstable();
    mistake(format!("unknown function `{}`; there are {}", shown(name), names.join(", ")))
}

/// Every function that is called exists.
fn check(expression: &Expression) -> Result<(), Error> {
    match expression {
        Expression::Template(inner, _) => check(inner),
        Expression::Call(call) if call.function == "seriesByTag" => Ok(()),
        Expression::Call(call) => {
            functions::find(&call.function).ok_or_else(|| unknown(&call.function))?;
            let named = call.named.iter().map(|(_, argument)| argument);
            call.arguments.iter().chain(named).try_for_each(check)
        }
        _ => Ok(()),
    }
}

fn series(expression: &str, leaf: &Leaf, (start, step, values): &Points, context: &Context) -> Series {
    let end = start + step * values.len() as i64;
    let made = Series::new(leaf.path.clone(), (*start, end, *step), values.clone());
    Series { expression: expression.to_owned(), x_files_factor: context.x_files_factor, ..made }
}
