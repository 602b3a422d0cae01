/** Which objects patches and replacements are about. Source: kustomize `api/types/selector.go`, `api/resmap`. */

import { parseLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type Mapping, mapAt, textAt } from './kustomization.ts';
import { effectiveNamespace, type Id, idOf, idsOf, type Resource } from './resource.ts';

/** Those that a selector's expressions match, by what they were called at first or are called now. */
export function selected(resources: readonly Resource[], selector: Mapping): readonly Resource[] {
  const pattern = (field: string): RegExp | undefined => {
    const text = textAt(selector, field);
    return text === '' ? undefined : expressionOf(text);
  };
  const [group, version, kind] = [pattern('group'), pattern('version'), pattern('kind')];
  const [name, namespace] = [pattern('name'), pattern('namespace')];
  return resources.filter((resource) => {
    const ids = idsOf(resource);
    const now = idOf(resource.object);
    const [first = now] = ids;
    const matches = (expression: RegExp | undefined, of: (id: Id) => string): boolean =>
      expression === undefined || expression.test(of(first)) || expression.test(of(now));
    return (
      matches(name, (id) => id.name) &&
      matches(namespace, effectiveNamespace) &&
      (group === undefined || group.test(now.group)) &&
      (version === undefined || version.test(now.version)) &&
      (kind === undefined || kind.test(now.kind)) &&
      hasWords(resource, selector)
    );
  });
}

/** Whether labels and annotations are as a selector wants them. */
export function hasWords({ object }: Resource, selector: Mapping): boolean {
  const metadata = mapAt(object, 'metadata');
  return (
    holds(textAt(selector, 'labelSelector'), mapAt(metadata, 'labels')) &&
    holds(textAt(selector, 'annotationSelector'), mapAt(metadata, 'annotations'))
  );
}

function holds(text: string, words: Mapping): boolean {
  if (text === '') return true;
  const entries = Object.entries(words).map(([key, value]) => [key, String(value)] as const);
  const parsed = parseLabelSelector(text);
  if (!parsed.ok) throw new UserError(`error: ${parsed.error}`);
  return parsed.selector.matches(Object.fromEntries(entries));
}

function expressionOf(text: string): RegExp {
  try {
    return new RegExp(`^(?:${text})$`);
  } catch (error) {
    throw new UserError(`error: the selector ${JSON.stringify(text)} is no regular expression`, error);
  }
}

/** Whether an object has an id with these parts, none of which is an expression. What is left out is any. */
export function isNamed(resource: Resource, selector: Mapping): boolean {
  return idsOf(resource).some((id) =>
    (['group', 'version', 'kind', 'name', 'namespace'] as const).every((part) => {
      const wanted = textAt(selector, part);
      return wanted === '' || wanted === id[part] || (part === 'namespace' && wanted === effectiveNamespace(id));
    }),
  );
}
