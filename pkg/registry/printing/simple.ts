/** Printers for kinds that only have a name and an age, and for those without a printer of their own. */
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, nameColumn, nameOf } from './columns.ts';

/** Name and age. */
export const nameAndAgeTable: TablePrinter = {
  columns: [nameColumn, ageColumn],
  cells: (object, nowMs) => [nameOf(object), age(object, nowMs)],
};

/** Name and creation time, which `kubectl` prints as it is: what upstream shows for kinds without a printer. */
export const nameAndCreatedTable: TablePrinter = {
  columns: [nameColumn, { name: 'Created At', type: 'date', description: 'When the server made the object' }],
  cells: (object) => [nameOf(object), object.metadata?.creationTimestamp ?? null],
};
