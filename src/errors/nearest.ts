/** Edit distance with neighbours swapped as one step (Damerau 1964, optimal string alignment). O(|a|·|b|) time. */
const distance = (a: string, b: string): number => {
  let twoBack: number[] = [];
  let back = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(back[j]! + 1, row[j - 1]! + 1, back[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, twoBack[j - 2]! + 1);
      row.push(best);
    }
    [twoBack, back] = [back, row];
  }
  return back[b.length]!;
};

/** The name that was probably meant: at most a third of its letters differ. Case counts for nothing. */
export const nearest = (name: string, names: readonly string[]): string | undefined => {
  let found: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of names) {
    const edits = distance(name.toLowerCase(), candidate.toLowerCase());
    if (edits < least) [found, least] = [candidate, edits];
  }
  return found !== undefined && least <= Math.max(1, Math.floor(Math.max(name.length, found.length) / 3)) ? found : undefined;
};
