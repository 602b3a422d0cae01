/** The volume with a pod's token, as it is called: `kube-api-access-` and five letters at random. Source: upstream `plugin/pkg/admission/serviceaccount`. */
import type { Volume } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';

/** What the names of such volumes begin with. */
export const tokenVolumePrefix = 'kube-api-access-';

const randomName = /^kube-api-access-[a-z0-9]{5}$/;

/** The name of the first such volume, where it is one that the server may have chosen. */
export function tokenVolumeName(volumes: readonly Given<Volume>[] | undefined): string | undefined {
  const name = volumes?.find((volume) => volume.name?.startsWith(tokenVolumePrefix))?.name;
  return name !== undefined && randomName.test(name) ? name : undefined;
}
