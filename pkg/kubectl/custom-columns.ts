/** `-o custom-columns=HEADER:path,…`: a table of fields. Source: kubectl `cmd/get/customcolumn.go`. */

import { goText } from '#pkg/apimachinery/go-text.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { evaluatePath } from './jsonpath.ts';

interface Column {
  readonly header: string;
  readonly path: string;
}

/** The rows of a table, its headers first unless they are left out. */
export function customRows(
  spec: string,
  objects: readonly JsonObject[],
  options: { readonly headers: boolean },
): readonly (readonly string[])[] {
  const columns = parseColumns(spec);
  const rows = objects.map((object) => columns.map(({ path }) => cellText(evaluatePath(path, object))));
  return options.headers ? [columns.map(({ header }) => header), ...rows] : rows;
}

function parseColumns(spec: string): readonly Column[] {
  if (spec === '') throw new UserError('error: custom-columns format specified but no custom columns given');
  return spec.split(',').map((part) => {
    const colon = part.indexOf(':');
    if (colon < 0)
      throw new UserError(`error: unexpected custom-columns spec: ${part}, expected <header>:<json-path-expr>`);
    return { header: part.slice(0, colon), path: part.slice(colon + 1) };
  });
}

function cellText(values: readonly unknown[]): string {
  return values.length === 0 ? '<none>' : values.map(goText).join(',');
}
