/**
 * Finds values by kubectl's JSONPath and writes them as its templates do. A key that is missing is no error and finds nothing; an index
 * beyond the end is one. Source: client-go `util/jsonpath/jsonpath.go`.
 */

import { JsonPathError } from '#pkg/apimachinery/jsonpath/error.ts';
import { type Part, parseRelaxedPath, parseTemplate } from '#pkg/apimachinery/jsonpath/parser.ts';
import { ExecutionError, walk } from '#pkg/apimachinery/jsonpath/walk.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { sortedJson } from './sorted-json.ts';

/** All values at a path whose braces and leading dot may be left out. */
export function evaluatePath(path: string, root: unknown): readonly unknown[] {
  return told(() => walk(parseRelaxedPath(path), [root]));
}

/** The text of a template for an object; several values of one path are separated by spaces. */
export function renderTemplate(template: string, root: unknown): string {
  return templateValues(template, root)
    .map((values) => values.map(valueText).join(' '))
    .join('');
}

/** The values of each part of a template, in the order they are written. */
export function templateValues(template: string, root: unknown): readonly (readonly unknown[])[] {
  return told(() => executed(template, () => parseTemplate(template).flatMap((part) => partValues(part, root))));
}

/** Runs what may meet a path that is none, which is the user's to mend. */
function told<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof JsonPathError) throw new UserError(error.message, error);
    throw error;
  }
}

function executed<T>(template: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ExecutionError)) throw error;
    const lead = `error executing jsonpath ${JSON.stringify(template)}: Error executing template`;
    throw new JsonPathError(`error: ${lead}: ${error.message.replace(/^error: /, '')}`, error);
  }
}

function partValues(part: Part, root: unknown): readonly (readonly unknown[])[] {
  switch (part.kind) {
    case 'text':
      return [[part.text]];
    case 'path':
      return [walk(part.path, [root])];
    case 'range':
      return walk(part.path, [root]).flatMap((item) => part.body.flatMap((inner) => partValues(inner, item)));
  }
}

function valueText(value: unknown): string {
  return typeof value === 'object' && value !== null ? sortedJson(value) : String(value);
}
