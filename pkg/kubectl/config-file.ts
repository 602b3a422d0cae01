/** The kubeconfig that `config` works on: several files are read as one, and changes go to the first that is there. Source: client-go `tools/clientcmd/loader.go`. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digMap, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import { sortedJson } from './sorted-json.ts';

/** The lists of a kubeconfig. */
export type ConfigList = 'clusters' | 'contexts' | 'users';

/** One entry of a list. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: JsonObject;
}

/** What was read, and where changes go. */
export interface ConfigFile {
  readonly path: string;
  readonly config: JsonObject;
  /** The value with what the files hold that its fields name, under the fields of data. */
  withData(value: JsonObject, fields: readonly string[]): JsonObject;
}

/** Reads the files that `--kubeconfig`, the environment or the home name. Throws `UserError` for one that is no kubeconfig. */
export function readConfig(context: KubectlContext, { kubeconfig }: { readonly kubeconfig: string }): ConfigFile {
  const { KUBECONFIG = '', HOME = '' } = context.machine.environment;
  const paths =
    kubeconfig !== ''
      ? [kubeconfig]
      : KUBECONFIG === ''
        ? [`${HOME}/.kube/config`]
        : KUBECONFIG.split(':').filter((path) => path !== '');
  const found = paths.filter((path) => existsSync(path));
  const path = found[0] ?? paths.at(-1) ?? '';
  const read = found.map(readOne);
  return {
    path,
    config: read.reduceRight<JsonObject>((joined, one) => merged(one, joined), { apiVersion: 'v1', kind: 'Config' }),
    withData: (value, fields) => withData(value, fields, dirname(path)),
  };
}

function readOne(path: string): JsonObject {
  const decoded = decodeYaml(readFileSync(path));
  if (decoded.ok && isObject(decoded.value)) return decoded.value;
  if (decoded.ok && decoded.value === null) return {};
  throw new UserError(`error: error loading config file "${path}": ${decoded.ok ? 'it is no object' : decoded.error}`);
}

/** The first file that has an entry counts. */
function merged(first: JsonObject, rest: JsonObject): JsonObject {
  let joined: JsonObject = { ...rest, ...first };
  for (const list of ['clusters', 'contexts', 'users'] as const) {
    const own = entriesOf(first, list);
    const others = entriesOf(rest, list).filter((other) => !own.some((one) => one.name === other.name));
    joined = {
      ...joined,
      [list]: [...own, ...others].map((one) => ({ name: one.name, [list.slice(0, -1)]: one.value })),
    };
  }
  const current = digText(first, 'current-context') || digText(rest, 'current-context');
  return { ...joined, 'current-context': current };
}

function withData(value: JsonObject, fields: readonly string[], folder: string): JsonObject {
  const flat: JsonObject = { ...value };
  for (const field of fields) {
    const path = digText(value, field);
    if (path === '') continue;
    delete flat[field];
    flat[`${field}-data`] = readFileSync(resolve(folder, path)).toString('base64');
  }
  return flat;
}

/** The entries of a list. */
export function entriesOf(config: JsonObject, list: ConfigList): readonly ConfigEntry[] {
  return digList(config, list).map((one) => ({ name: digText(one, 'name'), value: digMap(one, list.slice(0, -1)) }));
}

/** The kubeconfig with that entry, in the place of one of its name. */
export function setEntry(config: JsonObject, list: ConfigList, { name, value }: ConfigEntry): JsonObject {
  const entries = entriesOf(config, list).filter((one) => one.name !== name);
  const all = [...entries, { name, value }].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { ...config, [list]: all.map((one) => ({ name: one.name, [list.slice(0, -1)]: one.value })) };
}

/** The kubeconfig without that entry. */
export function removeEntry(config: JsonObject, list: ConfigList, name: string): JsonObject {
  const left = entriesOf(config, list).filter((one) => one.name !== name);
  return { ...config, [list]: left.map((one) => ({ name: one.name, [list.slice(0, -1)]: one.value })) };
}

/** Writes the file, for nobody else to read. */
export function writeConfig({ path, config }: Pick<ConfigFile, 'config' | 'path'>): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, yamlText(JSON.parse(sortedJson(config))), { mode: 0o600 });
  chmodSync(path, 0o600);
}
