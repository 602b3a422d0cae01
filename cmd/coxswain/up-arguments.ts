/**
 * The arguments of `coxswain up` with the configuration file that they may name: its fields are the flags, and below `components` those of single
 * components. The command line comes before the file, and both before what the cluster was started with last.
 */

import { resolve } from 'node:path';
import { readConfigFile, wrongConfig } from '#cmd/common/config-file.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { componentValues, flagsOfComponent, unknownComponent } from '#pkg/cluster/component-flags.ts';
import { runtimesOf } from '#pkg/cluster/runtimes.ts';
import type { ComponentFlags } from '#pkg/cluster/settings.ts';
import { type ClusterTables, clusterTables } from '#pkg/cluster/tables.ts';
import { type FlagTable, flagOf, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type ClusterFile, isClusterFile } from './cluster-file/cluster-file.ts';
import { extraConfig, type UpValues, upFlags } from './up-flags.ts';

/** What was said: every flag with its value, and which of them anybody gave. */
export interface UpArguments {
  readonly values: UpValues;
  readonly given: ReadonlySet<string>;
  readonly help: boolean;
  /** What is said of single components: it takes the place of what was said before. Undefined when nothing is. */
  readonly componentFlags?: ComponentFlags;
  /** The cluster file that was named, if it was one. */
  readonly file?: ClusterFile;
}

/** Reads them. Throws `UserError` for what cannot be. */
export async function readUpArguments(
  args: readonly string[],
  tables: ClusterTables = clusterTables,
): Promise<UpArguments> {
  const first = parseUp(args);
  const path = first.values.config;
  if (first.help) return first;
  const document = path === '' ? ({} as JsonObject) : await readConfigFile(path);
  const file = isClusterFile(document) ? await readFileBeside(first, document, tables) : undefined;
  const { components, ...fields } = file?.flags ?? document;
  if (path !== '') await checkFields(path, fields);
  const { values, given } = path === '' ? first : parseUp(args, { path, fields });
  const said = { values, given, help: false, ...(file === undefined ? {} : { file }) };
  const fromFile = components === undefined ? undefined : await componentsOf(components, { path, tables });
  const encryption = values['encryption-provider-config'];
  const { scheduling, 'scheduler-config': schedulerConfig, 'cri-socket': criSocket } = values;
  const ociRuntime = values['oci-runtime'].split(',').map((one) => (one.includes('/') ? resolve(one) : one));
  const extra = [
    ...values['extra-config'],
    // Absolute, as the next start may be in another folder.
    ...(encryption === '' ? [] : [`kube-apiserver.encryption-provider-config=${resolve(encryption)}`]),
    ...(scheduling === '' ? [] : [`kube-scheduler.scheduling=${scheduling}`]),
    ...(criSocket === '' ? [] : [`kubelet.container-runtime-endpoint=unix://${resolve(criSocket)}`]),
    ...(values['oci-runtime'] === '' ? [] : [`kubelet.oci-runtime=${ociRuntime.join()}`]),
    ...(schedulerConfig === '' ? [] : [`kube-scheduler.scheduler-config=${resolve(schedulerConfig)}`]),
  ];
  if (fromFile === undefined && extra.length === 0) return said;
  return { ...said, componentFlags: await withExtra(fromFile ?? {}, extra, tables) };
}

/** A cluster file; the command line comes before it, but for nodes that it describes one by one. */
async function readFileBeside(
  { values, given }: UpArguments,
  document: JsonObject,
  tables: ClusterTables,
): Promise<ClusterFile> {
  const { readClusterFile } = await import('./cluster-file/read-file.ts');
  const file = await readClusterFile(values.config, document, {
    tables,
    ...(given.has('name') ? { name: values.name } : {}),
    ...(given.has('runtime') ? { runtimes: runtimesOf(values.runtime) } : {}),
  });
  if (given.has('nodes') && file.nodeSpecs !== undefined)
    throw new UserError(`Cannot use --nodes beside the nodes of ${file.path}: leave one of them out`);
  return file;
}

function parseUp(args: readonly string[], file?: { readonly path: string; readonly fields: JsonObject }): UpArguments {
  const parsed = parseFlags(upFlags, args, file === undefined ? {} : { config: file.fields });
  if (!parsed.ok) {
    if (file !== undefined) throw wrongConfig(file.path, parsed.message);
    throw new UserError(`${parsed.message} (see "coxswain up --help")`);
  }
  const { values, given, rest, help } = parsed;
  if (!help && rest.length > 0) throw new UserError(`unexpected argument: ${rest[0]} (see "coxswain up --help")`);
  return { values, given, help };
}

/** Flags that make no sense as fields: `components` is the second's form there. */
const commandLineOnly: ReadonlySet<string> = new Set(['config', 'extra-config']);

async function checkFields(path: string, fields: JsonObject): Promise<void> {
  const table: FlagTable = Object.fromEntries(
    Object.entries<FlagTable[string]>(upFlags).filter(
      ([name, { hidden }]) => hidden !== true && !commandLineOnly.has(name),
    ),
  );
  const { configProblem } = await import('#pkg/component/config-check.ts');
  const problem = configProblem(table, fields);
  if (problem !== undefined) throw wrongConfig(path, problem);
}

/** What a file says of components, as text. */
async function componentsOf(
  components: unknown,
  { path, tables }: { readonly path: string; readonly tables: ClusterTables },
): Promise<ComponentFlags> {
  if (!isObject(components)) throw wrongConfig(path, 'components: must be a mapping');
  const { configProblem } = await import('#pkg/component/config-check.ts');
  const result: Record<string, Record<string, string>> = {};
  for (const [component, fields] of Object.entries(components)) {
    const under = `components.${component}`;
    const table = await flagsOfComponent(component, tables);
    if (table === undefined) throw wrongConfig(path, `${under}: ${unknownComponent(component, tables)}`);
    if (!isObject(fields)) throw wrongConfig(path, `${under}: must be a mapping`);
    const problem = configProblem(table, fields, under);
    if (problem !== undefined) throw wrongConfig(path, problem);
    result[component] = Object.fromEntries(
      Object.entries(fields)
        .filter(([field]) => field !== 'apiVersion' && field !== 'kind')
        .map(([field, value]) => [flagOf(field), Array.isArray(value) ? value.join(',') : String(value)]),
    );
    try {
      await componentValues(result, component, tables);
    } catch (error) {
      throw wrongConfig(path, `components.${errorText(error)}`);
    }
  }
  return result;
}

/** What is said already, and over it what the command line says. */
async function withExtra(
  base: ComponentFlags,
  extra: readonly string[],
  tables: ClusterTables,
): Promise<ComponentFlags> {
  const result: Record<string, Readonly<Record<string, string>>> = { ...base };
  for (const text of extra) {
    const [, component = '', flag = '', value = ''] = extraConfig.exec(text) ?? [];
    result[component] = { ...result[component], [flag]: value };
    try {
      await componentValues(result, component, tables);
    } catch (error) {
      throw new UserError(
        `invalid value ${JSON.stringify(text)} for --extra-config: ${errorText(error)} (see "coxswain up --help")`,
        error,
      );
    }
  }
  return result;
}
