/** What a cluster file says of single components: below `components` by the names of their flags, and in fields of its own that stand for such flags. */
import { resolve } from 'node:path';
import { deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { AccessFiles } from '#pkg/cluster/access-files.ts';
import { type AdmissionFlags, admissionSettings, pluginsNamed } from '#pkg/cluster/admission-flags.ts';
import { flagsOfComponent } from '#pkg/cluster/component-flags.ts';
import { runtimeConfigOf, type ServerFlagValues, serverFlagValues } from '#pkg/cluster/server-flags.ts';
import type { ComponentFlags } from '#pkg/cluster/settings.ts';
import type { ClusterTables } from '#pkg/cluster/tables.ts';
import { featuresOf } from '#pkg/component/feature-gates.ts';
import { fieldOf, flagOf } from '#pkg/component/flags.ts';

/** A field that is a flag of a component. */
interface OwnField {
  /** Its path in the file. */
  readonly path: string;
  /** All are told the same. */
  readonly components: readonly string[];
  readonly flag: string;
  /** What it holds: the path of a file, words, or names that are true or false. */
  readonly sort: 'file' | 'switches' | 'words';
}

/** All of them: the file is read and written by this table. */
const ownFields: readonly OwnField[] = [
  { path: 'apiServer.auditPolicyFile', components: ['kube-apiserver'], flag: 'audit-policy-file', sort: 'file' },
  {
    path: 'apiServer.authenticationConfigFile',
    components: ['kube-apiserver'],
    flag: 'authentication-config',
    sort: 'file',
  },
  {
    path: 'apiServer.authorizationConfigFile',
    components: ['kube-apiserver'],
    flag: 'authorization-config',
    sort: 'file',
  },
  { path: 'apiServer.auditLogPath', components: ['kube-apiserver'], flag: 'audit-log-path', sort: 'file' },
  {
    path: 'apiServer.admissionConfigFile',
    components: ['kube-apiserver'],
    flag: 'admission-control-config-file',
    sort: 'file',
  },
  {
    path: 'apiServer.enableAdmissionPlugins',
    components: ['kube-apiserver'],
    flag: 'enable-admission-plugins',
    sort: 'words',
  },
  {
    path: 'apiServer.disableAdmissionPlugins',
    components: ['kube-apiserver'],
    flag: 'disable-admission-plugins',
    sort: 'words',
  },
  { path: 'apiServer.runtimeConfig', components: ['kube-apiserver'], flag: 'runtime-config', sort: 'switches' },
  {
    path: 'featureGates',
    components: ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'],
    flag: 'feature-gates',
    sort: 'switches',
  },
];

/** The field `components` of a file of flags, with files below `folder`; none where the file says nothing of components. */
export async function componentsIn(document: JsonObject, folder: string, tables: ClusterTables): Promise<JsonObject> {
  const own = ownFlags(document, folder);
  const isSaid = isObject(document.components) || valueAt(document, 'scheduling.profile') !== undefined;
  if (!isSaid && Object.keys(own).length === 0) return {};
  const result: Record<string, unknown> = {};
  for (const [component, fields] of Object.entries(isObject(document.components) ? document.components : {})) {
    const table = (await flagsOfComponent(component, tables)) ?? {};
    const isFile = (field: string): boolean => table[flagOf(field)]?.placeholder === 'file';
    result[component] = isObject(fields)
      ? Object.fromEntries(
          Object.entries(fields).map(([field, value]) => [
            field,
            isFile(field) && typeof value === 'string' && value !== '' ? pathIn(folder, value) : value,
          ]),
        )
      : fields;
  }
  for (const [component, flags] of Object.entries(own)) {
    const said = result[component];
    const fields = Object.fromEntries(Object.entries(flags).map(([flag, text]) => [fieldOf(flag), text]));
    result[component] = said === undefined || isObject(said) ? { ...said, ...fields } : said;
  }
  return { components: result };
}

/** What is wrong with fields that stand for flags, and in the files of access that they name below `folder`, each with its path. */
export async function ownFieldProblems(document: JsonObject, folder: string): Promise<readonly string[]> {
  const doubled = ownFields.flatMap(({ path, components, flag }) => {
    if (valueAt(document, path) === undefined) return [];
    const others = components.map((component) => `components.${component}.${fieldOf(flag)}`);
    return others.flatMap((other) => (valueAt(document, other) === undefined ? [] : [`${path}: ${other} says it too`]));
  });
  const set = ownFlags(document, folder);
  const access = async (flag: keyof AccessFiles): Promise<void> => {
    const none = { 'authentication-config': '', 'authorization-config': '' };
    const path = set['kube-apiserver']?.[flag] ?? '';
    if (path !== '') await (await import('#pkg/cluster/access-files.ts')).clusterAccess({ ...none, [flag]: path });
  };
  // What is wrong with gates is said of their own field alone.
  const { 'feature-gates': gates = '', ...ofServer } = set['kube-apiserver'] ?? {};
  const server = (): ServerFlagValues => serverFlagValues({ 'kube-apiserver': ofServer });
  const checks: Readonly<Record<string, () => unknown>> = {
    ...admissionChecks(server),
    'apiServer.runtimeConfig': () => runtimeConfigOf(server()),
    'apiServer.authenticationConfigFile': () => access('authentication-config'),
    'apiServer.authorizationConfigFile': () => access('authorization-config'),
    featureGates: () => featuresOf(gates),
  };
  const problems: string[] = [...doubled];
  for (const [path, check] of Object.entries(checks)) {
    try {
      await check();
    } catch (error) {
      problems.push(`${path}: ${errorText(error).replace(/^(?:Cannot use the file of )?--[a-z-]+: /, '')}`);
    }
  }
  return problems;
}

/** Each says what is wrong with its own field alone. */
function admissionChecks(values: () => AdmissionFlags): Readonly<Record<string, () => unknown>> {
  const names = (of: Partial<AdmissionFlags>): unknown => pluginsNamed({ ...values(), ...of });
  const isNamed = (): boolean => {
    try {
      names({});
      return true;
    } catch {
      return false;
    }
  };
  return {
    'apiServer.disableAdmissionPlugins': () => names({ 'enable-admission-plugins': [] }),
    'apiServer.enableAdmissionPlugins': () => {
      const { 'enable-admission-plugins': enabled, 'disable-admission-plugins': disabled } = values();
      return names({ 'disable-admission-plugins': disabled.filter((name) => enabled.includes(name)) });
    },
    'apiServer.admissionConfigFile': async () => isNamed() && (await admissionSettings(values())),
  };
}

/** The fields of a file for flags of components that have some: the inverse of reading them. */
export function ownFieldsOf(set: ComponentFlags, under: string): JsonObject {
  return Object.fromEntries(
    ownFields.flatMap((field) => {
      const { path, sort } = field;
      const text = commonText(set, field);
      const name = path.startsWith(under) ? path.slice(under.length) : '';
      if (text === undefined || text === '' || name === '' || name.includes('.')) return [];
      return [[name, fieldValue(text, sort)] as const];
    }),
  );
}

/** Whether what a flag is set to is said by a field of its own. */
export function hasOwnField(set: ComponentFlags, component: string, flag: string): boolean {
  const field = ownFields.find((one) => one.flag === flag && one.components.includes(component));
  return field !== undefined && commonText(set, field) !== undefined;
}

/** The fields of a file by which two sets of flags differ: those of their own, and `components` for what others there are. */
export function changedFields(one: ComponentFlags, other: ComponentFlags): readonly string[] {
  const own = ownFields.filter((field) => commonText(one, field) !== commonText(other, field)).map(({ path }) => path);
  const isSameElse = own.length > 0 && deepEqual(othersOf(one), othersOf(other));
  return isSameElse ? own : [...own, 'components'];
}

/** The flags that no field of its own says. */
function othersOf(set: ComponentFlags): ComponentFlags {
  return Object.fromEntries(
    Object.entries(set).flatMap(([component, flags]) => {
      const others = Object.entries(flags).filter(([flag]) => !hasOwnField(set, component, flag));
      return others.length === 0 ? [] : [[component, Object.fromEntries(others)]];
    }),
  );
}

/** What all of its components are told; undefined where that differs. */
function commonText(set: ComponentFlags, { components, flag }: OwnField): string | undefined {
  const [first, ...others] = components.map((component) => set[component]?.[flag]);
  return others.every((text) => text === first) ? first : undefined;
}

/** Their flags, as text; what names nothing sets none. */
function ownFlags(document: JsonObject, folder: string): ComponentFlags {
  const set: Record<string, Record<string, string>> = {};
  for (const { path, components, flag, sort } of ownFields) {
    const text = textOf(valueAt(document, path), sort, folder);
    if (text === '') continue;
    for (const component of components) set[component] = { ...set[component], [flag]: text };
  }
  return set;
}

function textOf(value: unknown, sort: OwnField['sort'], folder: string): string {
  if (Array.isArray(value)) return value.join(',');
  if (isObject(value))
    return Object.entries(value)
      .map(([name, isOn]) => `${name}=${String(isOn)}`)
      .join(',');
  if (typeof value !== 'string' || value === '') return '';
  return sort === 'file' ? pathIn(folder, value) : value;
}

function fieldValue(text: string, sort: OwnField['sort']): unknown {
  if (sort === 'file') return text;
  const words = text.split(',').filter((word) => word !== '');
  if (sort === 'words') return words;
  return Object.fromEntries(
    words.map((word) => {
      const [name = '', value = 'true'] = word.split('=');
      return [name, value === 'true'];
    }),
  );
}

/** `-` is the standard output. */
function pathIn(folder: string, path: string): string {
  return path === '-' ? path : resolve(folder, path);
}

function valueAt(document: JsonObject, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
      document,
    );
}
