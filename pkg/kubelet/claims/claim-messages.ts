/** Messages of plugins for dynamic resources, the same in both versions that are spoken. Pure. Source: `k8s.io/kubelet` `pkg/apis/dra/v1/api.proto`, `dra/v1beta1`. */
import { type Fields, framed } from '#pkg/grpc/message.ts';

/** Versions by the name that plugins say, the newest first, each with the path of its calls. */
export const claimServices: readonly { readonly version: string; readonly path: string }[] = [
  { version: 'v1.DRAPlugin', path: '/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin' },
  { version: 'v1beta1.DRAPlugin', path: '/v1beta1.DRAPlugin' },
];

/** A claim, as plugins are told of it. */
export interface ClaimName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** A device that was made ready. */
export interface PreparedDevice {
  /** Requests of the claim that it is for; none: all of them. */
  readonly requests: readonly string[];
  readonly pool: string;
  readonly device: string;
  /** Qualified names of the Container Device Interface. */
  readonly cdiDevices: readonly string[];
}

/** What came of one claim. */
export type PreparedClaim = { readonly devices: readonly PreparedDevice[] } | { readonly error: string };

/** For `NodePrepareResources` and `NodeUnprepareResources`. */
export function claimsRequest(claims: readonly ClaimName[]): Uint8Array {
  return framed((message) =>
    message.messages(1, claims, ({ namespace, uid, name }) => {
      message.string(1, namespace);
      message.string(2, uid);
      message.string(3, name);
    }),
  );
}

/** Of `NodePrepareResources`, by the claims' uids. */
export function preparedOf(answer: Fields): ReadonlyMap<string, PreparedClaim> {
  return byUid(answer, (claim) => {
    const error = claim.string(2);
    if (error !== '') return { error };
    const devices = claim.messages(1).map((device) => ({
      requests: device.strings(1),
      pool: device.string(2),
      device: device.string(3),
      cdiDevices: device.strings(4),
    }));
    return { devices };
  });
}

/** Of `NodeUnprepareResources`: what went wrong, by the claims' uids; `''` for nothing. */
export function unpreparedOf(answer: Fields): ReadonlyMap<string, string> {
  return byUid(answer, (claim) => claim.string(1));
}

function byUid<T>(answer: Fields, read: (claim: Fields) => T): ReadonlyMap<string, T> {
  return new Map(answer.messages(1).map((entry) => [entry.string(1), read(entry.message(2))]));
}
