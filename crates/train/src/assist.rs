//! Idle threads of the pool lend a hand with a piece of work. Nothing waits for a thread to be had: the caller does all of the work that
//! nobody else takes, and one who comes too late finds the door closed. (A scope of rayon would let the caller, while it waits, begin with
//! any other job of the pool, such as reading a large file, and so delay an answer that is ready.)

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Who is inside, and whether anybody may come in.
#[derive(Default)]
struct Room {
    closed: bool,
    inside: usize,
    panicked: bool,
}

#[derive(Default)]
struct Door {
    room: Mutex<Room>,
    left: Condvar,
}

impl Door {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn enter(&self) -> bool {
        let mut room = self.room();
        room.inside += usize::from(!room.closed);
        !room.closed
    }

    fn leave(&self, panicked: bool) {
        let mut room = self.room();
        room.inside -= 1;
        room.panicked |= panicked;
        if room.inside == 0 {
            self.left.notify_all();
        }
    }

    /// Lets nobody in any more, and waits for those inside; whether one of them panicked.
    fn close(&self) -> bool {
        let mut room = self.room();
        room.closed = true;
        while room.inside > 0 {
            room = self.left.wait(room).unwrap_or_else(|e| e.into_inner());
        }
        room.panicked
    }
}

/// The work, its lifetime erased.
#[derive(Clone, Copy)]
struct Work(*const (dyn Fn() + Sync));
// SAFETY: the pointee is `Sync`, and `assisted` keeps it alive as long as anybody is inside.
unsafe impl Send for Work {}

/// Calls `work` on this thread, and at the same time on up to `helpers` threads of the pool that this thread belongs to (rayon's own
/// elsewhere), and returns when all calls are over: `work` takes pieces until there are none.
///
/// # Panics
/// Goes on with a panic of any call, after all are over.
pub(crate) fn assisted(helpers: usize, work: &(dyn Fn() + Sync)) {
    if helpers == 0 {
        return work();
    }
    let door = Arc::new(Door::default());
    // SAFETY: only the lifetime is erased: who comes in does so before the door is closed, and below nobody returns before all have left.
    let erased = Work(unsafe { std::mem::transmute::<*const (dyn Fn() + Sync + '_), *const (dyn Fn() + Sync + 'static)>(work) });
    for _ in 0..helpers {
        let door = Arc::clone(&door);
        rayon::spawn(move || {
            let Work(work) = { erased };
            if door.enter() {
                // SAFETY: inside, so the work is alive.
                let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*work)() }));
                door.leave(outcome.is_err());
            }
        });
    }
    let own = catch_unwind(AssertUnwindSafe(work));
    let panicked = door.close();
    match own {
        Err(panic) => resume_unwind(panic),
        Ok(()) if panicked => panic!("a thread that helped panicked"),
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_piece_is_done_once_however_many_help() {
        for helpers in [0, 1, 5] {
            for _ in 0..100 {
                let next = AtomicUsize::new(0);
                let done: Vec<AtomicUsize> = (0..40).map(|_| AtomicUsize::new(0)).collect();
                assisted(helpers, &|| {
                    while let Some(piece) = done.get(next.fetch_add(1, Ordering::Relaxed)) {
                        piece.fetch_add(1, Ordering::Relaxed);
                    }
                });
                assert!(done.iter().all(|piece| piece.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_pool_without_an_idle_thread_delays_nobody() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let calls = AtomicUsize::new(0);
        pool.install(|| {
            assisted(3, &|| {
                calls.fetch_add(1, Ordering::Relaxed);
            })
        });
        pool.install(|| {}); // what came too late has run by now, or will find the door closed
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_panic_comes_back_after_all_have_left() {
        for own in [true, false] {
            let caller = std::thread::current().id();
            let both = std::sync::Barrier::new(2);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                assisted(1, &|| {
                    both.wait();
                    assert!(own != (std::thread::current().id() == caller), "on purpose");
                });
            }));
            assert!(outcome.is_err());
        }
    }
}
