/** What the frames say that are more than one number: how they are written and read. Whatever comes is checked by shape, size and range; the rest throws a WireError. */
import { createHash } from 'node:crypto';
import { errorText } from '#pkg/base/error-text.ts';
import type { MachineShape, MachineState } from '../machine-contract.ts';
import { MEMORY_MAX, PAGE_SIZE } from '../memory-map.ts';
import type { LinkMode } from './contract.ts';
import { FieldWriter, putStream, takeStream } from './page-format.ts';
import { Fields, WireError, wireVersion } from './wire.ts';

const magic = 0x4d_58_43_56;
const stateBytesMax = 32 * 1024 * 1024;
const digestBytes = 32;
/** A kernel may be so long; it is sent in pieces. */
const kernelBytesMax = 64 * 1024 * 1024;
const blocksMax = 2 ** 24;
const modes: readonly LinkMode[] = ['pre-copy', 'post-copy', 'hybrid', 'suspend', 'cold', 'standby'];
/** What a stand-by may promise to wait. */
const takeoverMsMax = 3_600_000;

/** The first frame: what is to come. */
export interface Hello {
  readonly mode: LinkMode;
  readonly config: MachineShape;
  readonly kernelBytes: number;
  /** SHA-256 of the kernel, as hexadecimal digits. */
  readonly kernelDigest: string;
  /** 0: no disk moves. */
  readonly blocks: number;
  /** Any state of the machine, so that the target can make one now and fill it. */
  readonly state: MachineState;
  /** Of a stand-by: how long it waits for a source that is silent. */
  readonly takeoverMs?: number;
}

/** A checkpoint of a machine, after its pages and blocks. */
export interface Checkpoint {
  readonly number: number;
  readonly state: MachineState;
  /** Of the memory as it was then. */
  readonly digest: Uint8Array;
}

/** The frame by which the source lets go. */
export interface Handover {
  /** Absent for a machine that is off. */
  readonly state: MachineState | undefined;
  /** Of the memory that the target is to have now. */
  readonly digest: Uint8Array;
  /** 1 for each page that comes later. */
  readonly missing: Uint8Array;
}

/** SHA-256 as hexadecimal digits. */
export function digestText(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A digest of a memory, of its pages' checks; those that come later do not count. */
export function memoryDigest(sums: Uint32Array, missing: Uint8Array): Uint8Array {
  const present = sums.slice();
  for (let page = missing.indexOf(1); page >= 0; page = missing.indexOf(1, page + 1)) present[page] = 0;
  const hash = createHash('sha256').update(new Uint8Array(present.buffer)).digest();
  return new Uint8Array(hash.buffer, hash.byteOffset, hash.length);
}

/** Writes a hello. */
export function helloBytes({ config, ...hello }: Hello): Uint8Array {
  const writer = new FieldWriter();
  writer.u32(magic);
  writer.u16(wireVersion);
  const mac = config.mac === undefined ? {} : { mac: Buffer.from(config.mac).toString('hex') };
  putStream(writer, jsonBytes({ ...hello, config: { ...config, ...mac } }), { isCompressing: true });
  return writer.take();
}

/** Reads a hello. */
export function readHello(payload: Uint8Array): Hello {
  const fields = new Fields(payload);
  if (fields.u32() !== magic) throw new WireError('Cannot read what came: it is no migration');
  const version = fields.u16();
  if (version !== wireVersion)
    throw new WireError(`Cannot take a migration of version ${version}: this end knows ${wireVersion}`);
  const told = recordOf(json(takeStream(fields, { bytesMax: stateBytesMax })), 'hello');
  fields.end();
  const mode = modes.find((known) => known === told['mode']);
  if (mode === undefined) throw new WireError('Cannot take a migration of a mode that there is not');
  const kernelDigest = told['kernelDigest'];
  if (typeof kernelDigest !== 'string') throw new WireError('Cannot read hello: kernelDigest is no text');
  return {
    mode,
    config: readConfig(told['config']),
    kernelBytes: integerOf(told, { field: 'kernelBytes', min: 1, max: kernelBytesMax }),
    kernelDigest,
    blocks: integerOf(told, { field: 'blocks', min: 0, max: blocksMax }),
    state: readState(told['state']),
    ...(mode === 'standby' ? { takeoverMs: integerOf(told, { field: 'takeoverMs', min: 1, max: takeoverMsMax }) } : {}),
  };
}

/** Writes a checkpoint of a machine of so many pages. */
export function checkpointBytes({ number, state, digest }: Checkpoint, pages: number): Uint8Array {
  const writer = new FieldWriter();
  writer.u32(number);
  writer.put(handoverBytes({ state, digest, missing: new Uint8Array(pages) }));
  return writer.take();
}

/** Reads a checkpoint of a machine of so many pages. */
export function readCheckpoint(payload: Uint8Array, pages: number): Checkpoint {
  const fields = new Fields(payload);
  const number = fields.u32();
  const { state, digest, missing } = readHandover(fields.rest(), pages);
  if (state === undefined || missing.includes(1)) throw new WireError('Cannot use a checkpoint that is not whole');
  return { number, state, digest };
}

/** Writes a handover. */
export function handoverBytes({ state, digest, missing }: Handover): Uint8Array {
  const writer = new FieldWriter();
  putStream(writer, state === undefined ? new Uint8Array(0) : jsonBytes(state), { isCompressing: true });
  writer.put(digest);
  writer.put(missingBytes(missing));
  return writer.take();
}

/** Reads a handover to a machine of so many pages. */
export function readHandover(payload: Uint8Array, pages: number): Handover {
  const fields = new Fields(payload);
  const state = takeStream(fields, { bytesMax: stateBytesMax });
  const digest = fields.take(digestBytes);
  const missing = readMissing(fields.rest(), pages);
  return { state: state.length === 0 ? undefined : readState(json(state)), digest, missing };
}

/** A bit for each page. */
export function missingBytes(missing: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(missing.length / 8));
  for (let page = missing.indexOf(1); page >= 0; page = missing.indexOf(1, page + 1)) {
    bits[page >> 3] = (bits[page >> 3] ?? 0) | (1 << (page & 7));
  }
  const writer = new FieldWriter();
  putStream(writer, bits, { isCompressing: true });
  return writer.take();
}

/** A byte for each page, of such bits. */
export function readMissing(payload: Uint8Array, pages: number): Uint8Array {
  const fields = new Fields(payload);
  const bits = takeStream(fields);
  fields.end();
  if (bits.length !== Math.ceil(pages / 8))
    throw new WireError(`Cannot read which pages come later: there are ${pages}`);
  const missing = new Uint8Array(pages);
  // Most are there: the machine stands still meanwhile.
  for (let at = bits.findIndex((byte) => byte !== 0); at >= 0 && at < bits.length; at++) {
    const byte = bits[at] ?? 0;
    for (let bit = 0; byte >> bit !== 0; bit++) if (at * 8 + bit < pages) missing[at * 8 + bit] = (byte >> bit) & 1;
  }
  return missing;
}

function readConfig(value: unknown): MachineShape {
  const told = recordOf(value, 'config');
  const { commandLine, engine, mac, diskSectors } = told;
  if (typeof commandLine !== 'string') throw new WireError('Cannot read config: commandLine is no text');
  if (engine !== 'interpret' && engine !== 'compile') throw new WireError('Cannot read config: engine is none');
  if (mac !== undefined && (typeof mac !== 'string' || !/^[0-9a-f]{12}$/.test(mac)))
    throw new WireError('Cannot read config: mac is none');
  return {
    memory: integerOf(told, { field: 'memory', min: PAGE_SIZE, max: MEMORY_MAX }),
    harts: integerOf(told, { field: 'harts', min: 1, max: 8 }),
    commandLine,
    engine,
    ...(mac === undefined ? {} : { mac: Uint8Array.from(Buffer.from(mac, 'hex')) }),
    ...(diskSectors === undefined
      ? {}
      : { diskSectors: integerOf(told, { field: 'diskSectors', min: 1, max: Number.MAX_SAFE_INTEGER }) }),
  };
}

function readState(value: unknown): MachineState {
  const told = recordOf(value, 'state');
  if (told['version'] !== 1) throw new WireError('Cannot read state: its version is another');
  const { mac: _, ...config } = recordOf(told['config'], 'state.config');
  // Only `parts` are used; the machine checks each as it takes it.
  return { version: 1, config: readConfig(config), parts: recordOf(told['parts'], 'state.parts') };
}

function recordOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new WireError(`Cannot read ${name}: it is no object`);
  return Object.fromEntries(Object.entries(value));
}

function integerOf(
  record: Readonly<Record<string, unknown>>,
  { field, min, max }: { readonly field: string; readonly min: number; readonly max: number },
): number {
  const value = record[field];
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new WireError(`Cannot read ${field}: it is no whole number from ${min} to ${max}`);
}

function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new WireError(`Cannot read what came: ${errorText(error)}`);
  }
}
