//! How much memory there is, so that what cannot fit is an error before it is asked for: a system that overcommits gives any address
//! and ends the process when its pages are touched.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Code, Error, Result};

/// Requests below this many bytes are not measured: reading what is there takes some 50 µs.
const SMALL: usize = 32 << 20;

/// The environment variable that takes the place of what is measured: bytes, or a number with K, M, G or T (powers of 1024).
pub const LIMIT: &str = "NABLA_MEMORY_LIMIT";

/// All memory of the machine, where the host told it; 0 if not.
static TOTAL: AtomicU64 = AtomicU64::new(0);

/// Tells how many bytes the machine has: the bound on systems where what is free cannot be read here.
pub fn set_total(bytes: u64) {
    TOTAL.store(bytes, Ordering::Relaxed);
}

/// Bytes that a new request may take: the limit of the environment, else what is free (with swap, within the control group), else all
/// of the machine; `None` where nothing is known.
///
/// # Errors
/// `INVALID_OPTION` for a limit that is no size.
pub fn there() -> Result<Option<u64>> {
    if let Some(text) = std::env::var_os(LIMIT) {
        let text = text.to_string_lossy();
        return match parse(&text) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(Error::option(
                LIMIT,
                "to be bytes, or a number with K, M, G or T",
                format!("\"{text}\""),
            )),
        };
    }
    let free = [system(), control_group()].into_iter().flatten().min();
    Ok(free.or_else(|| Some(TOTAL.load(Ordering::Relaxed)).filter(|&n| n > 0)))
}

/// An error where `bytes` (`None`: more than can be counted) are not there; `what` says for what, such as `the weights`.
///
/// # Errors
/// `OUT_OF_MEMORY` with what is asked and what is there.
pub fn expect_room<W: Display>(bytes: Option<usize>, what: impl FnOnce() -> W) -> Result<()> {
    let asked = bytes.unwrap_or(usize::MAX);
    if asked < SMALL {
        return Ok(());
    }
    match there()? {
        Some(there) if asked as u64 > there => Err(refused(bytes, there, &what())),
        None if bytes.is_none() => Err(refused(bytes, isize::MAX as u64, &what())),
        _ => Ok(()),
    }
}

/// Room for `extra` more elements (it grows by doubling, as a vector does).
///
/// # Errors
/// `OUT_OF_MEMORY` before anything is allocated, or where the allocation fails.
pub fn reserve<T, W: Display>(values: &mut Vec<T>, extra: usize, what: impl Fn() -> W) -> Result<()> {
    if values.capacity() - values.len() >= extra {
        return Ok(());
    }
    let bytes = values.len().checked_add(extra).and_then(|n| n.checked_mul(size_of::<T>()));
    expect_room(bytes, &what)?;
    values
        .try_reserve(extra)
        .map_err(|_| refused(bytes, there().ok().flatten().unwrap_or_default(), &what()))
}

/// `extra` elements in a vector of their own.
///
/// # Errors
/// As [`reserve`].
pub fn room_for<T, W: Display>(extra: usize, what: impl Fn() -> W) -> Result<Vec<T>> {
    let mut values = Vec::new();
    reserve(&mut values, extra, what)?;
    Ok(values)
}

/// Asks the system to back new memory by large pages, which are touched for the first time in a fraction of the time (200 MB: 20 ms
/// instead of 70 on Linux). A hint: what cannot follow it ignores it.
pub fn prefer_large_pages<T>(room: &mut [T]) {
    const PAGE: usize = 2 << 20;
    let from = (room.as_mut_ptr() as usize).next_multiple_of(PAGE);
    let to = (room.as_mut_ptr() as usize + size_of_val(room)) / PAGE * PAGE;
    #[cfg(not(target_os = "linux"))]
    let _ = (from, to);
    #[cfg(target_os = "linux")]
    if from < to {
        // SAFETY: the range lies within memory that is ours alone, and the advice changes no byte of it.
        unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_HUGEPAGE) };
    }
}

fn refused(bytes: Option<usize>, there: u64, what: &dyn Display) -> Error {
    let (asked, there_text) = (bytes.map_or("more than 2⁶³ bytes".to_owned(), |b| size(b as u64)), size(there));
    Error::new(Code::OutOfMemory, format!("{what} need {asked}, {there_text} are there"))
        .expected(format!("at most {there} bytes"))
        .received(bytes.map_or("more than 2⁶³ bytes".to_owned(), |b| format!("{b} bytes")))
        .hint(format!(
            "Ask for less at once, or set {LIMIT} (such as 8G) if more may be used than is free now."
        ))
}

/// A size for a person.
pub fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = (bytes.max(1).ilog2() / 10) as usize;
    match power {
        0 => format!("{bytes} bytes"),
        _ => format!("{:.1} {}", bytes as f64 / (1u64 << (10 * power)) as f64, units[power]),
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = text.trim_end_matches(['b', 'B']).trim_end_matches(['i', 'I']);
    let (number, power) = match number.chars().next_back()?.to_ascii_lowercase() {
        'k' => (&number[..number.len() - 1], 10),
        'm' => (&number[..number.len() - 1], 20),
        'g' => (&number[..number.len() - 1], 30),
        't' => (&number[..number.len() - 1], 40),
        _ => (number, 0),
    };
    let number: f64 = number.trim().parse().ok()?;
    (number >= 0.0 && number.is_finite()).then(|| (number * (1u64 << power) as f64) as u64)
}

/// What `/proc/meminfo` says is available, and free swap.
fn system() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    Some((kib("MemAvailable:")? + kib("SwapFree:").unwrap_or(0)) << 10)
}

/// What the limits of the process's control group (a container's) leave: the least over the group and those that it lies in. Pages of
/// files can be given back, so they do not count as used.
fn control_group() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let number = |path: String| -> Option<u64> { std::fs::read_to_string(path).ok()?.trim().parse().ok() };
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (root, limit, used, cache) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "),
            c if c.split(',').any(|c| c == "memory") => (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file ",
            ),
            _ => continue,
        };
        // Inside a container the path may be that of the host: its root is then the group itself.
        let mut at = path.trim_end_matches('/');
        loop {
            let folder = format!("{root}{at}");
            if let Some((limit, used)) = number(format!("{folder}/{limit}")).zip(number(format!("{folder}/{used}"))) {
                let stat = std::fs::read_to_string(format!("{folder}/memory.stat")).unwrap_or_default();
                let given_back = stat
                    .lines()
                    .find_map(|l| l.strip_prefix(cache)?.trim().parse::<u64>().ok())
                    .unwrap_or(0);
                let left = limit.saturating_sub(used.saturating_sub(given_back));
                least = Some(least.map_or(left, |l| l.min(left)));
            }
            let Some(end) = at.rfind('/') else { break };
            at = &at[..end];
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_refused_with_both_sizes() {
        let there = there().unwrap();
        let Some(there) = there else { return };
        assert!(there > SMALL as u64, "{there}");
        assert!(expect_room(Some(SMALL), || "few values").is_ok());
        for asked in [None, Some(usize::MAX), Some(1 << 50)] {
            let error = expect_room(asked, || "so many values").unwrap_err();
            assert_eq!(error.code, Code::OutOfMemory);
            assert!(error.message.starts_with("so many values need "), "{}", error.message);
            assert!(error.message.ends_with(" are there") && error.hint.is_some());
        }
        assert_eq!(room_for::<u64, _>(1 << 45, || "values").unwrap_err().code, Code::OutOfMemory);
        assert_eq!(room_for::<u64, _>(usize::MAX, || "values").unwrap_err().code, Code::OutOfMemory);
        assert!(room_for::<u8, _>(10, || "values").unwrap().capacity() >= 10);
    }

    #[test]
    fn sizes_are_read_and_written() {
        let cases = [
            ("0", Some(0)),
            ("12", Some(12)),
            (" 1.5k ", Some(1536)),
            ("2G", Some(2 << 30)),
            ("3 MiB", Some(3 << 20)),
            ("1tb", Some(1 << 40)),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), bytes, "{text}");
        }
        for bad in ["", "much", "-1", "G", "1X", "NaN", "inf"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(
            [size(0), size(1023), size(1536), size(u64::MAX)],
            ["0 bytes", "1023 bytes", "1.5 KiB", "16.0 EiB"]
        );
    }
}
