//! Which weights move and which move together, against a model that looks at every state and every
//! pair, and against a reader in another language.

mod bad_input;
mod brute;
mod conformance;
mod real_run;
