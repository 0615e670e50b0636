//! A team of threads that runs one piece of work side by side and meets at barriers (single program, multiple data).
//!
//! Every member calls the same closure with its own rank and takes its own part of each loop ([`Member::part`]). A barrier between
//! parts costs about 0.1 µs while all members are running: they spin briefly, then give up their core, then sleep in short naps, so
//! a member that is late (a callback, a busy machine) costs no more than itself. The partition never changes a result: every output
//! element is computed by one member, in an order that does not depend on how many there are.

use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::denormals;

/// About 50 µs of spinning before a waiting member yields its core.
const SPINS: u32 = 20_000;
/// Yields before it starts to nap.
const YIELDS: u32 = 200;
const NAP: Duration = Duration::from_micros(100);

/// Waits until `ready`, politely; `crowded` teams (more members than cores) do not spin.
fn wait_until(crowded: bool, ready: impl Fn() -> bool) {
    let spins = if crowded { 16 } else { SPINS };
    for _ in 0..spins {
        if ready() {
            return;
        }
        std::hint::spin_loop();
    }
    let mut turns = 0;
    while !ready() {
        turns += 1;
        if turns < YIELDS {
            std::thread::yield_now()
        } else {
            std::thread::sleep(NAP)
        }
    }
}

#[repr(align(64))]
struct Line<T>(T);

struct Shared {
    size: usize,
    crowded: bool,
    arrived: Line<AtomicUsize>,
    generation: Line<AtomicU32>,
    /// Counts the pieces of work handed out; a change wakes the workers.
    turn: Line<AtomicU32>,
    /// Workers that have finished the current piece.
    finished: Line<AtomicUsize>,
    closing: AtomicBool,
    panicked: AtomicBool,
    work: Mutex<Option<Work>>,
}

/// The closure of the current piece of work, its lifetime erased while the piece runs.
#[derive(Clone, Copy)]
struct Work(*const (dyn Fn(&Member) + Sync));
// SAFETY: the pointee is `Sync`, and `Team::run` keeps it alive until every worker has finished with it.
unsafe impl Send for Work {}

/// One member's view of the team while a piece of work runs.
pub struct Member<'a> {
    rank: usize,
    size: usize,
    shared: Option<&'a Shared>,
    generation: Cell<u32>,
}

impl Member<'_> {
    /// The only member of a team of one: barriers cost nothing.
    pub fn alone() -> Member<'static> {
        Member {
            rank: 0,
            size: 1,
            shared: None,
            generation: Cell::new(0),
        }
    }

    /// This member's number, from 0.
    #[inline]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many members there are.
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }

    /// This member's contiguous part of `count` units; the first parts are larger by one where it does not divide.
    #[inline]
    pub fn part(&self, count: usize) -> Range<usize> {
        if self.size == 1 {
            return 0..count;
        }
        let (each, more) = (count / self.size, count % self.size);
        let start = self.rank * each + self.rank.min(more);
        start..start + each + usize::from(self.rank < more)
    }

    /// Waits until every member has arrived; what each wrote before is seen by all after.
    #[inline]
    pub fn barrier(&self) {
        let Some(shared) = self.shared else { return };
        let generation = self.generation.get();
        self.generation.set(generation.wrapping_add(1));
        if shared.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == shared.size {
            shared.arrived.0.store(0, Ordering::Relaxed);
            shared.generation.0.store(generation.wrapping_add(1), Ordering::Release);
        } else {
            wait_until(shared.crowded, || {
                shared.generation.0.load(Ordering::Acquire) != generation || shared.panicked.load(Ordering::Relaxed)
            });
        }
        if shared.panicked.load(Ordering::Relaxed) {
            panic!("another member of the team panicked");
        }
    }
}

/// Threads that live as long as the team; the calling thread is member 0.
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    generation: u32,
}

impl Team {
    /// A team of `size` members, the caller among them. Starting one costs some 20 µs a thread; `prepare` runs on each new thread.
    pub fn new(size: usize, prepare: fn()) -> Team {
        let size = size.max(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
            size,
            crowded: size > cores,
            arrived: Line(AtomicUsize::new(0)),
            generation: Line(AtomicU32::new(0)),
            turn: Line(AtomicU32::new(0)),
            finished: Line(AtomicUsize::new(0)),
            closing: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            work: Mutex::new(None),
        });
        let mut workers = Vec::with_capacity(size - 1);
        for rank in 1..size {
            let first = Arc::clone(&shared);
            let own = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("nabla-{rank}"));
            match thread.spawn(move || serve(&own, rank, prepare)) {
                Ok(worker) => workers.push(worker),
                // No more threads to be had: go on alone, for the result is the same.
                Err(_) => {
                    drop(Team {
                        shared: first,
                        workers,
                        generation: 0,
                    });
                    return Team::new(1, prepare);
                }
            }
        }
        Team {
            shared,
            workers,
            generation: 0,
        }
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.shared.size
    }

    /// Runs `work` on every member and returns when all are done.
    ///
    /// # Panics
    /// Goes on with a panic of any member, after all have stopped.
    pub fn run(&mut self, work: &(dyn Fn(&Member) + Sync)) {
        if self.shared.size == 1 {
            work(&Member::alone());
            return;
        }
        let shared = &*self.shared;
        {
            // SAFETY: only the lifetime is erased; this function returns after every worker has counted itself finished below,
            // and no worker keeps the pointer beyond that.
            let work: Work = Work(unsafe {
                std::mem::transmute::<*const (dyn Fn(&Member) + Sync + '_), *const (dyn Fn(&Member) + Sync + 'static)>(work)
            });
            *shared.work.lock().unwrap_or_else(|e| e.into_inner()) = Some(work);
        }
        shared.finished.0.store(0, Ordering::Relaxed);
        shared.turn.0.fetch_add(1, Ordering::Release);
        let member = Member {
            rank: 0,
            size: shared.size,
            shared: Some(shared),
            generation: Cell::new(self.generation),
        };
        let own = catch_unwind(AssertUnwindSafe(|| work(&member)));
        if own.is_err() {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        self.generation = shared.generation.0.load(Ordering::Relaxed);
        wait_until(shared.crowded, || shared.finished.0.load(Ordering::Acquire) == shared.size - 1);
        let panicked = shared.panicked.swap(false, Ordering::Relaxed);
        if panicked {
            // The barrier may have been left half full: start afresh.
            shared.arrived.0.store(0, Ordering::Relaxed);
        }
        self.generation = shared.generation.0.load(Ordering::Acquire);
        match own {
            Err(panic) => resume_unwind(panic),
            Ok(()) if panicked => panic!("a member of the team panicked"),
            Ok(()) => {}
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.shared.turn.0.fetch_add(1, Ordering::Release);
        for worker in self.workers.drain(..) {
            // A worker's panic was already reported by `run`.
            let _ = worker.join();
        }
    }
}

fn serve(shared: &Shared, rank: usize, prepare: fn()) {
    let _flush = denormals::flush_to_zero();
    prepare();
    let mut seen = 0;
    loop {
        wait_until(shared.crowded, || shared.turn.0.load(Ordering::Acquire) != seen);
        seen = seen.wrapping_add(1);
        if shared.closing.load(Ordering::Relaxed) {
            return;
        }
        let work = *shared.work.lock().unwrap_or_else(|e| e.into_inner());
        let generation = shared.generation.0.load(Ordering::Acquire);
        let member = Member {
            rank,
            size: shared.size,
            shared: Some(shared),
            generation: Cell::new(generation),
        };
        if let Some(work) = work {
            // SAFETY: `Team::run` keeps the closure alive until this worker has counted itself finished.
            let run = || unsafe { (*work.0)(&member) };
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
        shared.finished.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn every_member_sees_what_the_others_wrote_before_the_barrier() {
        for size in [1, 2, 3, 8] {
            let mut team = Team::new(size, || {});
            let slots: Vec<AtomicU64> = (0..size).map(|_| AtomicU64::new(0)).collect();
            for turn in 1..50u64 {
                let sums: Vec<AtomicU64> = (0..size).map(|_| AtomicU64::new(0)).collect();
                team.run(&|m| {
                    slots[m.rank()].store(turn * (m.rank() as u64 + 1), Ordering::Relaxed);
                    m.barrier();
                    sums[m.rank()].store(slots.iter().map(|s| s.load(Ordering::Relaxed)).sum(), Ordering::Relaxed);
                    m.barrier();
                });
                let expected = turn * (size as u64 * (size as u64 + 1) / 2);
                assert!(
                    sums.iter().all(|s| s.load(Ordering::Relaxed) == expected),
                    "size {size}, turn {turn}"
                );
            }
        }
    }

    #[test]
    fn parts_cover_everything_once() {
        for size in 1..9 {
            for count in [0, 1, 7, 8, 100] {
                let mut next = 0;
                for rank in 0..size {
                    let part = Member {
                        rank,
                        size,
                        shared: None,
                        generation: Cell::new(0),
                    }
                    .part(count);
                    assert_eq!(part.start, next);
                    next = part.end;
                }
                assert_eq!(next, count);
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        let mut team = Team::new(2, || {});
        for culprit in [0, 1] {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                team.run(&|m| {
                    assert!(m.rank() != culprit, "planted");
                    m.barrier();
                });
            }));
            assert!(caught.is_err());
            let count = AtomicUsize::new(0);
            team.run(&|m| {
                m.barrier();
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 2);
        }
    }
}
