/** Files that load each other in a loop, by value: which of them is whole first depends on who is asked first. Types are erased and tie nothing. */
import type { ProjectFile, Taken } from '../project.ts';

type Files = readonly Pick<ProjectFile, 'path' | 'taken'>[];

/** Each loop once, as the paths of its files in order; with `types`, imports of types count too: whoever reads one file of it has to read all. */
export function importCircles(files: Files, { types }: { readonly types: boolean }): readonly string[] {
  const counts = ({ byValue, from, name }: Taken): boolean => byValue || (types && name !== '*' && from !== '');
  const targets = new Map(
    files.map(({ path, taken }) => [path, new Set(taken.filter(counts).map(({ from }) => from))]),
  );
  return strongComponents(targets)
    .filter((component) => component.length > 1)
    .map((component) => component.sort().join(' <-> '))
    .sort();
}

/** Folders right below `parent` whose files import each other, by value or for types: each pair as `a <-> b`. Files of the parent itself are folder `.`. */
export function folderPairs(files: Files, parent: string): readonly string[] {
  const below = (path: string): string | undefined => {
    if (!path.startsWith(parent)) return undefined;
    const rest = path.slice(parent.length).split('/');
    return rest.length === 1 ? undefined : rest[0];
  };
  const edges = new Set(
    files.flatMap(({ path, taken }) => taken.map(({ from }) => `${below(path) ?? '.'} ${below(from) ?? '.'}`)),
  );
  return [...edges]
    .filter((edge) => {
      const [from = '', to = ''] = edge.split(' ');
      return from !== '.' && to !== '.' && from < to && edges.has(`${to} ${from}`);
    })
    .map((edge) => edge.replace(' ', ' <-> '))
    .sort();
}

/** Tarjan's strongly connected components. */
function strongComponents(targets: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const found: string[][] = [];
  const enter = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    onStack.add(node);
    for (const target of targets.get(node) ?? []) {
      if (!targets.has(target)) continue;
      if (!index.has(target)) enter(target);
      if (onStack.has(target)) low.set(node, Math.min(low.get(node)!, low.get(target)!));
    }
    if (low.get(node) !== index.get(node)) return;
    const component = stack.splice(stack.indexOf(node));
    for (const one of component) onStack.delete(one);
    found.push(component);
  };
  for (const node of targets.keys()) if (!index.has(node)) enter(node);
  return found;
}
