/** How many files and connections this process may have open at once. */
import { readFileSync } from 'node:fs';

/** Where the system does not say: what Linux gives a process that asks for nothing. */
const descriptorsDefault = 1_024;

/** The limit as it holds now; Node raises it to what is allowed when it starts. */
export function descriptorLimit(): number {
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return descriptorsDefault;
  }
  const [, soft = ''] = /^Max open files +(\S+)/m.exec(text) ?? [];
  if (soft === 'unlimited') return Number.MAX_SAFE_INTEGER;
  return Number(soft) || descriptorsDefault;
}
