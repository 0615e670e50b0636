//! One pass of an update over flat slices, sixteen lanes at a time.

use nabla_kernels::simd::{Kernel, Lanes, dispatch};
use nabla_kernels::{PANEL, Real};

/// An update of one parameter from its gradient and `N` numbers of state, on 16 lanes.
pub(crate) trait Pointwise<T: Real, const N: usize>: Copy {
    /// The new parameter and the new state. Mark it `#[inline(always)]`.
    fn update<L: Lanes<T>>(&self, theta: L, g: L, state: [L; N]) -> (L, [L; N]);
}

/// Updates slices in place.
///
/// # Panics
/// When their lengths differ.
pub(crate) fn pass<T: Real, const N: usize>(rule: impl Pointwise<T, N>, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
    let state: &mut [&mut [T]; N] = state.try_into().expect("as many state buffers as the rule says");
    assert!(
        g.len() == theta.len() && state.iter().all(|s| s.len() == theta.len()),
        "a gradient and a state for each parameter"
    );
    dispatch(Pass { rule, theta, g, state });
}

struct Pass<'a, 'b, T, P, const N: usize> {
    rule: P,
    theta: &'a mut [T],
    g: &'a [T],
    state: &'a mut [&'b mut [T]; N],
}

impl<T: Real, P: Pointwise<T, N>, const N: usize> Kernel<T> for Pass<'_, '_, T, P, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let Pass { rule, theta, g, state } = self;
        let whole = theta.len() / PANEL * PANEL;
        let mut at = 0;
        let pointers = {
            let mut pointers = [std::ptr::null_mut(); N];
            let mut k = 0;
            while k < N {
                pointers[k] = state[k].as_mut_ptr();
                k += 1;
            }
            pointers
        };
        let (x, g) = (theta.as_mut_ptr(), g.as_ptr());
        while at < theta.len() {
            let n = if at < whole { PANEL } else { theta.len() - at };
            let mut s = [L::zero(); N];
            // SAFETY: all slices have one length (checked by `pass`) of at least at + n; they are distinct borrows.
            unsafe {
                if n == PANEL {
                    let mut k = 0;
                    while k < N {
                        s[k] = L::load_at(pointers[k].add(at));
                        k += 1;
                    }
                    let (next, s) = rule.update(L::load_at(x.add(at)), L::load_at(g.add(at)), s);
                    next.store_at(x.add(at));
                    let mut k = 0;
                    while k < N {
                        s[k].store_at(pointers[k].add(at));
                        k += 1;
                    }
                } else {
                    let mut k = 0;
                    while k < N {
                        s[k] = L::load_first_at(pointers[k].add(at), n);
                        k += 1;
                    }
                    let (next, s) = rule.update(L::load_first_at(x.add(at), n), L::load_first_at(g.add(at), n), s);
                    next.store_first_at(x.add(at), n);
                    let mut k = 0;
                    while k < N {
                        s[k].store_first_at(pointers[k].add(at), n);
                        k += 1;
                    }
                }
            }
            at += n;
        }
    }
}
