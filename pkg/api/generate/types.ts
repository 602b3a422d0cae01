/**
 * The text of the generated TypeScript files: one module of wire types per API group and version, and one of resource references.
 * Wire types: times are strings, bytes base64 strings, quantities strings. All is readonly, as decoded objects are shared.
 */
import { textBefore } from '#pkg/base/text-before.ts';
import {
  type FieldFact,
  isAnyJson,
  isNeverUnset,
  kindFacts,
  type TypeFact,
  typeFact,
  typeFacts,
  valueFacts,
  zeroOf,
} from '../facts.ts';
import { resources } from '../resources.ts';

const banner = '/** Generated from the table of API facts by `npm run generate`; do not edit. */\n';

/** Types that the project writes by hand in `#pkg/apimachinery/object.ts`. */
const handWritten: ReadonlySet<string> = new Set(['ObjectMeta', 'ListMeta', 'OwnerReference', 'ManagedFieldsEntry']);

/** Path below `pkg/api/types` and text of every generated file. */
export function generatedFiles(): Map<string, string> {
  const files = new Map<string, string>();
  const modules = Map.groupBy(Object.keys(typeFacts), moduleOf);
  for (const [module, names] of modules) files.set(`${module}.ts`, moduleText(module, names));
  files.set('refs.ts', refsText());
  return files;
}

/** `io.k8s.api.core.v1.Pod` -> `core-v1`; `io.k8s.apimachinery.pkg.apis.meta.v1.Status` -> `meta-v1`. */
function moduleOf(type: string): string {
  const parts = type.split('.');
  return parts.slice(-3, -1).join('-');
}

function shortName(type: string): string {
  return type.slice(type.lastIndexOf('.') + 1);
}

function moduleText(module: string, names: readonly string[]): string {
  const imports = new Map<string, Set<string>>();
  const kinds = new Map(Object.values(kindFacts).map((fact) => [fact.type, fact]));
  const own = new Set(names.map(shortName));
  const bodies = names
    .filter((name) => !(module === 'meta-v1' && handWritten.has(shortName(name))))
    .map((name) => interfaceText(name, typeFact(name), { module, imports, kinds, own }));
  const heads = [...imports].sort().map(([from, used]) => {
    return `import type { ${[...used].sort().join(', ')} } from '${from}';\n`;
  });
  return `${banner}${heads.join('')}\n${bodies.join('\n')}`;
}

interface Context {
  readonly module: string;
  readonly imports: Map<string, Set<string>>;
  /** Short names that this module declares itself. */
  readonly own: ReadonlySet<string>;
  readonly kinds: ReadonlyMap<string, { group: string; version: string; kind: string }>;
}

function interfaceText(name: string, fact: TypeFact, context: Context): string {
  if (isAnyJson(fact)) return `export type ${shortName(name)} = unknown;\n`;
  const lines = fact.fields.flatMap((field) => memberLines(field, name, context));
  return `export interface ${shortName(name)} {\n${lines.join('')}}\n`;
}

function memberLines(field: FieldFact, owner: string, context: Context): readonly string[] {
  if (field.inline && field.t === 'ref') {
    if (field.ref.endsWith('.meta.v1.TypeMeta')) return typeMetaLines(owner, context);
    return typeFact(field.ref).fields.flatMap((inner) => memberLines(inner, owner, context));
  }
  const { name: given = '' } = field;
  const name = /^[A-Za-z_$][\w$]*$/.test(given) ? given : JSON.stringify(given);
  const optional = field.required === true && field.name !== 'metadata' ? '' : '?';
  const orNull = isWrittenAsNull(owner, field) ? ' | null' : '';
  return [`  readonly ${name}${optional}: ${valueText(field, context)}${orNull};\n`];
}

/** Whether JSON has a null of the field where nobody has set it. */
function isWrittenAsNull(owner: string, field: FieldFact): boolean {
  return !isNeverUnset(owner, field) && zeroOf(field).unset === null;
}

function typeMetaLines(owner: string, context: Context): readonly string[] {
  const kind = context.kinds.get(owner);
  if (kind === undefined) return ['  readonly apiVersion?: string;\n', '  readonly kind?: string;\n'];
  const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  return [`  readonly apiVersion?: '${apiVersion}';\n`, `  readonly kind?: '${kind.kind}';\n`];
}

function valueText(field: FieldFact, context: Context): string {
  switch (field.t) {
    case 'ref':
      return refText(field.ref, context);
    case 'list': {
      const item = valueText(field.of, context);
      return item.includes('|') ? `readonly (${item})[]` : `readonly ${item}[]`;
    }
    case 'map':
      return `Readonly<Record<string, ${valueText(field.of, context)}>>`;
    case 'int32':
    case 'int64':
    case 'double':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'intOrString':
      return 'number | string';
    case 'json':
      return 'unknown';
    case 'rawExtension':
    case 'fieldsV1':
      return 'Readonly<Record<string, unknown>>';
    case 'string':
      return stringText(field);
    case 'bytes':
    case 'byte':
    case 'time':
    case 'microtime':
    case 'duration':
    case 'quantity':
      return 'string';
  }
}

/** Known values help an editor, but the set is open: newer servers add some. */
function stringText(field: FieldFact): string {
  const values = field.values === undefined ? [] : (valueFacts[field.values] ?? []);
  if (values.length === 0) return 'string';
  return `${values.map((value) => JSON.stringify(value)).join(' | ')} | (string & {})`;
}

function refText(type: string, context: Context): string {
  const short = shortName(type);
  const module = moduleOf(type);
  const isHandWritten = module === 'meta-v1' && handWritten.has(short);
  if (module === context.module && !isHandWritten) return short;
  const from = isHandWritten ? '#pkg/apimachinery/object.ts' : `./${module}.ts`;
  const alias = context.own.has(short) ? aliasOf(module, short) : short;
  const used = context.imports.get(from) ?? new Set();
  context.imports.set(from, used.add(alias === short ? short : `${short} as ${alias}`));
  return alias;
}

/** `UserInfo` of `authentication-v1` beside a `UserInfo` of the importing module: `AuthenticationV1UserInfo`. */
function aliasOf(module: string, short: string): string {
  const words = module.split('-').map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`);
  return `${words.join('')}${short}`;
}

/** `pods`, `horizontalpodautoscalersV2`: the most stable version of a resource has its plain name. */
function refsText(): string {
  const taken = new Set<string>();
  const imports: string[] = [];
  const lines = [...resources].sort(byStability).map((info) => {
    const plain = info.group === 'metrics.k8s.io' ? lowerFirst(info.kind) : camelPlural(info.kind, info.resource);
    const name = taken.has(plain) ? `${plain}${suffixOf(info.group, info.version)}` : plain;
    taken.add(name);
    const alias = `${name.charAt(0).toUpperCase()}${name.slice(1)}Object`;
    imports.push(`import type { ${info.kind} as ${alias} } from './${moduleOf(info.type)}.ts';\n`);
    const { group, version, resource, kind, namespaced } = info;
    const literal = [`group: '${group}'`, `version: '${version}'`, `resource: '${resource}'`, `kind: '${kind}'`];
    return `export const ${name}: ResourceRef<${alias}> = { ${literal.join(', ')}, namespaced: ${namespaced} };\n`;
  });
  const head = "import type { ResourceRef } from '#pkg/apimachinery/object.ts';\n";
  return `${banner}${head}${imports.join('')}\n${lines.join('')}`;
}

function camelPlural(kind: string, plural: string): string {
  const end = plural.slice(kind.length - 1);
  const stem = kind.slice(0, plural.length - end.length);
  const head = /^[A-Z]+(?![a-z])/.exec(stem)?.[0] ?? stem.charAt(0);
  return `${head.toLowerCase()}${stem.slice(head.length)}${end}`;
}

function lowerFirst(word: string): string {
  return `${word.charAt(0).toLowerCase()}${word.slice(1)}`;
}

function suffixOf(group: string, version: string): string {
  const short = group === 'events.k8s.io' || group === 'metrics.k8s.io' ? textBefore(group, '.') : '';
  const parts = [short, version].filter((part) => part !== '');
  return parts.map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}`).join('');
}

/** Newest stable first, then beta, then alpha; the core group before others. */
function byStability(a: { group: string; version: string }, b: { group: string; version: string }): number {
  const rank = (version: string): number => (version.includes('alpha') ? 2 : version.includes('beta') ? 1 : 0);
  if (a.group !== b.group) return a.group < b.group ? -1 : 1;
  return rank(a.version) - rank(b.version) || (a.version < b.version ? 1 : -1);
}
