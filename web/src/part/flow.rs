//! A flow: stages in order, and under each one what left the flow there.
use crate::number::grouped;
use maud::{Markup, html};

/// A stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// How many came so far; `None` where nobody can know.
    pub count: Option<u64>,
    /// What that means, for the reader.
    pub meaning: &'static str,
    /// What left the flow here.
    pub losses: Vec<Loss>,
}

/// What left the flow at a stage.
#[derive(Debug, Clone)]
pub struct Loss {
    /// Its name.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// What they are: messages, datagrams.
    pub unit: &'static str,
    /// What that means, for the reader.
    pub meaning: &'static str,
    /// Where its rows are.
    pub link: String,
    /// True where this is no loss, but a wait.
    pub is_wait: bool,
}

/// The stages in order.
pub fn flow(stages: &[Stage]) -> Markup {
    html! {
        ol.flow {
            @for stage in stages {
                li {
                    div.stage title=(stage.meaning) {
                        span.name { (stage.name) }
                        span.count { @match stage.count { Some(count) => { (grouped(count)) } None => { "?" } } }
                        span.note { (stage.meaning) }
                    }
                    @if !stage.losses.is_empty() {
                        ul.losses { @for loss in &stage.losses { li { (drawn(loss)) } } }
                    }
                }
            }
        }
    }
}

fn drawn(loss: &Loss) -> Markup {
    let class = match (loss.count, loss.is_wait) {
        (0, _) => "loss none",
        (_, true) => "loss wait",
        (_, false) => "loss some",
    };
    html! {
        a class=(class) href=(loss.link) title=(loss.meaning) {
            span.count { (grouped(loss.count)) } " " span.name { (loss.name) }
            span.sr { " " (loss.unit) ": " (loss.meaning) }
        }
    }
}
