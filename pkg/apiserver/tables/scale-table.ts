/** How the `scale` subresource is printed, whatever it belongs to. Source: upstream `pkg/printers/internalversion/printers.go` `printScale`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { humanAge } from '#pkg/apimachinery/time.ts';
import type { TablePrinter } from '../strategy.ts';

interface Scale extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly replicas?: number };
}

/** The printer of a `Scale`. */
export const scaleTable: TablePrinter = {
  columns: [
    { name: 'Name', type: 'string', format: 'name', description: 'Name of the object, unique within its namespace' },
    { name: 'Desired', type: 'integer', description: 'Number of pods that are wanted' },
    { name: 'Available', type: 'integer', description: 'Number of pods that there are' },
    { name: 'Age', type: 'string', description: 'Time since the server made the object' },
  ],
  cells(object, nowMs) {
    const { metadata, spec, status } = object as Scale;
    const made = metadata?.creationTimestamp;
    const age = typeof made === 'string' ? humanAge(made, nowMs) : '<unknown>';
    return [metadata?.name ?? '', spec?.replicas ?? 0, status?.replicas ?? 0, age];
  },
};
