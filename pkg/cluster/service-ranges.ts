/** The ranges of cluster IPs as people write them: one, or one of each family with a comma between them. Source: kube-apiserver `--service-cluster-ip-range`. */
import { parseAddressRange } from '#pkg/registry/core/service/address-range.ts';

/** Fewer addresses leave none for Services beside the API server's own. */
const addressesMin = 2;

/** Why a text cannot be used; undefined where it can. */
export function serviceRangesProblem(text: string): string | undefined {
  const ranges = text.split(',').map(parseAddressRange);
  const [first, second] = ranges;
  if (first === undefined || ranges.length > 2 || ranges.includes(undefined))
    return 'must be one or two CIDRs with a comma between them';
  if (second !== undefined && second.family === first.family) return 'must be of both families where there are two';
  if (ranges.some((range) => (range?.size ?? 0) < addressesMin)) return 'must have room for Services';
  return undefined;
}
