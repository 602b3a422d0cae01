/** `explain`: what fields mean, as the server's own documents have it. Source: kubectl `cmd/explain`, `pkg/explain/v2/templates/plaintext.tmpl`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dig, digList, digMap, digText, digTexts } from './api.ts';
import type { KubectlContext } from './context.ts';
import { groupVersion, type Mapping } from './discovery.ts';
import { UsageError } from './errors.ts';

/** The flags of the command. */
export const explainFlags = {
  'api-version': text({ help: 'Group and version to look in.', placeholder: 'group/version' }),
  output: text({ help: 'Form of the output.', fallback: 'plaintext', placeholder: 'plaintext' }),
  recursive: toggle({ help: 'All fields of fields, without what they mean.' }),
} satisfies FlagTable;

type Values = FlagValues<typeof explainFlags>;

/** Longest line of a text, without its indentation. */
const lineLengthMax = 76;

/** Runs the command; resolves to its exit code. */
export async function explain(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const [word = ''] = args;
  if (args.length === 0) {
    throw new UserError(
      'error: You must specify the type of resource to explain. Use "kubectl api-resources" for a complete list of supported resources.',
    );
  }
  if (args.length > 1) throw new UsageError('error: We accept only this format: explain RESOURCE');
  if (values.output !== 'plaintext')
    throw new UserError(`error: unrecognized format: ${values.output}: the one form that is printed here is plaintext`);
  const { mapping, fields } = await findType(context, values, word);
  const document = await documentOf(context, mapping);
  const schemas = digMap(document, 'components', 'schemas');
  const root = Object.values(schemas).find((schema) =>
    digList(schema, 'x-kubernetes-group-version-kind').some(
      (one) => one.group === mapping.group && one.version === mapping.version && one.kind === mapping.kind,
    ),
  );
  if (!isObject(root))
    throw new UserError(`error: couldn't find resource for "${groupVersion(mapping)}, Kind=${mapping.kind}"`);
  new Explanation(context, { mapping, schemas, isRecursive: values.recursive }).print(root, fields);
  return 0;
}

/** The resource of the first words before a dot that are one, and the fields after them. */
async function findType(
  context: KubectlContext,
  values: Values,
  word: string,
): Promise<{ readonly mapping: Mapping; readonly fields: readonly string[] }> {
  const [resource = '', ...fields] = word.replace(/\.$/, '').split('.');
  const [found] = await context.discovery.resolve(resource);
  if (values['api-version'] === '') return { mapping: found, fields };
  const all = await context.discovery.mappings();
  const wanted = all.find((one) => one.kind === found.kind && groupVersion(one) === values['api-version']);
  if (wanted === undefined)
    throw new UserError(`error: couldn't find resource for "${values['api-version']}, Kind=${found.kind}"`);
  return { mapping: wanted, fields };
}

async function documentOf(context: KubectlContext, mapping: Mapping): Promise<JsonObject> {
  const name = mapping.group === '' ? `api/${mapping.version}` : `apis/${groupVersion(mapping)}`;
  const { object } = await context.api.call({ method: 'GET', path: '/openapi/v3' });
  const address = digText(dig(object, 'paths', name), 'serverRelativeURL');
  if (address === '')
    throw new UserError(`error: couldn't find resource for "${groupVersion(mapping)}, Kind=${mapping.kind}"`);
  const { pathname, searchParams } = new URL(address, 'http://localhost');
  return (await context.api.call({ method: 'GET', path: pathname, query: Object.fromEntries(searchParams) })).object;
}

interface Source {
  readonly mapping: Mapping;
  readonly schemas: JsonObject;
  readonly isRecursive: boolean;
}

/** Prints one type or field. */
class Explanation {
  readonly #context: KubectlContext;
  readonly #source: Source;

  constructor(context: KubectlContext, source: Source) {
    this.#context = context;
    this.#source = source;
  }

  print(root: JsonObject, path: readonly string[]): void {
    const { mapping } = this.#source;
    const group = mapping.group === '' ? '' : `GROUP:      ${mapping.group}\n`;
    this.#line(`${group}KIND:       ${mapping.kind}\nVERSION:    ${mapping.version}\n`);
    let schema: JsonObject = root;
    for (const [index, name] of path.entries()) {
      const found = this.#fieldsOf(schema)[name];
      if (!isObject(found)) throw new UserError(`error: field "${name}" does not exist`);
      if (index === path.length - 1) this.#header(name, found);
      schema = found;
    }
    this.#line('DESCRIPTION:');
    this.#describe(schema);
    this.#fields(schema);
  }

  #line(text: string): void {
    this.#context.print(`${text}\n`);
  }

  #header(name: string, schema: JsonObject): void {
    this.#line(`FIELD: ${name} <${this.#typeOf(schema)}>`);
    const values = this.#valuesOf(schema);
    this.#line(values.length === 0 ? '\n' : `ENUM:\n${values.map((value) => `    ${value}\n`).join('')}`);
  }

  /** What is said of the field, and below it of its type. */
  #describe(schema: JsonObject): void {
    const texts = this.#chain(schema).map((one) => digText(one, 'description'));
    const said = texts.filter((one) => one !== '');
    this.#context.print(said.length === 0 ? '    <empty>\n' : said.map((one) => wrapped(one, 4)).join(''));
    this.#line('    ');
  }

  #fields(schema: JsonObject): void {
    const fields = this.#fieldsOf(schema);
    if (Object.keys(fields).length === 0) {
      this.#line('');
      return;
    }
    this.#line('FIELDS:');
    if (this.#source.isRecursive) this.#tree(schema, 1, []);
    else for (const [name, field] of sortedEntries(fields)) this.#field(schema, name, field);
    this.#line('');
  }

  #field(owner: JsonObject, name: string, field: JsonObject): void {
    this.#line(`  ${name}\t<${this.#typeOf(field)}>${this.#isRequired(owner, name) ? ' -required-' : ''}`);
    const values = this.#valuesOf(field);
    if (values.length > 0) this.#line(`  enum: ${enumText(values)}`);
    const description =
      this.#chain(field)
        .map((one) => digText(one, 'description'))
        .find((one) => one !== '') ?? '';
    this.#context.print(description === '' ? '    <no description>\n' : wrapped(description, 4));
    this.#line('');
  }

  #tree(schema: JsonObject, depth: number, above: readonly unknown[]): void {
    const indent = '  '.repeat(depth);
    for (const [name, field] of sortedEntries(this.#fieldsOf(schema))) {
      this.#line(`${indent}${name}\t<${this.#typeOf(field)}>${this.#isRequired(schema, name) ? ' -required-' : ''}`);
      const values = this.#valuesOf(field);
      if (values.length > 0) this.#line(`${indent}enum: ${enumText(values)}`);
      const own = this.#chain(field).at(-1);
      if (above.includes(own)) continue;
      this.#tree(field, depth + 1, [...above, own]);
    }
  }

  #isRequired(owner: JsonObject, name: string): boolean {
    return this.#chain(owner).some((one) => digTexts(one, 'required').includes(name));
  }

  /** A schema and what it stands for: items of lists, values of maps, and the types they refer to. */
  #chain(schema: JsonObject): readonly JsonObject[] {
    const chain: JsonObject[] = [schema];
    for (let at: JsonObject | undefined = schema; at !== undefined; ) {
      at = this.#inner(at);
      if (at !== undefined) chain.push(at);
    }
    return chain;
  }

  #inner(schema: JsonObject): JsonObject | undefined {
    const reference = digText(schema, '$ref') || digText(digList(schema, 'allOf')[0], '$ref');
    const found =
      reference === ''
        ? (schema.items ?? schema.additionalProperties)
        : this.#source.schemas[reference.replace('#/components/schemas/', '')];
    return isObject(found) ? found : undefined;
  }

  #fieldsOf(schema: JsonObject): Readonly<Record<string, unknown>> {
    for (const one of this.#chain(schema)) if (isObject(one.properties)) return one.properties;
    return {};
  }

  #valuesOf(schema: JsonObject): readonly string[] {
    return digTexts(schema, 'enum').toSorted();
  }

  #typeOf(schema: JsonObject): string {
    const reference = digText(schema, '$ref') || digText(digList(schema, 'allOf')[0], '$ref');
    if (reference !== '') return this.#nameOf(reference);
    if (isObject(schema.items)) return `[]${this.#typeOf(schema.items)}`;
    if (isObject(schema.additionalProperties)) return `map[string]${this.#typeOf(schema.additionalProperties)}`;
    const type = digText(schema, 'type');
    return type === '' || type === 'object' ? 'Object' : type;
  }

  /** A type without fields is named by what it is in JSON. */
  #nameOf(reference: string): string {
    const name = reference.split('.').at(-1) ?? reference;
    const type = this.#source.schemas[reference.replace('#/components/schemas/', '')];
    if (!isObject(type)) return name;
    const plain = digText(type, 'type');
    if (isObject(type.properties) || plain === 'object' || plain === '') return name;
    return plain;
  }
}

function enumText(values: readonly string[]): string {
  return values.length > 4 ? `${values.slice(0, 4).join(', ')}, ....` : values.join(', ');
}

function sortedEntries(fields: Readonly<Record<string, unknown>>): readonly (readonly [string, JsonObject])[] {
  return Object.entries(fields)
    .filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** A text in lines of limited length, each indented; lines of its own stay lines where they are lists or paragraphs. */
function wrapped(text: string, indent: number): string {
  const lead = ' '.repeat(indent);
  const lines: string[] = [];
  for (const part of text.split('\n')) {
    let line = '';
    for (const word of part.split(' ')) {
      const joined = line === '' ? word : `${line} ${word}`;
      if (joined.length > lineLengthMax && line !== '') {
        lines.push(line);
        line = word;
      } else line = joined;
    }
    lines.push(line);
  }
  return lines.map((line) => `${lead}${line}\n`).join('');
}
