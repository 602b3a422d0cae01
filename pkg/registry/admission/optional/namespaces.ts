/**
 * What becomes of requests that name a namespace which is not there: it is made, or they are refused.
 * Source: upstream `plugin/pkg/admission/namespace/{autoprovision,exists}`.
 */
import { namespaces } from '#pkg/api/types/refs.ts';
import { forbidden, notFound, reasonOf } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionAttributes, type AdmissionPlugin, readOne } from '#pkg/apiserver/strategy.ts';
import { onceThere } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Client } from '#pkg/client/client.ts';

function isInNamespace({ namespace, group, kind }: AdmissionAttributes): boolean {
  return namespace !== '' && !(group === '' && kind === 'Namespace');
}

/** Makes namespaces, in the name of the server, before anybody looks for them. `client` is asked once the server is there. */
export function namespaceAutoProvisionPlugin(client: () => Client): AdmissionPlugin {
  return {
    name: 'NamespaceAutoProvision',
    handles: (attributes) => attributes.operation === 'CREATE' && isInNamespace(attributes),
    admit({ group, resource, name, namespace }, { dryRun }, reader) {
      if (dryRun) return;
      return onceThere(readOne(reader, namespaces, { namespace: '', name: namespace }), async (found) => {
        if (found !== undefined) return;
        try {
          await client()
            .resource(namespaces)
            .create({ metadata: { name: namespace } });
        } catch (error) {
          if (reasonOf(error) !== 'AlreadyExists') throw forbidden({ group, resource }, name, errorText(error));
        }
      });
    },
  };
}

/** Refuses requests about what is in a namespace that is not there. */
export const namespaceExistsPlugin: AdmissionPlugin = {
  name: 'NamespaceExists',
  handles: (attributes) => attributes.operation !== 'CONNECT' && isInNamespace(attributes),
  validate({ namespace }, _context, reader) {
    return onceThere(readOne(reader, namespaces, { namespace: '', name: namespace }), (found) => {
      if (found === undefined) throw notFound(namespaces, namespace);
    });
  },
};
