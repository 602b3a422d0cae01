/** The files of ConfigMap, Secret, downward API and projected volumes. Source: kubelet `volume/{configmap,secret,projected,downwardapi}`. */
import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Secret } from '#pkg/api/types/core-v1.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { type FieldContext, fieldValue, resourceValue } from '../env/field-ref.ts';
import type { VolumeFile } from './volume-host.ts';

/** A volume's contents cannot be made. */
export class VolumeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'VolumeError';
  }
}

/** Permission bits of files whose volume names none. */
export const defaultMode = 0o644;

/** Which keys become files, and of what kind of object. */
export interface KeysOptions {
  readonly items: readonly KeyToPath[] | undefined;
  readonly mode: number;
  readonly optional: boolean;
  readonly kind: 'configmap' | 'secret';
}

/** Upstream's two ways of saying it. Source: kubelet `volume/{configmap,secret}` `MakePayload`. */
const missingKey = {
  configmap: 'configmap references non-existent config key',
  secret: 'references non-existent secret key',
} as const;

/** Adds the keys of a ConfigMap or Secret. */
export function addKeys(files: Map<string, VolumeFile>, object: ConfigMap | Secret, options: KeysOptions): void {
  const data = bytesOf(object, options.kind);
  if (options.items === undefined || options.items.length === 0) {
    for (const [key, bytes] of data) files.set(key, { data: bytes, mode: options.mode });
    return;
  }
  for (const { key, path, mode } of options.items) {
    const bytes = data.get(key);
    if (bytes === undefined) {
      if (options.optional) continue;
      throw new VolumeError(`${missingKey[options.kind]}: ${key}`);
    }
    files.set(checkedPath(path), { data: bytes, mode: mode ?? options.mode });
  }
}

/** Adds files of the downward API. */
export function addFields(
  files: Map<string, VolumeFile>,
  items: readonly DownwardAPIVolumeFile[],
  options: { readonly fields: FieldContext; readonly mode: number },
): void {
  for (const item of items) {
    let value: string | undefined;
    if (item.fieldRef !== undefined) value = fieldValue(options.fields, item.fieldRef);
    else if (item.resourceFieldRef !== undefined) {
      try {
        value = resourceValue(options.fields, item.resourceFieldRef);
      } catch (error) {
        throw new VolumeError(errorText(error));
      }
    }
    if (value === undefined) throw new VolumeError(`unsupported fieldPath: ${item.fieldRef?.fieldPath ?? ''}`);
    files.set(checkedPath(item.path), { data: Buffer.from(value), mode: item.mode ?? options.mode });
  }
}

/** A relative path that stays inside the volume. */
function checkedPath(path: string): string {
  if (path.startsWith('/') || path.split('/').includes('..') || path === '') {
    throw new VolumeError(`invalid path: must not be absolute, empty or contain '..': ${path}`);
  }
  return path;
}

function bytesOf(object: ConfigMap | Secret, kind: string): ReadonlyMap<string, Uint8Array> {
  const data = new Map<string, Uint8Array>();
  const decode = (text: string): Uint8Array => Buffer.from(text, 'base64');
  for (const [key, value] of Object.entries(object.data ?? {})) {
    data.set(key, kind === 'secret' ? decode(value) : Buffer.from(value));
  }
  if ('binaryData' in object) {
    for (const [key, value] of Object.entries(object.binaryData ?? {})) data.set(key, decode(value));
  }
  return data;
}
