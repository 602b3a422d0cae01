/**
 * Makes a script of a file of the bundle, which `cmd/common/kept-scripts.js` runs with all that V8 has once compiled of it, and a module that stands for it: that imports
 * what the file imports, gives it to the script, and exports what this gives.
 *
 * It reads what the bundler writes, not JavaScript at large: imports first, exports last, each once.
 */
import { parseAst } from 'rolldown/parseAst';

/** Texts of the two files. */
export interface ScriptOfModule {
  readonly script: string;
  readonly module: string;
}

/** Imports and modules of Node that a file begins with. */
const firstStatement =
  /^\s*(?:import(?:([^"'`;()]*?)\bfrom)?"([^"]+)";|const ?(?:[\w$]+|\{[^{}"]*\})=process\.getBuiltinModule\("[^"]+"\);)/;
const lastStatement = /export\{([^{}]*)\};?\s*$/;

/** Names that the script is given beside what it imports: its place, and what imports for it. */
const placeName = '$place';
const importName = '$import';

/**
 * Undefined for a file of which exports may change while it runs, which a script cannot tell of.
 * @param runner where the module finds `kept-scripts.js`, from its own folder
 */
export function scriptOf(code: string, runner: string): ScriptOfModule | undefined {
  const imported: string[] = [];
  let head = '';
  let rest = code;
  for (let found = firstStatement.exec(rest); found !== null; found = firstStatement.exec(rest)) {
    const [whole, clause, from] = found;
    rest = rest.slice(whole.length);
    if (from === undefined) {
      head += whole;
      continue;
    }
    const name = `$import${imported.length}`;
    imported.push(`import*as ${name} from"${from}";`);
    head += taken(clause ?? '', name);
  }
  const last = lastStatement.exec(rest);
  if (last === null) return undefined;
  const exported = (last[1] ?? '').split(',').map((item) => {
    const [local = '', name = local] = item.split(' as ');
    return { local, name };
  });
  const body = rest.slice(0, last.index);
  const changing = changingNames(code);
  if (exported.some(({ local }) => changing.has(local))) return undefined;
  const given = imported.map((_, index) => `$import${index}`);
  const inner = body.replaceAll('import.meta.url', placeName).replaceAll(/\bimport\(/g, `${importName}(`);
  const results = exported.map(({ local, name }) => `${name}:${local}`).join();
  const script = `(function(${[placeName, importName, ...given].join()}){"use strict";${head}${inner}\nreturn{${results}}})`;
  const fields = exported.map(({ name }, index) => `${name}:$export${index}`).join();
  const names = exported.map(({ name }, index) => `$export${index} as ${name}`).join();
  const run = `runScript(import.meta.url,[import.meta.url,(name)=>import(name),${given.join()}])`;
  const module = `${imported.join('')}import{runScript}from"${runner}";const{${fields}}=${run};export{${names}};`;
  return { script, module };
}

/** Names of the file's own that may be given another value later. */
function changingNames(code: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const statement of parseAst(code).body) {
    if (statement.type !== 'VariableDeclaration' || statement.kind !== 'let') continue;
    for (const { id } of statement.declarations) if (id.type === 'Identifier') names.add(id.name);
  }
  return names;
}

/** What a file's own names of an import are, of the module that it is. */
function taken(clause: string, module: string): string {
  const [, whole = '', fields = ''] = /^\s*([^{]*?),?\s*(\{.*\})?\s*$/s.exec(clause) ?? [];
  const namespace = /^\*\s*as\s+([\w$]+)$/.exec(whole)?.[1];
  const parts = [
    ...(namespace === undefined ? [] : [`${namespace}=${module}`]),
    ...(whole === '' || namespace !== undefined ? [] : [`${whole}=${module}.default`]),
    ...(fields === '' ? [] : [`${fields.replaceAll(' as ', ':')}=${module}`]),
  ];
  return parts.length === 0 ? '' : `const ${parts.join()};`;
}
