//! Figures: delays, their percentiles, the CPU time of the measured process, JSON.

use std::fmt::Write;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Delays of one measurement, kept one by one: a histogram would round them.
#[derive(Default)]
pub struct Delays {
    nanoseconds: Vec<u32>,
}

impl Delays {
    /// Room for a run of some seconds, so that nothing is moved while it lasts.
    pub fn with_room() -> Self {
        Self {
            nanoseconds: Vec::with_capacity(1 << 20),
        }
    }

    /// Adds one; four seconds and more all count as 4.29.
    pub fn add(&mut self, delay: Duration) {
        self.nanoseconds
            .push(u32::try_from(delay.as_nanos()).unwrap_or(u32::MAX));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.nanoseconds.len()
    }

    /// The delay that `share` of a thousand do not exceed, in nanoseconds; 0 without any.
    fn permille(&self, share: usize) -> u32 {
        let last = self.nanoseconds.len().saturating_sub(1);
        let index = (self.nanoseconds.len() * share / 1000).min(last);
        self.nanoseconds.get(index).copied().unwrap_or(0)
    }
}

/// The measured stretch of a run: begins when it is made.
pub struct Stretch {
    begun: Instant,
    pid: Option<u32>,
    cpu: u64,
}

impl Stretch {
    /// Begins; reads the CPU time of `pid` when there is one.
    pub fn begin(pid: Option<u32>) -> io::Result<Self> {
        Ok(Self {
            pid,
            cpu: cpu_nanoseconds(pid)?,
            begun: Instant::now(),
        })
    }

    /// Since when it runs.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Ends, and gives the figures as one line of JSON. `unit` names what was counted.
    pub fn end(self, unit: &str, clients: usize, mut delays: Delays) -> io::Result<String> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let used = cpu_nanoseconds(self.pid)? - self.cpu;
        delays.nanoseconds.sort_unstable();
        let mut line = format!(
            "{{\"clients\": {clients}, \"{unit}\": {}, \"seconds\": {seconds:.3}",
            delays.count()
        );
        for (name, share) in [("p50", 500), ("p90", 900), ("p99", 990), ("max", 1000)] {
            let microseconds = f64::from(delays.permille(share)) / 1000.0;
            push(&mut line, &format!("{name}_us"), microseconds);
        }
        if self.pid.is_some() {
            push(&mut line, "cpu_us", ratio(used, 1000));
            push(
                &mut line,
                "cpu_us_each",
                ratio(used, 1000) / ratio(delays.count().max(1) as u64, 1),
            );
        }
        line.push('}');
        Ok(line)
    }
}

fn push(line: &mut String, name: &str, value: f64) {
    // Writing to a string cannot fail.
    let _ = write!(line, ", \"{name}\": {value:.2}");
}

#[expect(
    clippy::cast_precision_loss,
    reason = "52 bits hold every figure of a run"
)]
fn ratio(value: u64, by: u64) -> f64 {
    value as f64 / by as f64
}

/// Run time of every thread of a process, as the scheduler counts it.
fn cpu_nanoseconds(pid: Option<u32>) -> io::Result<u64> {
    let Some(pid) = pid else { return Ok(0) };
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that has ended meanwhile takes its share with it; measured programs keep theirs.
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        total += text
            .split(' ')
            .next()
            .and_then(|field| field.parse().ok())
            .unwrap_or(0);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_delays() {
        let mut delays = Delays::default();
        assert_eq!(delays.permille(500), 0);
        for millis in 1..=100 {
            delays.add(Duration::from_millis(millis));
        }
        assert_eq!(delays.permille(0), 1_000_000);
        assert_eq!(delays.permille(500), 51_000_000);
        assert_eq!(delays.permille(990), 100_000_000);
        assert_eq!(delays.permille(1000), 100_000_000);
    }

    #[test]
    fn a_delay_beyond_the_range_is_the_longest() {
        let mut delays = Delays::default();
        delays.add(Duration::from_secs(60));
        assert_eq!(delays.nanoseconds, [u32::MAX]);
    }

    #[test]
    fn the_cpu_time_of_this_process_grows() {
        let pid = Some(std::process::id());
        let before = cpu_nanoseconds(pid).expect("procfs");
        let mut sum = 0_u64;
        while cpu_nanoseconds(pid).expect("procfs") == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert_eq!(cpu_nanoseconds(None).expect("nothing to read"), 0);
    }

    #[test]
    fn a_line_holds_every_figure() {
        let mut delays = Delays::default();
        delays.add(Duration::from_micros(5));
        let stretch = Stretch::begin(Some(std::process::id())).expect("procfs");
        let line = stretch.end("messages", 3, delays).expect("procfs");
        for part in [
            "\"clients\": 3",
            "\"messages\": 1",
            "\"p50_us\": 5.00",
            "\"cpu_us_each\": ",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}
