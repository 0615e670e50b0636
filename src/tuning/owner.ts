import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** When a process was started, where the system tells: a number that is used again after its process has died is another process. */
const startOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
};

/** The searches of this process that still run. */
const running = new Set<string>();

/** The name under which a search claims trials: process, its start, host, and the search within the process. */
export const newOwner = (): string => {
  const owner = `${process.pid}/${startOf(process.pid)}/${hostname()}/${randomUUID()}`;
  running.add(owner);
  return owner;
};

/** Its unfinished trials are free from now on. */
export const retire = (owner: string): void => {
  running.delete(owner);
};

/** Whether that search can still finish what it has claimed. Of another host nothing is known: it is believed to live. */
export const lives = (owner: string): boolean => {
  const [pid, start, host] = owner.split('/');
  if (host !== hostname()) return host !== undefined && host !== '';
  const number = Number(pid);
  if (number === process.pid && start === startOf(number)) return running.has(owner);
  try {
    process.kill(number, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return start === '' || start === startOf(number);
};
