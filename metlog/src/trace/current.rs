//! The span that a thread is in: the innermost of those that were entered there.
use super::context::{Context, hex_of};
use super::span::Active;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static ENTERED: RefCell<Vec<Arc<Active>>> = const { RefCell::new(Vec::new()) };
}

/// Some thread has entered a span: until then nobody looks for one.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// True once a span was entered in this process.
#[inline]
pub(crate) fn is_in_use() -> bool {
    IN_USE.load(Ordering::Relaxed)
}

/// The identity of the span that this thread is in.
pub fn current() -> Option<Context> {
    active().map(|active| active.context.clone())
}

/// The span that this thread is in.
pub(super) fn active() -> Option<Arc<Active>> {
    if !is_in_use() {
        return None;
    }
    // A thread that ends, or a destructor that runs meanwhile, is in no span.
    ENTERED.try_with(|entered| entered.try_borrow().ok()?.last().cloned()).ok()?
}

pub(super) fn enter(active: Arc<Active>) {
    IN_USE.store(true, Ordering::Relaxed);
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push(active));
}

/// Leaves a span. It need not be the innermost: guards may be dropped in any order.
pub(super) fn leave(active: &Arc<Active>) {
    let found = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let at = entered.iter().rposition(|other| Arc::ptr_eq(other, active))?;
        Some(entered.remove(at))
    });
    // Dropped where nothing is borrowed any more: it may end the span.
    drop(found);
}

/// Ids of the current span as texts, for the fields of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    trace: [u8; 32],
    span: [u8; 16],
}

impl Ids {
    fn text(digits: &[u8]) -> &str {
        std::str::from_utf8(digits).unwrap_or_default()
    }

    /// The fields that a message gets.
    pub(crate) fn fields(&self) -> [(&str, &str); 2] {
        [("trace_id", Ids::text(&self.trace)), ("span_id", Ids::text(&self.span))]
    }
}

/// The ids of the span that this thread is in. It allocates nothing.
pub(crate) fn ids_of_current() -> Option<Ids> {
    let ids =
        |active: &Arc<Active>| Ids { trace: hex_of(active.context.trace_id), span: hex_of(active.context.span_id) };
    ENTERED.try_with(|entered| entered.try_borrow().ok()?.last().map(ids)).ok()?
}
