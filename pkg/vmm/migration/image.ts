/**
 * A whole machine as bytes, and back: what snapshots and clones are made of. The bytes are frames as those of a migration, so that whatever is wrong with them is found in the same way; blank and
 * zero pages take no room.
 */
import { createMachine, type MachineTuning } from '../machine.ts';
import type { Machine, MachineConfig } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { handoverBytes, memoryDigest, readHandover } from './messages.ts';
import { decodeBatch } from './page-decoder.ts';
import { PageEncoder } from './page-encoder.ts';
import { batchPagesMax, zeroSum } from './page-format.ts';
import { type Frame, FrameReader, frameBytes, WireError } from './wire.ts';

/** Saves a machine that stands still; it may go on afterwards. */
export function saveImage(machine: Machine): Uint8Array {
  const { kernel } = machine.config;
  const encoder = new PageEncoder({
    pages: machine.pages,
    isCompressing: true,
    dictionary: kernel,
    read: (page) => machine.readPage(page),
  });
  const pages = Array.from({ length: machine.pages }, (_, page) => page).filter((page) => !machine.isBlank(page));
  const frames: Uint8Array[] = [];
  for (let at = 0; at < pages.length; at += batchPagesMax) {
    const batch = { round: 0, origin: 'round', isAlone: false } as const;
    frames.push(frameBytes('pages', encoder.encode(pages.slice(at, at + batchPagesMax), batch)));
  }
  const missing = new Uint8Array(machine.pages);
  const digest = memoryDigest(encoder.sums, missing);
  const state = frameBytes('state', handoverBytes({ state: machine.saveState(), digest, missing }));
  return new Uint8Array(Buffer.concat([...frames, state]));
}

/** Makes a machine of an image, with the kernel that it was saved with. Throws one line for bytes that are no image, or one of another machine. */
export function restoreImage(config: MachineConfig, image: Uint8Array, tuning: MachineTuning = {}): Machine {
  const frames = new FrameReader().push(image);
  const last = frames.at(-1);
  if (last?.type !== 'state') throw new WireError('Cannot restore the machine: the image has no end');
  const { state, digest, missing } = readHandover(last.payload, config.memory / PAGE_SIZE);
  if (state === undefined) throw new WireError('Cannot restore the machine: the image has no state');
  if (state.config.memory !== config.memory || state.config.harts !== config.harts) {
    throw new WireError('Cannot restore the machine: the image is that of another');
  }
  const machine = createMachine(config, state, tuning);
  const sums = fill(machine, frames.slice(0, -1));
  if (missing.includes(1) || Buffer.compare(memoryDigest(sums, missing), digest) !== 0) {
    throw new WireError('Cannot restore the machine: its memory is not what was saved');
  }
  return machine;
}

function fill(machine: Machine, frames: readonly Frame[]): Uint32Array {
  const sums = new Uint32Array(machine.pages).fill(zeroSum);
  const deps = {
    pages: machine.pages,
    dictionary: machine.config.kernel,
    read: (page: number) => machine.readPage(page),
  };
  for (const { type, payload } of frames) {
    if (type !== 'pages') throw new WireError(`Cannot restore the machine: the image has ${type} in it`);
    for (const { page, bytes, sum } of decodeBatch(payload, { deps, isAlone: false }).pages) {
      machine.writePage(page, bytes);
      sums[page] = sum;
    }
  }
  return sums;
}
