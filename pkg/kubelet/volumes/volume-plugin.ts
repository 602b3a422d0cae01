/**
 * One kind of volume. Adding one is a file in `plugins/` and a line in `plugins/table.ts`.
 *
 * Laws:
 * 1. `setUp` makes the volume, or brings one that is there up to date, and resolves with its path. It is idempotent, and what containers have open or
 *    mounted stays valid.
 * 2. It throws `VolumeError`, a `StatusError` or an error of the file system for what cannot be had now; it is then called again later.
 * 3. It is called again when what it names in `dependsOn` has changed, when an object that it read through `objects` has, and at `renewAtMs`.
 * 4. `tearDown` gives back what is not a folder of the volume host, which goes with the pod; it may be called without `setUp`, and twice.
 */
import type { Pod, Volume } from '#pkg/api/types/core-v1.ts';
import type { Client } from '#pkg/client/client.ts';
import type { FieldContext } from '../env/field-ref.ts';
import type { DriverVolumes } from './driver-volumes.ts';
import type { Projections } from './projections.ts';
import type { VolumeHost } from './volume-host.ts';
import type { VolumeMounted } from './volume-mounted.ts';

/** What of the pod itself contents may speak of: its labels and annotations, its addresses. */
export type VolumeDependency = 'addresses' | 'metadata';

/** What plugins work with. */
export interface VolumeRequest {
  readonly pod: Pod;
  readonly fields: FieldContext;
  readonly host: VolumeHost;
  /** In the name of the node, for objects that pods refer to. */
  readonly client: Client;
  /** Files made of objects, fields and tokens. */
  readonly projections: Projections;
  /** Volumes of drivers beside the kubelet; absent where there are none. */
  readonly drivers: DriverVolumes | undefined;
}

/** One plugin; see the laws above. */
export interface VolumePlugin {
  /** The field of a volume that it is for. */
  readonly kind: Exclude<keyof Volume, 'name'>;
  dependsOn?(volume: Volume): readonly VolumeDependency[];
  setUp(volume: Volume, request: VolumeRequest): Promise<VolumeMounted>;
  tearDown?(podUid: string): Promise<void>;
}
