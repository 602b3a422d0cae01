/**
 * The table of a custom resource, from its additional printer columns. Source: apiextensions-apiserver
 * `registry/customresource/tableconvertor/tableconvertor.go`.
 */
import type { CustomResourceColumnDefinition } from '#pkg/api/types/apiextensions-v1.ts';
import { goJson } from '#pkg/apimachinery/json.ts';
import { JsonPathError } from '#pkg/apimachinery/jsonpath/error.ts';
import { type Path, parseRelaxedPath } from '#pkg/apimachinery/jsonpath/parser.ts';
import { walk } from '#pkg/apimachinery/jsonpath/walk.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { TableCell, TableColumn, TablePrinter } from '#pkg/apiserver/strategy.ts';
import { nameColumn, nameOf, since } from '../printing/columns.ts';

/** What is shown where nothing is asked for. */
const ageOnly: readonly CustomResourceColumnDefinition[] = [
  {
    name: 'Age',
    type: 'date',
    description: 'Time since the server made the object',
    jsonPath: '.metadata.creationTimestamp',
  },
];

/** The printer of a version. A column whose path is none, or whose value is of another type, is empty. */
export function columnsTable(columns: readonly CustomResourceColumnDefinition[] | undefined): TablePrinter {
  return columns === undefined || columns.length === 0 ? ageTable : tableOf(columns);
}

/** Paths are read with the first row: a start knows many kinds of which nobody asks for a table. */
function tableOf(shown: readonly CustomResourceColumnDefinition[]): TablePrinter {
  let read: readonly { readonly type: string; readonly path: Path | undefined }[] | undefined;
  return {
    columns: [nameColumn, ...shown.map(columnOf)],
    cells: (object, nowMs) => {
      read ??= shown.map((column) => ({ type: column.type, path: pathOf(column.jsonPath) }));
      return [nameOf(object), ...read.map(({ type, path }) => cellOf(firstAt(path, object), type, nowMs))];
    },
  };
}

/** What most kinds have. */
const ageTable = tableOf(ageOnly);

function columnOf({ name, type, format, description, priority }: CustomResourceColumnDefinition): TableColumn {
  return {
    name,
    type: type as TableColumn['type'],
    ...(format === undefined ? {} : { format }),
    ...(description === undefined ? {} : { description }),
    ...(priority === undefined ? {} : { priority }),
  };
}

function pathOf(text: string): Path | undefined {
  try {
    return parseRelaxedPath(text);
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}

/** The first value at a path; undefined when there is none. */
function firstAt(path: Path | undefined, object: KubeObject): unknown {
  if (path === undefined) return undefined;
  try {
    return walk(path, [object])[0];
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}

function cellOf(value: unknown, type: string, nowMs: number): TableCell {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'string':
      return typeof value === 'object' ? goJson(value) : String(value);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : typeof value === 'bigint' ? value : null;
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return null;
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : since(value, nowMs);
    default:
      return null;
  }
}
