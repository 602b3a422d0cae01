/**
 * Devices of the Container Device Interface: what a container gets with one, as files of the machine's vendors say. Pure. What a file asks for and is not known here is refused
 * with its field's name; nothing is passed over. Source: `cncf-tags/container-device-interface` `SPEC.md` 0.8.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { Device, Mount } from '../../container-config.ts';
import type { OciHook, OciHooks } from '../spec/oci-types.ts';

/** What a container gets. */
export interface CdiEdits {
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly devices: readonly Device[];
  readonly mounts: readonly Mount[];
  readonly groups: readonly number[];
  readonly hooks: OciHooks;
}

/** A file of a vendor. */
export interface CdiSpec {
  /** `vendor/class`. */
  readonly kind: string;
  readonly devices: ReadonlyMap<string, CdiEdits>;
  /** Of every container that gets one of its devices. */
  readonly always: CdiEdits;
}

/** Something is asked for that there is not, or in no form that is known. */
export class CdiError extends Error {
  override readonly name = 'CdiError';
}

const hookNames = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'] as const;

/** Nothing. */
const noEdits: CdiEdits = { env: [], devices: [], mounts: [], groups: [], hooks: {} };

/** What a file says. Throws `CdiError` for what is no such file, and for what it asks for that is not known. */
export function cdiSpecOf(value: unknown): CdiSpec {
  const spec = object(value, 'the file');
  const kind = text(spec['kind'], 'kind');
  if (!/^[A-Za-z][\w.-]*\/[A-Za-z][\w.-]*$/.test(kind)) throw new CdiError(`kind ${JSON.stringify(kind)} is none`);
  const devices = list(spec['devices'], 'devices').map((entry) => {
    const device = object(entry, 'devices');
    return [text(device['name'], 'devices.name'), editsOf(device['containerEdits'])] as const;
  });
  return { kind, devices: new Map(devices), always: editsOf(spec['containerEdits']) };
}

/** All that a container gets with devices of these names, such as `example.com/card=first`. Throws `CdiError` for one that no file has. */
export function editsFor(names: readonly string[], specs: readonly CdiSpec[]): CdiEdits {
  const used = new Set<CdiSpec>();
  const edits: CdiEdits[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const [kind = '', device = ''] = name.split(/=(.*)/s);
    // A later folder goes before an earlier one.
    const spec = specs.findLast((one) => one.kind === kind && one.devices.has(device));
    const own = spec?.devices.get(device);
    if (spec === undefined || own === undefined) missing.push(name);
    else {
      if (!used.has(spec)) edits.push(spec.always);
      used.add(spec);
      edits.push(own);
    }
  }
  if (missing.length > 0) throw new CdiError(`unresolvable CDI devices ${missing.join(', ')}`);
  return edits.reduce(joined, noEdits);
}

function joined(a: CdiEdits, b: CdiEdits): CdiEdits {
  const hooks = hookNames.flatMap((name) => {
    const all = [...(a.hooks[name] ?? []), ...(b.hooks[name] ?? [])];
    return all.length === 0 ? [] : [[name, all] as const];
  });
  return {
    env: [...a.env, ...b.env],
    devices: [...a.devices, ...b.devices],
    mounts: [...a.mounts, ...b.mounts],
    groups: [...new Set([...a.groups, ...b.groups])],
    hooks: Object.fromEntries(hooks),
  };
}

const knownEdits: ReadonlySet<string> = new Set(['env', 'deviceNodes', 'mounts', 'hooks', 'additionalGids']);

function editsOf(value: unknown): CdiEdits {
  if (value === undefined) return noEdits;
  const edits = object(value, 'containerEdits');
  const unknown = Object.keys(edits).find((name) => !knownEdits.has(name));
  if (unknown !== undefined) throw new CdiError(`containerEdits.${unknown} is not supported`);
  return {
    env: list(edits['env'], 'env').map((entry) => text(entry, 'env')),
    devices: list(edits['deviceNodes'], 'deviceNodes').map(deviceOf),
    mounts: list(edits['mounts'], 'mounts').map(mountOf),
    groups: list(edits['additionalGids'], 'additionalGids').map((entry) => number(entry, 'additionalGids')),
    hooks: hooksOf(list(edits['hooks'], 'hooks')),
  };
}

function deviceOf(entry: unknown): Device {
  const device = object(entry, 'deviceNodes');
  const containerPath = text(device['path'], 'deviceNodes.path');
  return {
    containerPath,
    hostPath: optional(device['hostPath'], 'deviceNodes.hostPath') ?? containerPath,
    permissions: optional(device['permissions'], 'deviceNodes.permissions') ?? 'rwm',
  };
}

/** Options that say what mounts here are in any case, or what is said of them by a field. */
const mountOptions: ReadonlySet<string> = new Set(['bind', 'nodev', 'nosuid', 'rbind', 'ro', 'rprivate', 'rw']);

function mountOf(entry: unknown): Mount {
  const mount = object(entry, 'mounts');
  const options = list(mount['options'], 'mounts.options').map((option) => text(option, 'mounts.options'));
  const unknown = options.find((option) => !mountOptions.has(option));
  if (unknown !== undefined) throw new CdiError(`the mount option ${unknown} is not supported`);
  return {
    containerPath: text(mount['containerPath'], 'mounts.containerPath'),
    hostPath: text(mount['hostPath'], 'mounts.hostPath'),
    readOnly: options.includes('ro'),
  };
}

function hooksOf(entries: readonly unknown[]): OciHooks {
  const hooks: Partial<Record<(typeof hookNames)[number], OciHook[]>> = {};
  for (const entry of entries) {
    const hook = object(entry, 'hooks');
    const said = text(hook['hookName'], 'hooks.hookName');
    const name = hookNames.find((one) => one === said);
    if (name === undefined) throw new CdiError(`hooks.hookName ${said} is none`);
    const texts = (field: string): readonly string[] =>
      list(hook[field], `hooks.${field}`).map((one) => text(one, `hooks.${field}`));
    const timeout = hook['timeout'];
    hooks[name] = [
      ...(hooks[name] ?? []),
      {
        path: text(hook['path'], 'hooks.path'),
        args: texts('args'),
        env: texts('env'),
        ...(timeout === undefined ? {} : { timeout: number(timeout, 'hooks.timeout') }),
      },
    ];
  }
  return hooks;
}

function object(value: unknown, field: string): Record<string, unknown> {
  if (!isObject(value)) throw new CdiError(`${field} is no object`);
  return value;
}

function list(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new CdiError(`${field} is no list`);
  return value;
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '') throw new CdiError(`${field} is no text`);
  return value;
}

function optional(value: unknown, field: string): string | undefined {
  return value === undefined ? undefined : text(value, field);
}

function number(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new CdiError(`${field} is no whole number`);
  return value;
}
