/**
 * What a machine's words say of a monitor: `monitor=translate/software`, a choice as `coxswain vm compare` has them; the words that are whole numbers are then what the guest finds in its first registers.
 * Without such a word a machine has no monitor.
 */
import { GuestImageError } from '#pkg/vmm/boot/elf.ts';
import { checkGuest } from '#pkg/vmm/monitor/check-guest.ts';
import { readChoice } from '#pkg/vmm/monitor/choices.ts';
import type { MonitoredStart } from '#pkg/vmm/monitor/monitored-machine.ts';
import { RuntimeError } from '../runtime.ts';
import type { GuestImage } from './images.ts';

const monitorWord = /^monitor=(.*)$/;

/** The monitor that is asked for. Throws `RuntimeError` `failed` for one that there is not, and where the image needs one or cannot have it. */
export function monitorOf(
  image: GuestImage,
  { words, memoryBytes }: { readonly words: readonly string[]; readonly memoryBytes: number },
): MonitoredStart | undefined {
  const asked = words.map((word) => monitorWord.exec(word)?.[1]).filter((name) => name !== undefined);
  const [name] = asked;
  const [shown = ''] = image.info.repoTags;
  if (name === undefined) {
    if (image.isMonitored !== true) return undefined;
    throw refused(`${shown} is a kernel for a monitor: say which, as monitor=trap`);
  }
  if (asked.length > 1) throw refused(`a machine has one monitor, not ${asked.join(' and ')}`);
  if (image.firmware !== undefined || image.initrd !== undefined || image.disk !== undefined)
    throw refused('a machine under a monitor has no firmware, no initial file system and no disk');
  const choice = readChoice(name);
  if (typeof choice === 'string') throw refused(choice);
  if (choice.isBare || choice.isWritable)
    throw refused(`${name} is a guest of its own for "coxswain vm compare", and no monitor of a machine`);
  const parameters = words.filter((word) => /^\d+$/.test(word)).map(Number);
  try {
    checkGuest({ ...choice, parameters, memory: memoryBytes });
  } catch (error) {
    if (error instanceof GuestImageError) throw refused(error.message);
    throw error;
  }
  return { choice, parameters };
}

function refused(why: string): RuntimeError {
  return new RuntimeError('failed', why);
}
