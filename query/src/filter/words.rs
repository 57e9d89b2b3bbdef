//! A filter cut into words: at blanks and at the parentheses of groups, not within double quotes.
//!
//! Quotes may stand around a word or a part of it, and are dropped; within them `\"` is a quote, and every other
//! backslash is itself, as regular expressions need it. A parenthesis within a word, as in `payload~(a|b)`, is the word's
//! own as long as it is closed there.
use super::error::FilterError;

/// A character of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) c: char,
    pub(super) is_quoted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Open,
    Close,
    Word(Word),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) letters: Vec<Letter>,
    /// It begins with a quote.
    pub(super) is_quoted: bool,
}

impl Word {
    pub(super) fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.c).collect()
    }

    /// True if it is this word, without quotes, in any case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        let is_bare = !self.is_quoted && self.letters.iter().all(|letter| !letter.is_quoted);
        is_bare && self.text().eq_ignore_ascii_case(keyword)
    }
}

/// All pieces, each with the number of characters before it.
pub(super) fn cut(text: &str) -> Result<Vec<(usize, Piece)>, FilterError> {
    let mut scan = Scan { letters: text.chars().collect(), at: 0, open: 0 };
    let mut pieces = Vec::new();
    while let Some(c) = scan.peek() {
        let from = scan.at;
        match c {
            c if c.is_whitespace() => scan.at += 1,
            '(' => {
                scan.at += 1;
                scan.open += 1;
                pieces.push((from, Piece::Open));
            }
            ')' if scan.open > 0 => {
                scan.at += 1;
                scan.open -= 1;
                pieces.push((from, Piece::Close));
            }
            _ => pieces.push((from, Piece::Word(scan.word()?))),
        }
    }
    Ok(pieces)
}

struct Scan {
    letters: Vec<char>,
    at: usize,
    /// Groups that are open.
    open: usize,
}

impl Scan {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn word(&mut self) -> Result<Word, FilterError> {
        let mut word = Word { letters: Vec::new(), is_quoted: self.peek() == Some('"') };
        let mut own = 0;
        while let Some(c) = self.peek() {
            match c {
                '"' => self.quoted(&mut word)?,
                c if c.is_whitespace() => break,
                // `not(…)`: the beginning of a group.
                '(' if ["not", "and", "or"].iter().any(|keyword| word.is(keyword)) => break,
                ')' if own == 0 && self.open > 0 => break,
                c => {
                    own = match c {
                        '(' => own + 1,
                        ')' => usize::saturating_sub(own, 1),
                        _ => own,
                    };
                    word.letters.push(Letter { c, is_quoted: false });
                    self.at += 1;
                }
            }
        }
        Ok(word)
    }

    fn quoted(&mut self, word: &mut Word) -> Result<(), FilterError> {
        let from = self.at;
        self.at += 1;
        loop {
            let (c, taken) = match (self.peek(), self.letters.get(self.at + 1)) {
                (Some('\\'), Some('"')) => ('"', 2),
                (Some('"'), _) => {
                    self.at += 1;
                    return Ok(());
                }
                (Some(c), _) => (c, 1),
                (None, _) => return Err(FilterError::new(from, "this double quote is not closed")),
            };
            word.letters.push(Letter { c, is_quoted: true });
            self.at += taken;
        }
    }
}
