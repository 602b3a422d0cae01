/** Volumes as `kubectl describe` shows them. Upstream counterpart: kubectl `pkg/describe`, `describeVolumes`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { digList, digText } from './api.ts';
import type { Description } from './describe-text.ts';

/** The volumes of a pod, or of the template of one. */
export function describeVolumes(out: Description, object: JsonObject, depth: number): void {
  const all = digList(object, 'spec', 'volumes');
  if (all.length === 0) {
    out.field(depth, 'Volumes', '<none>');
    return;
  }
  out.heading(depth, 'Volumes');
  for (const volume of all) {
    out.line(1, `${depth === 0 ? '' : ' '}${digText(volume, 'name')}:`);
    const [type, details] = Object.entries(volume).find(([key]) => key !== 'name') ?? ['emptyDir', {}];
    if (volumeText(out, 2, { type, details: isObject(details) ? details : {} })) continue;
    out.field(2, 'Type', `${type.charAt(0).toUpperCase()}${type.slice(1)}`);
    for (const [key, value] of Object.entries(isObject(details) ? details : {})) {
      if (key === 'defaultMode') continue;
      out.field(
        2,
        `${key.charAt(0).toUpperCase()}${key.slice(1)}`,
        typeof value === 'object' ? JSON.stringify(value) : String(value),
      );
    }
  }
}

/** Volumes of the common types; false for the others. */
function volumeText(
  out: Description,
  depth: number,
  { type, details }: { readonly type: string; readonly details: JsonObject },
): boolean {
  const optional = String(details.optional === true);
  switch (type) {
    case 'emptyDir':
      out.field(depth, 'Type', "EmptyDir (a temporary directory that shares a pod's lifetime)");
      out.field(depth, 'Medium', digText(details, 'medium'));
      out.field(depth, 'SizeLimit', digText(details, 'sizeLimit') || '<unset>');
      return true;
    case 'configMap':
      out.field(depth, 'Type', 'ConfigMap (a volume populated by a ConfigMap)');
      out.field(depth, 'Name', digText(details, 'name'));
      out.field(depth, 'Optional', optional);
      return true;
    case 'secret':
      out.field(depth, 'Type', 'Secret (a volume populated by a Secret)');
      out.field(depth, 'SecretName', digText(details, 'secretName'));
      out.field(depth, 'Optional', optional);
      return true;
    case 'hostPath':
      out.field(depth, 'Type', 'HostPath (bare host directory volume)');
      out.field(depth, 'Path', digText(details, 'path'));
      out.field(depth, 'HostPathType', digText(details, 'type'));
      return true;
    case 'projected':
      out.field(depth, 'Type', 'Projected (a volume that contains injected data from multiple sources)');
      for (const source of digList(details, 'sources')) projectedText(out, depth, source);
      return true;
    default:
      return false;
  }
}

/** One source of a projected volume. */
function projectedText(
  out: Description,
  depth: number,
  { secret, configMap, downwardAPI, serviceAccountToken }: JsonObject,
): void {
  if (isObject(secret)) {
    out.field(depth, 'SecretName', digText(secret, 'name'));
    out.field(depth, 'Optional', String(secret.optional === true));
  } else if (downwardAPI !== undefined) out.field(depth, 'DownwardAPI', 'true');
  else if (isObject(configMap)) {
    out.field(depth, 'ConfigMapName', digText(configMap, 'name'));
    out.field(depth, 'Optional', String(configMap.optional === true));
  } else if (isObject(serviceAccountToken))
    out.field(depth, 'TokenExpirationSeconds', digText(serviceAccountToken, 'expirationSeconds'));
}
