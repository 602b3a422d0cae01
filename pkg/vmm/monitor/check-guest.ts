/** What can be run under a monitor, as far as it can be said without its kernel. */
import { GuestImageError } from '../boot/elf.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import type { MonitorConfig, Way } from './contract.ts';

const MEMORY_MIN = 1 << 20;
const MEMORY_MAX = 1 << 30;
const PARAMETERS_MAX = 6;
const PORTED_MAX = 4;

const deprivilegedWays: ReadonlySet<Way> = new Set(['trap', 'translate', 'hybrid']);

/** Throws a `GuestImageError` whose message is one line where a way does not go with the rest. */
export function checkGuest({
  way,
  io,
  paging,
  memory,
  parameters,
}: Pick<MonitorConfig, 'way' | 'io' | 'paging' | 'memory' | 'parameters'>): void {
  if (memory % PAGE_SIZE !== 0 || memory < MEMORY_MIN || memory > MEMORY_MAX) {
    throw new GuestImageError(`Cannot make a guest of ${memory} bytes: memory is whole pages, from 1 MiB to 1 GiB`);
  }
  if (parameters.length > PARAMETERS_MAX) {
    throw new GuestImageError(`Cannot give a guest ${parameters.length} parameters: it has at most ${PARAMETERS_MAX}`);
  }
  if (way === 'paravirtual' && (io !== 'split' || parameters.length > PORTED_MAX)) {
    throw new GuestImageError(
      'Cannot give a ported kernel a device or more than 4 parameters: it has a ring, and calls',
    );
  }
  if (paging === 'software' && !deprivilegedWays.has(way)) {
    throw new GuestImageError(`Cannot fill translation buffers by software under ${way}: the hart walks tables there`);
  }
  if (io === 'split' && way === 'native') {
    throw new GuestImageError('Cannot split the devices of a guest without a monitor: nobody has the other halves');
  }
}
