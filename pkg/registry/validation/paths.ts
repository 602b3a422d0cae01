/** Rules about paths in file systems. Source: upstream `validateLocalDescendingPath`, `ValidateLocalNonReservedPath`. */
import { type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import type { Collector } from './collector.ts';

/** Refuses a path that goes up anywhere. */
export function checkNoBacksteps(into: Collector, value: string, path: FieldPath): void {
  if (value.split('/').includes('..')) into.add(invalid(path, value, "must not contain '..'"));
}

/** Refuses a path that could leave the folder it is taken from. */
export function checkRelativePath(into: Collector, value: string, path: FieldPath): void {
  if (value.startsWith('/')) into.add(invalid(path, value, 'must be a relative path'));
  checkNoBacksteps(into, value, path);
}

/** Refuses in addition names that begin with two dots, which the kubelet keeps for itself. */
export function checkUnreservedPath(into: Collector, value: string, path: FieldPath): void {
  checkRelativePath(into, value, path);
  if (value.startsWith('..') && !value.startsWith('../') && value !== '..') {
    into.add(invalid(path, value, "must not start with '..'"));
  }
}

const fileModeMax = 0o777;

/** Refuses what is no mode of a file; a missing one passes. */
export function checkFileMode(into: Collector, mode: unknown, path: FieldPath): void {
  if (typeof mode !== 'number' || (mode >= 0 && mode <= fileModeMax)) return;
  into.add(invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive'));
}
