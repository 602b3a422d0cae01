/**
 * What containers of a class may read and write of which block devices, and their weight against others, as a file of the cluster says it in the form that containerd and CRI-O read. It
 * is read anew for each container: one that is made keeps what it was made with. Source: goresctrl `doc/blockio.md`.
 */
import { glob, readFile, realpath } from 'node:fs/promises';
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { blockIoClassOf } from '../block-io-class.ts';
import type { ContainerConfig } from '../container-config.ts';
import { RuntimeError } from '../runtime.ts';
import { devicesAt } from './machine.ts';
import { deviceNumbers } from './spec/devices.ts';
import type { OciBlockIo } from './spec/oci-types.ts';

/** Limits by their names in the file, and in the terms of an OCI runtime. */
const throttles = {
  ThrottleReadBps: 'throttleReadBpsDevice',
  ThrottleWriteBps: 'throttleWriteBpsDevice',
  ThrottleReadIOPS: 'throttleReadIOPSDevice',
  ThrottleWriteIOPS: 'throttleWriteIOPSDevice',
} as const satisfies Readonly<Record<string, keyof OciBlockIo>>;
const throttleNames = ['ThrottleReadBps', 'ThrottleWriteBps', 'ThrottleReadIOPS', 'ThrottleWriteIOPS'] as const;
const knownNames: readonly string[] = ['Devices', 'Weight', ...throttleNames];

/** Source: kernel `Documentation/admin-guide/cgroup-v1/blkio-controller.rst`. */
const [weightMin, weightMax] = [10, 1000];

/** One entry of a class. */
interface BlockIoRule {
  /** Paths, which may have `*`, `?` and `[…]`; none for all that no other rule is about. */
  readonly devices: readonly string[];
  readonly weight: number | undefined;
  readonly rates: readonly (readonly [(typeof throttleNames)[number], number])[];
}

/** What the class of a container comes to on this machine; undefined where it is in none. Rejects with `failed` for a class or a device that there is not, and for a file that is wrong. */
export async function wishedBlockIo(config: ContainerConfig, file: string): Promise<OciBlockIo | undefined> {
  const name = blockIoClassOf(config);
  if (name === undefined) return undefined;
  const refuse = (why: string): RuntimeError =>
    new RuntimeError('failed', `Cannot have the block I/O class "${name}" as ${why}`);
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) throw refuse(`there is no file ${file}`);
  let rules: readonly BlockIoRule[] | undefined;
  try {
    rules = parseBlockIoClasses(text).get(name);
  } catch (error) {
    throw refuse(`${file} is wrong: ${errorText(error)}`);
  }
  if (rules === undefined) throw refuse(`${file} has no such class`);
  const found: Mutable = {};
  for (const rule of rules) {
    const numbers = await numbersOf(rule.devices);
    if (rule.devices.length > 0 && numbers.length === 0)
      throw refuse(`there is no block device ${rule.devices.join(', ')}`);
    add(found, rule, numbers);
  }
  return found;
}

type Numbers = ReturnType<typeof deviceNumbers>;
type Mutable = { -readonly [K in keyof OciBlockIo]: OciBlockIo[K] };

function add(into: Mutable, { rates, weight, devices }: BlockIoRule, numbers: readonly Numbers[]): void {
  for (const [name, rate] of rates) {
    const key = throttles[name];
    into[key] = [...(into[key] ?? []), ...numbers.map((device) => ({ ...device, rate }))];
  }
  if (weight === undefined) return;
  if (devices.length === 0) into.weight = weight;
  else into.weightDevice = [...(into.weightDevice ?? []), ...numbers.map((device) => ({ ...device, weight }))];
}

/** Of the block devices at these paths, each once. */
async function numbersOf(patterns: readonly string[]): Promise<readonly Numbers[]> {
  const paths = new Set<string>();
  for (const pattern of patterns)
    for await (const path of glob(pattern)) paths.add(await realpath(path).catch(() => path));
  const found = await Promise.all([...paths].sort().map(devicesAt));
  return found.flat().flatMap(({ kind, number }) => (kind === 'b' ? [deviceNumbers(number)] : []));
}

/** The classes of a file by their names. Throws an `Error` in one line for what is wrong. */
export function parseBlockIoClasses(text: string): ReadonlyMap<string, readonly BlockIoRule[]> {
  const decoded = decodeYaml(text);
  if (!decoded.ok) throw new Error(decoded.error);
  const classes = isObject(decoded.value) ? decoded.value['Classes'] : undefined;
  if (!isObject(classes)) throw new Error('it has no Classes');
  return new Map(
    Object.entries(classes).map(([name, rules]) => {
      if (!Array.isArray(rules)) throw new Error(`the class ${name} is no list`);
      return [name, rules.map((rule) => ruleOf(rule, name))];
    }),
  );
}

function ruleOf(value: unknown, name: string): BlockIoRule {
  if (!isObject(value)) throw new Error(`the class ${name} has an entry that is no mapping`);
  const unknown = Object.keys(value).find((key) => !knownNames.includes(key));
  if (unknown !== undefined) throw new Error(`the class ${name} has an unknown field ${unknown}`);
  const { Devices: devices = [], Weight: weight } = value;
  if (!Array.isArray(devices) || !devices.every(isPath))
    throw new Error(`the class ${name} has Devices that are no paths beginning with /`);
  const rates = throttleNames.flatMap((key) =>
    value[key] === undefined ? [] : [[key, amountOf(value[key])] as const],
  );
  const wrong = rates.find(([, rate]) => !(rate > 0));
  if (wrong !== undefined) throw new Error(`the class ${name} has a ${wrong[0]} that is no amount`);
  if (rates.length > 0 && devices.length === 0) throw new Error(`the class ${name} limits no Devices`);
  const found = weight === undefined ? undefined : amountOf(weight);
  if (found !== undefined && !(found >= weightMin && found <= weightMax))
    throw new Error(`the class ${name} has a Weight that is not from ${weightMin} to ${weightMax}`);
  return { devices, weight: found, rates };
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/');
}

/** No number for what is no amount. */
function amountOf(value: unknown): number {
  const parsed = typeof value === 'number' || typeof value === 'string' ? parseQuantity(value) : undefined;
  return parsed === undefined ? Number.NaN : Math.floor(quantityMilliValue(parsed) / 1000);
}
