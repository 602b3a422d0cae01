/**
 * A connection whose client certificate is asked for anew before it expires: the new one is kept first and then shown, and connections of the old one end, so that
 * watches begin again. Upstream counterpart: kubelet `certificate/kubelet.go`, client-go `util/certificate`.
 */
import { X509Certificate } from 'node:crypto';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { NetworkTransport } from '#pkg/client/network-transport.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';

/** What has to be there for it. */
export interface RotatingOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly pair: CertificatePair;
  connect(pair: CertificatePair): NetworkTransport;
  /** Asks for the next one, over this very connection. */
  renew(signal: AbortSignal): Promise<CertificatePair>;
  /** Keeps it for the next start. */
  keep(pair: CertificatePair): Promise<void>;
}

/** A new certificate is asked for when this part of the life of the old one has passed. Source: upstream takes 70 to 90 %. */
const renewPart = 0.8;
/** After a failure. */
const retryMs = 30_000;
/** Longest wait at once: timers have no room for more. */
const waitMsMax = 24 * 3_600_000;

/** The connection; `run` keeps it, and closes it at the end. */
export class RotatingTransport {
  readonly #options: RotatingOptions;
  #pair: CertificatePair;
  #current: NetworkTransport;

  constructor(options: RotatingOptions) {
    this.#options = options;
    this.#pair = options.pair;
    this.#current = options.connect(options.pair);
  }

  readonly request: NetworkTransport['request'] = (request) => this.#current.request(request);

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    try {
      while (!signal.aborted) {
        const waitMs = renewalMs(this.#pair) - clock.nowMs();
        if (waitMs > 0) await sleep(clock, Math.min(waitMs, waitMsMax), signal);
        else if (!(await this.#renew(signal))) await sleep(clock, retryMs, signal);
      }
    } finally {
      await this.#current.close();
    }
  }

  async #renew(signal: AbortSignal): Promise<boolean> {
    const { connect, keep, log, renew } = this.#options;
    try {
      const pair = await renew(signal);
      await keep(pair);
      const old = this.#current;
      this.#pair = pair;
      this.#current = connect(pair);
      await old.close();
      return true;
    } catch (error) {
      if (!signal.aborted) log.warn('Cannot renew the certificate of the node', { reason: errorText(error) });
      return false;
    }
  }
}

/** When the next one is asked for. */
function renewalMs({ certificate }: CertificatePair): number {
  const { validFrom, validTo } = new X509Certificate(certificate);
  const [fromMs, toMs] = [Date.parse(validFrom), Date.parse(validTo)];
  return fromMs + (toMs - fromMs) * renewPart;
}
