//! Row-major ↔ panels, and the transpose of a matrix in panels.

use std::ops::Range;

use crate::{PANEL, Real, panels_len};

/// `[k, n]` row-major → panels; pad lanes become 0.
pub fn pack_panels<T: Real>(k: usize, n: usize, src: &[T], dst: &mut [T]) {
    assert!(
        src.len() >= k * n && dst.len() >= panels_len(k, n),
        "pack_panels: [{k}, {n}] does not fit"
    );
    for (p, panel) in dst[..panels_len(k, n)].chunks_exact_mut((k * PANEL).max(1)).enumerate() {
        let first = p * PANEL;
        let width = PANEL.min(n - first);
        for (i, row) in panel.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
            row[..width].copy_from_slice(&src[i * n + first..][..width]);
            row[width..].fill(T::ZERO);
        }
    }
}

/// Panels of `[k, n]` → row-major.
pub fn unpack_panels<T: Real>(k: usize, n: usize, src: &[T], dst: &mut [T]) {
    assert!(
        dst.len() >= k * n && src.len() >= panels_len(k, n),
        "unpack_panels: [{k}, {n}] does not fit"
    );
    for (p, panel) in src[..panels_len(k, n)].chunks_exact((k * PANEL).max(1)).enumerate() {
        let first = p * PANEL;
        let width = PANEL.min(n - first);
        for (i, row) in panel.as_chunks::<PANEL>().0.iter().enumerate() {
            dst[i * n + first..][..width].copy_from_slice(&row[..width]);
        }
    }
}

/// Panels of W `[k, n]` → panels of Wᵀ `[n, k]`; only these panels of the result (all: `0..k.div_ceil(16)`), so threads can split.
///
/// # Safety
/// `src` is valid for `panels_len(k, n)` numbers, `dst` for `panels_len(n, k)`; they do not overlap, and nobody else touches the
/// written panels.
pub unsafe fn pack_transposed<T: Real>(k: usize, n: usize, src: *const T, dst: *mut T, panels: Range<usize>) {
    assert!(
        panels.end <= k.div_ceil(PANEL),
        "pack_transposed: panel {} of {}",
        panels.end,
        k.div_ceil(PANEL)
    );
    for p in panels {
        let first = p * PANEL;
        let width = PANEL.min(k - first);
        for source in 0..n.div_ceil(PANEL) {
            let columns = PANEL.min(n - source * PANEL);
            // SAFETY: panel `source` of src has k rows of 16, rows first .. first + width are among them; panel p of dst has n rows of
            // 16, and source·16 + columns ≤ n.
            unsafe {
                let from = src.add(source * k * PANEL + first * PANEL);
                let to = dst.add(p * n * PANEL + source * PANEL * PANEL);
                for j in 0..columns {
                    for i in 0..width {
                        to.add(j * PANEL + i).write(from.add(i * PANEL + j).read());
                    }
                    for i in width..PANEL {
                        to.add(j * PANEL + i).write(T::ZERO);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (k, n) in [(0, 0), (1, 1), (3, 16), (5, 17), (40, 33), (16, 32), (0, 5), (5, 0)] {
            let src: Vec<f32> = (0..k * n).map(|i| i as f32 + 1.0).collect();
            let mut panels = vec![f32::NAN; panels_len(k, n)];
            pack_panels(k, n, &src, &mut panels);
            let mut back = vec![0.0; k * n];
            unpack_panels(k, n, &panels, &mut back);
            assert_eq!(src, back);
            let mut turned = vec![f32::NAN; panels_len(n, k)];
            // SAFETY: both buffers have the stated lengths.
            unsafe { pack_transposed(k, n, panels.as_ptr(), turned.as_mut_ptr(), 0..k.div_ceil(PANEL)) };
            let transposed: Vec<f32> = (0..n * k).map(|t| src[(t % k) * n + t / k]).collect();
            let mut expected = vec![0.0; panels_len(n, k)];
            pack_panels(n, k, &transposed, &mut expected);
            assert_eq!(turned, expected, "[{k}, {n}]");
        }
    }
}
