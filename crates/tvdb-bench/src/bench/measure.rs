//! Times, and what the operating system says of this process.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The result of `work` and the seconds it took. Dropping the result is not timed.
pub(super) async fn timed<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<(T, f64), E> {
    let start = Instant::now();
    let result = work.await?;
    Ok((result, start.elapsed().as_secs_f64()))
}

/// Timings of one thing, in seconds.
#[derive(Default)]
pub(super) struct Timings(Vec<f64>);

impl Timings {
    /// As many are taken as this, unless they take longer than [`Timings::ENOUGH`].
    const COUNT: usize = 5;

    /// Where one takes seconds, noise hardly shows.
    const ENOUGH: Duration = Duration::from_secs(4);

    /// Whether one more should be taken; always at first.
    pub(super) fn wants_more(&self) -> bool {
        let spent: f64 = self.0.iter().sum();
        self.0.is_empty() || self.0.len() < Self::COUNT && spent < Self::ENOUGH.as_secs_f64()
    }

    pub(super) fn push(&mut self, seconds: f64) {
        self.0.push(seconds);
    }

    /// The one in the middle; 0 where there is none.
    pub(super) fn median(&self) -> f64 {
        median(&self.0)
    }
}

/// The value in the middle, the mean of both where there are two; 0 where there is none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[len / 2],
        len => (sorted[len / 2 - 1] + sorted[len / 2]) / 2.0,
    }
}

/// 0 where there is no value.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Memory of this process, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    /// What is resident now (`VmRSS`).
    pub(super) resident: u64,
    /// The most that ever was (`VmHWM`).
    pub(super) peak: u64,
}

impl Memory {
    pub(super) fn now() -> Result<Self> {
        let status = read_proc("/proc/self/status")?;
        let kilobytes = |key| {
            field(&status, key).with_context(|| format!("/proc/self/status does not say {key}"))
        };
        Ok(Memory {
            resident: kilobytes("VmRSS")? * 1024,
            peak: kilobytes("VmHWM")? * 1024,
        })
    }
}

/// Bytes that this process has handed to write calls so far, on all threads.
pub(super) fn bytes_written() -> Result<u64> {
    let io = read_proc("/proc/self/io")?;
    field(&io, "wchar").context("/proc/self/io does not say wchar")
}

/// Bytes of memory that can be had without swapping, where the system tells.
pub(super) fn available_memory() -> Option<u64> {
    let kilobytes = field(&read_proc("/proc/meminfo").ok()?, "MemAvailable")?;
    Some(kilobytes * 1024)
}

fn read_proc(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}, which Linux has"))
}

/// The number in a line such as `VmRSS:   1234 kB`.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(key)?.strip_prefix(':')?;
        value.split_whitespace().next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(mean(&[]), 0.0);
    }

    #[test]
    fn timings_end() {
        let mut timings = Timings::default();
        assert!(timings.wants_more());
        timings.push(60.0);
        assert!(!timings.wants_more());
    }

    #[test]
    fn the_system_tells() {
        let memory = Memory::now().unwrap();
        assert!(0 < memory.resident && memory.resident <= memory.peak);
        bytes_written().unwrap();
        assert_eq!(field("VmRSSx: 1 kB\nVmRSS:\t  12 kB\n", "VmRSS"), Some(12));
    }
}
