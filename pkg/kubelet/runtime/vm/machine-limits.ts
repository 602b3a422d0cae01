/** What a machine's pod says of its network and its disk, by annotations: how much a second at most. */
import { diskAnnotations } from '#pkg/api/share-annotations.ts';
import { parseQuantity, quantityValue } from '#pkg/apimachinery/quantity.ts';
import { podBandwidth } from '#pkg/network/pod-bandwidth.ts';
import { RuntimeError } from '../runtime.ts';
import type { DiskLimits } from './guest/disk-service.ts';
import type { GuestStart } from './guest/protocol.ts';

/** The limits. Throws `RuntimeError` `failed` for what is no amount above 0. */
export function limitsOf(annotations: Readonly<Record<string, string>>): Pick<GuestStart, 'bandwidth' | 'diskLimits'> {
  const bandwidth = podBandwidth({ metadata: { annotations } });
  const diskLimits: DiskLimits = {
    ...amountOf(annotations, 'bytesPerSecond'),
    ...amountOf(annotations, 'requestsPerSecond'),
  };
  return {
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ...(Object.keys(diskLimits).length === 0 ? {} : { diskLimits }),
  };
}

function amountOf(annotations: Readonly<Record<string, string>>, name: keyof typeof diskAnnotations): DiskLimits {
  const annotation = diskAnnotations[name];
  const text = annotations[annotation];
  if (text === undefined) return {};
  const parsed = parseQuantity(text);
  const amount = parsed === undefined ? 0 : Number(quantityValue(parsed));
  if (!(amount > 0))
    throw new RuntimeError('failed', `annotation ${annotation} is no amount above 0: ${text.slice(0, 100)}`);
  return { [name]: amount };
}
