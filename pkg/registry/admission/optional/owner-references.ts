/**
 * Who changes the owners of an object may delete it, and who lets it keep an owner from going may set finalizers on that.
 * Source: upstream `plugin/pkg/admission/gc/gc_admission.go`, with its refusals word for word.
 */
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { type KubeObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import type { AccessAttributes, Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader } from '#pkg/apiserver/strategy.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { refusal } from '../refusal.ts';

type Owner = Partial<NonNullable<NonNullable<KubeObject['metadata']>['ownerReferences']>[number]>;

/** What a permission is asked for. */
type Asked = Pick<AccessAttributes, 'group' | 'name' | 'namespace' | 'resource' | 'subresource' | 'verb' | 'version'>;

/** The plugin; `authorizer` says who may delete and finalize. */
export function ownerReferencesPlugin(authorizer: Authorizer): AdmissionPlugin {
  /** Why not; undefined where it is allowed. */
  const problemOf = async (user: UserInfo, asked: Asked): Promise<string | undefined> => {
    const { decision, reason = '' } = await authorizer.authorize({ user, path: '', ...asked });
    return decision === 'allow' ? undefined : `${reason}, <nil>`;
  };
  return {
    name: 'OwnerReferencesPermissionEnforcement',
    handles: (attributes) => {
      const { operation, group, resource, subresource } = attributes;
      if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
      // Kubelets of before wrote owners there that nobody takes.
      if (group === '' && resource === 'pods' && subresource === 'status') return false;
      return !deepEqual(ownersOf(attributes.draft), ownersOf(attributes.old));
    },
    validate: async (attributes, { user }, reader) => {
      const { operation, group, version, resource, subresource, namespace, name } = attributes;
      if (operation !== 'CREATE') {
        const own = { verb: 'delete', group, version, resource, subresource, namespace, name };
        const problem = await problemOf(user, own);
        if (problem !== undefined)
          throw refusal(attributes, `cannot set an ownerRef on a resource you can't delete: ${problem}`);
      }
      const blocking = newBlocking(attributes);
      if (blocking.length === 0 || (await problemOf(user, finalizeAnything)) === undefined) return;
      for (const owner of blocking) {
        const problem = await problemOf(user, finalizing(owner, attributes, reader));
        if (problem === undefined) continue;
        const why = `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ${problem}`;
        throw refusal(attributes, why);
      }
    },
  };
}

const finalizeAnything: Asked = {
  ...{ verb: 'update', group: '*', version: '*', resource: '*', subresource: 'finalizers' },
  ...{ namespace: '', name: '*' },
};

function ownersOf(object: KubeObject | undefined): readonly Owner[] {
  return object?.metadata?.ownerReferences ?? [];
}

/** Those that keep an owner from going and did not before. */
function newBlocking({ draft, old }: AdmissionAttributes): readonly Owner[] {
  const before = ownersOf(old);
  return ownersOf(draft).filter(
    ({ uid, blockOwnerDeletion }) =>
      blockOwnerDeletion === true && before.find((one) => one.uid === uid)?.blockOwnerDeletion !== true,
  );
}

/** The permission that is needed for an owner. Throws Forbidden for a kind that is not served. */
function finalizing(
  { apiVersion = '', kind = '', name = '' }: Owner,
  attributes: AdmissionAttributes,
  reader: RegistryReader,
): Asked {
  const parsed = parseApiVersion(apiVersion);
  const found = parsed === undefined ? undefined : reader.ofKind({ ...parsed, kind });
  if (parsed === undefined || found === undefined) {
    const what = `no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`;
    const why = `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${apiVersion} Kind ${kind}: ${what}`;
    throw refusal(attributes, why);
  }
  const { group, resource, namespaced } = found;
  return {
    ...{ verb: 'update', group, version: parsed.version, resource, subresource: 'finalizers', name },
    namespace: namespaced ? attributes.namespace : '',
  };
}
