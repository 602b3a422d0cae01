/**
 * Nothing is created in a namespace that does not exist or is being deleted, and the system's own namespaces stay.
 * Upstream counterpart: apiserver `admission/plugin/namespace/lifecycle`.
 */
import type { Namespace } from '#pkg/api/types/core-v1.ts';
import { namespaces } from '#pkg/api/types/refs.ts';
import { forbidden, notFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionPlugin, readOne } from '#pkg/apiserver/strategy.ts';
import { onceThere } from '#pkg/base/async.ts';

const immortal: ReadonlySet<string> = new Set(['default', 'kube-public', 'kube-system']);
const accessReviews: ReadonlySet<string> = new Set(['localsubjectaccessreviews']);

/** The plugin `NamespaceLifecycle`. */
export const namespaceLifecyclePlugin: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  handles: ({ operation, namespace, resource, group }) =>
    (operation === 'CREATE' && namespace !== '' && !accessReviews.has(resource)) ||
    (operation === 'DELETE' && resource === 'namespaces' && group === ''),
  // Before all other plugins and before validation: whoever names a namespace that is not there is told that first.
  admit({ operation, name, namespace, group, resource }, _context, reader) {
    if (operation === 'DELETE') {
      if (immortal.has(name)) throw forbidden(namespaces, name, 'this namespace may not be deleted');
      return;
    }
    if (resource === 'namespaces' && group === '') return;
    return onceThere(readOne(reader, namespaces, { namespace: '', name: namespace }), (owner) => {
      if (owner === undefined) throw notFound(namespaces, namespace);
      if (isTerminating(owner)) throw terminating({ group, resource }, name, namespace);
    });
  },
};

function isTerminating(namespace: Namespace): boolean {
  return namespace.status?.phase === 'Terminating' || namespace.metadata?.deletionTimestamp !== undefined;
}

function terminating(subject: { group: string; resource: string }, name: string, namespace: string): StatusError {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const { status } = forbidden(subject, name, why);
  return new StatusError({
    code: 403,
    reason: 'Forbidden',
    message: status.message ?? why,
    details: {
      ...status.details,
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    },
  });
}
