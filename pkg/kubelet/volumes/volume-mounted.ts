/** What came of a volume that was made. Types alone. */
import type { VolumeMeasure } from './volume-usage.ts';

/** Where a volume is on the machine. */
export interface VolumeMounted {
  readonly path: string;
  /** Whether it is a device, and no folder. Default: false. */
  readonly isBlock?: boolean;
  /** Whether the node has it read-only, whatever the pod says. Default: false. */
  readonly isReadOnly?: boolean;
  /** When contents have to be made anew though nothing changes, such as tokens that expire. */
  readonly renewAtMs?: number;
  /** What tells how full it is. Default: nothing does. */
  readonly measure?: VolumeMeasure;
}
