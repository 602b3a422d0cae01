/** Takes an upgraded connection in the same process: what the handler accepts is one end of a pair, the caller has the other. No socket. */
import { type Duplex, duplexPair } from 'node:stream';
import type { UpgradeBody } from '#pkg/apimachinery/http.ts';

/** The caller's end. It is destroyed when the protocol is over; whoever has had enough destroys it. */
export function takeUpgrade(body: UpgradeBody): Duplex {
  const [near, far] = duplexPair();
  // An end that goes away is the other's end, not an error that nobody hears.
  for (const [end, other] of [
    [near, far],
    [far, near],
  ] as const) {
    end.on('error', () => {});
    end.once('close', () => other.destroy());
  }
  body.accept(far).then(
    () => far.end(),
    () => far.destroy(),
  );
  return near;
}
