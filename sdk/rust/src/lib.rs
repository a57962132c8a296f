//! Guest SDK for modules of Signalbox, ABI sb/1: routing modules, which order
//! the targets of a request, and filters, which look at text.
//!
//! ```ignore
//! #![no_std]
//! signalbox::route!(decide);
//! fn decide(req: &signalbox::Request, plan: &mut signalbox::Plan) { plan.attempt(0); }
//! ```
//!
//! A decision is a pure function of its record: time and randomness are in it,
//! and instances come and go. A routing module that panics, loops or answers
//! nonsense costs one request, which the gateway then orders by priority and
//! weight; a filter that does blocks the request.
#![no_std]

pub mod host;
pub mod json;
pub mod layout;
pub mod order;

mod config;
mod export;
mod observe;
mod plan;
mod rank;
mod record;
mod request;
mod verdict;
mod window;

pub use config::{Config, Configure};
pub use layout::{Attempt, Outcome, Target};
pub use observe::Batch;
pub use plan::Plan;
pub use rank::{mix, Rank};
pub use record::{pack, Buffer};
pub use request::{resting, Request};
pub use verdict::Verdict;
pub use window::Window;

/// A panic ends the call; the host closes the instance.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
