/**
 * What the fields of built-in types mean, in Kubernetes' own words. They are read at run time from the type declarations of the
 * dependency `kubernetes-models`, so that no copy of them is kept here, and where that does not know one, from those of `@kubernetes/client-node`,
 * which is newer but says nothing of fields that are types of their own. What neither knows has no description.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { typeFacts, typeSchema } from '#pkg/api/facts.ts';

/** What is said of one type. */
export interface TypeDescription {
  /** Of the type itself; `''` when there is none. */
  readonly text: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** Upstream does not describe all of its fields either. */
const ownInFull = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';

/** How many declaration files are read at once. */
const readsMax = 32;

const noDescription: TypeDescription = { text: '', fields: new Map() };

/** Folders of API groups whose name in type names is not the group's. */
const groupFolders: Readonly<Record<string, string>> = {
  core: '',
  apps: 'apps',
  autoscaling: 'autoscaling',
  batch: 'batch',
  policy: 'policy',
  rbac: 'rbac.authorization.k8s.io',
  flowcontrol: 'flowcontrol.apiserver.k8s.io',
};

/** Which package declares a type, and where in it; undefined for types that neither does. */
function fileOf(typeName: string): { readonly package: 'apimachinery' | 'models'; readonly path: string } | undefined {
  const [group = '', version = '', name = ''] = typeName.split('.').slice(-3);
  if (typeName.startsWith('io.k8s.apimachinery.pkg.apis.meta.')) {
    return { package: 'apimachinery', path: `apis/meta/${version}/${name}.d.ts` };
  }
  const isKnown = typeName.startsWith('io.k8s.api.') || group === 'apiextensions';
  if (!isKnown) return undefined;
  return { package: 'models', path: join(groupFolders[group] ?? `${group}.k8s.io`, version, `${name}.d.ts`) };
}

const docComment =
  /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:export (?:interface|declare class) |["']?([A-Za-z0-9_$-]+)["']?\??:)/g;
const declaration = /export (?:interface|declare class) /;

function plain(comment: string): string {
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
  return lines
    .join('\n')
    .replaceAll(/\\([*'])/g, '$1')
    .trim();
}

/** Reads the comments of the first interface or class that a declaration file exports. */
export function parseDeclarations(source: string): TypeDescription {
  const end = source.indexOf('\n}', source.search(declaration));
  const declared = end < 0 ? source : source.slice(0, end);
  const fields = new Map<string, string>();
  let text = '';
  for (const match of declared.matchAll(docComment)) {
    const [, comment = '', field] = match;
    if (field === undefined) text = plain(comment);
    else fields.set(field, plain(comment));
  }
  return { text, fields };
}

/** Reads descriptions of types, each once. */
export class Descriptions {
  readonly #known = new Map<string, TypeDescription>();
  #client: string | undefined;
  #folders: Readonly<Record<'apimachinery' | 'models', string>> | undefined;

  /** The descriptions of a type that was loaded. */
  of(typeName: string): TypeDescription {
    return this.#known.get(typeName) ?? noDescription;
  }

  /** Loads what is not loaded yet. A file that cannot be read means that there are no descriptions. */
  async load(typeNames: readonly string[]): Promise<void> {
    const missing = typeNames.filter((name) => !this.#known.has(name));
    for (let start = 0; start < missing.length; start += readsMax) {
      await Promise.all(missing.slice(start, start + readsMax).map((name) => this.#read(name)));
    }
  }

  async #read(typeName: string): Promise<void> {
    const file = fileOf(typeName);
    if (file === undefined) return;
    try {
      this.#folders ??= packageFolders();
      const source = await readFile(join(this.#folders[file.package], file.path), 'utf8');
      this.#known.set(typeName, parseDeclarations(source));
    } catch {
      this.#known.set(typeName, noDescription);
    }
    if (this.#lacks(typeName)) await this.#complete(typeName);
  }

  #lacks(typeName: string): boolean {
    if (!Object.hasOwn(typeFacts, typeName) || typeName === ownInFull) return false;
    const { text, fields } = this.of(typeName);
    return text === '' || [...typeSchema(typeName).fields.keys()].some((name) => !fields.has(name));
  }

  /** Adds what the client library says. */
  async #complete(typeName: string): Promise<void> {
    this.#client ??= dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node'));
    const { text, fields } = this.of(typeName);
    for (const name of clientNames(typeName)) {
      try {
        const more = parseDeclarations(await readFile(join(this.#client, 'gen', 'models', `${name}.d.ts`), 'utf8'));
        const added = [...more.fields].map(([field, words]) => [field.replace(/^_/, ''), paragraphs(words)] as const);
        this.#known.set(typeName, {
          text: text === '' ? paragraphs(more.text) : text,
          fields: new Map([...added, ...fields]),
        });
        return;
      } catch {
        // Under its other name, or not at all.
      }
    }
  }
}

/** Names of the type in the client library, which puts the group before where two groups have one of the same name. */
function clientNames(typeName: string): readonly string[] {
  const [name = '', version = '', group = ''] = typeName.split('.').toReversed();
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  return [capital(group) + capital(version) + name, capital(version) + name];
}

/** The client library has two spaces where a paragraph ends. */
function paragraphs(text: string): string {
  return text.replaceAll(/(?<=\S) {2}(?=\S)/g, '\n\n');
}

function packageFolders(): Readonly<Record<'apimachinery' | 'models', string>> {
  const models = createRequire(import.meta.url).resolve('kubernetes-models/package.json');
  const apimachinery = createRequire(models).resolve('@kubernetes-models/apimachinery');
  return { models: dirname(models), apimachinery: dirname(apimachinery) };
}
