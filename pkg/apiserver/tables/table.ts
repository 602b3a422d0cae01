/**
 * Objects as a table: what `kubectl get` asks for and prints. All columns are made, wide ones too; the client leaves out what it does not show.
 * Source: meta/v1 `Table`; apiserver `registry/rest/table.go`.
 */
import type { KubeObject, ListMeta } from '#pkg/apimachinery/object.ts';
import type { TableCell, TableColumn, TablePrinter } from '../strategy.ts';

/** What a row carries beside its cells. Default `Metadata`. */
export type IncludeObject = 'Metadata' | 'None' | 'Object';

/** Which objects, and how. */
export interface TableOptions {
  /** How the kind is printed; name and creation time when it has no printer. */
  readonly printer: TablePrinter | undefined;
  readonly objects: readonly KubeObject[];
  /** Of the list; for a single object, its resourceVersion. */
  readonly metadata: ListMeta;
  readonly nowMs: number;
  readonly includeObject: IncludeObject;
  /** Leaves out the column definitions, as for all but the first event of a watch. */
  readonly noHeaders?: boolean;
  /** Version of `meta.k8s.io` the client asked for. Default `v1`. */
  readonly version?: 'v1' | 'v1beta1';
}

/** A column, complete. */
export interface TableColumnDefinition extends Required<TableColumn> {}

/** One object as cells, with as much of it as was asked for. */
export interface TableRow {
  readonly cells: readonly TableCell[];
  readonly conditions?: readonly object[];
  readonly object: unknown;
}

/** The answer to who asked for a table. */
export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: string;
  readonly metadata: ListMeta;
  readonly columnDefinitions: readonly TableColumnDefinition[] | null;
  readonly rows: readonly TableRow[];
}

/** What upstream shows for kinds without a printer. Source: `rest.NewDefaultTableConvertor`. */
const defaultPrinter: TablePrinter = {
  columns: [
    { name: 'Name', type: 'string', format: 'name', description: 'Name of the object, unique within its namespace' },
    { name: 'Created At', type: 'date', description: 'When the server made the object' },
  ],
  cells: (object) => [object.metadata?.name ?? '', object.metadata?.creationTimestamp ?? null],
};

/** The table of these objects, in their order. */
export function tableOf(options: TableOptions): Table {
  const printer = options.printer ?? defaultPrinter;
  const apiVersion = `meta.k8s.io/${options.version ?? 'v1'}`;
  return {
    kind: 'Table',
    apiVersion,
    metadata: options.metadata,
    columnDefinitions: options.noHeaders ? null : definitionsOf(printer),
    rows: options.objects.map((object) => {
      const conditions = printer.conditions?.(object) ?? [];
      return {
        cells: printer.cells(object, options.nowMs),
        ...(conditions.length === 0 ? {} : { conditions }),
        object: included(object, options.includeObject, apiVersion),
      };
    }),
  };
}

function definitionsOf(printer: TablePrinter): readonly TableColumnDefinition[] {
  return printer.columns.map(({ name, type, format = '', description = '', priority = 0 }) => ({
    name,
    type,
    format,
    description,
    priority,
  }));
}

function included(object: KubeObject, include: IncludeObject, apiVersion: string): unknown {
  switch (include) {
    case 'None':
      return null;
    case 'Object':
      return object;
    case 'Metadata':
      return { kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata };
  }
}
