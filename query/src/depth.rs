//! How deep a query may be. Parser, planner and evaluation all recurse, on threads with small stacks, and a
//! stack that overflows ends the process: so depth is bounded before anything recurses.
use crate::error::{Error, Kind};
use crate::expansion::too_large;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Deepest expression, in tokens that hang on each other: a chain such as `a + b + c…` is as deep as it is
/// long, a list is not.
const DEPTH_TOKENS_MAX: usize = 400;
/// Deepest plan, in operators.
const PLAN_DEPTH_MAX: usize = 200;
/// Most operators of a plan.
const PLAN_NODES_MAX: usize = 4_000;

/// Looks at the text only, in one pass.
///
/// # Errors
/// [`Kind::Limit`] for what is too deep. Text that has no tokens is for the parser to complain of.
pub(crate) fn check_text(sql: &str) -> Result<(), Error> {
    match depth(&tokens(sql)) {
        ..=DEPTH_TOKENS_MAX => Ok(()),
        _ => Err(Error::new(Kind::Limit, "the query is too deep: shorten its chains of operators, or use IN (…)")),
    }
}

fn tokens(sql: &str) -> Vec<Token> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect()
}

/// What stands between two brackets, or between `CASE` and `END`.
#[derive(Default)]
struct Level {
    is_case: bool,
    /// In a `FROM` clause a comma joins; everywhere else it divides.
    is_from: bool,
    /// Of set operations, which hang on each other through the whole level.
    links: usize,
    /// Tokens since the last divider, and the deepest level that was among them.
    run: usize,
    below: usize,
    /// The deepest of the runs that are over.
    deepest: usize,
}

impl Level {
    fn divide(&mut self) {
        self.deepest = self.deepest.max(self.run + self.below);
        (self.run, self.below) = (0, 0);
    }

    fn depth(mut self) -> usize {
        self.divide();
        self.links + self.deepest
    }
}

/// An upper bound of the depth of the tree that these tokens are parsed to. Without recursion.
fn depth(tokens: &[Token]) -> usize {
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    for (at, token) in tokens.iter().enumerate() {
        let keyword_at = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
            Some(Token::Word(word)) => word.keyword,
            _ => Keyword::NoKeyword,
        };
        let keyword = keyword_at(Some(at));
        level.run += 1;
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                level.run += 1;
                outer.push(std::mem::take(&mut level));
            }
            Token::RParen | Token::RBracket | Token::RBrace => close(&mut level, &mut outer),
            Token::Comma if !level.is_from => level.divide(),
            _ => match keyword {
                Keyword::CASE => outer.push(std::mem::replace(&mut level, Level { is_case: true, ..Level::default() })),
                Keyword::END if level.is_case => close(&mut level, &mut outer),
                Keyword::WHEN | Keyword::THEN | Keyword::ELSE if level.is_case => level.divide(),
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => {
                    level.divide();
                    level.links += 2;
                    level.is_from = false;
                }
                // `a IS DISTINCT FROM b` goes on, as does `f(a) WITHIN GROUP (…)`.
                Keyword::FROM if keyword_at(at.checked_sub(1)) == Keyword::DISTINCT => (),
                Keyword::GROUP | Keyword::ORDER if keyword_at(Some(at + 1)) != Keyword::BY => (),
                Keyword::SELECT
                | Keyword::FROM
                | Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::ORDER
                | Keyword::LIMIT => {
                    level.divide();
                    level.is_from = keyword == Keyword::FROM;
                }
                _ => (),
            },
        }
    }
    while !outer.is_empty() {
        close(&mut level, &mut outer);
    }
    level.depth()
}

fn close(level: &mut Level, outer: &mut Vec<Level>) {
    if let Some(parent) = outer.pop() {
        let closed = std::mem::replace(level, parent);
        level.below = level.below.max(closed.depth());
    }
}

/// Looks at a plan before anything else walks through it.
///
/// # Errors
/// [`Kind::Limit`] for one that is too deep or too large.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<(), Error> {
    match is_within(plan, 1, &mut 0)? {
        true => Ok(()),
        false => Err(too_large()),
    }
}

/// Recurses, but never deeper than a plan may be.
fn is_within(plan: &LogicalPlan, depth: usize, nodes: &mut usize) -> DataFusionResult<bool> {
    *nodes += 1;
    if *nodes > PLAN_NODES_MAX || depth > PLAN_DEPTH_MAX {
        return Ok(false);
    }
    for input in plan.inputs() {
        if !is_within(input, depth + 1, nodes)? {
            return Ok(false);
        }
    }
    let mut is_ok = true;
    plan.apply_subqueries(|subquery| {
        is_ok = is_within(subquery, depth + 1, nodes)?;
        Ok(if is_ok { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(is_ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: usize) {
        assert_eq!(depth(&tokens(sql)), expected, "{sql}");
    }

    #[test]
    fn chains_are_deep_and_lists_are_not() {
        check("select a", 1);
        check("select a + b + c", 5);
        check("select a, b, c + d, e", 4);
        check("select a from b, c, d", 5);
        check("select a from b where c = 1 or d = 2 group by e, f order by g limit 1", 8);
        check("select a union select b union select c", 6);
        check("select f(a + b, c) + d", 9);
        check("select case when a then b + c when d then e else f end + g", 7);
        check("select a is distinct from b is distinct from c", 9);
        check("select a in (1, 2, 3, 4, 5, 6, 7, 8, 9)", 6);
        check("select ((a", 5);
        check("a)) end", 4);
        check("", 0);
    }
}
