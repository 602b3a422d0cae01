/** The handler of a test server behind real HTTPS, for tests of what goes over a wire. */
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import { createHttpsServer } from '#pkg/serving/https-server.ts';

export interface Served {
  readonly port: number;
  readonly connectionCount: number;
  /** TLS options of a client that is known. */
  readonly client: { readonly cert: string; readonly key: string; readonly ca: string };
  close(): Promise<void>;
}

/** Serves on a free port of the loopback address until it is closed. */
export async function serveHttps(handler: ApiHandler): Promise<Served> {
  const clock = new SystemClock();
  const subject = (commonName: string) => ({
    subject: { commonName, organizations: ['system:masters'] },
    nowMs: clock.nowMs(),
    validDays: 1,
  });
  const authority = issueAuthority(subject('authority'));
  const own = issueLeaf(authority, { ...subject('server'), usage: 'server', hosts: ['127.0.0.1'] });
  const person = issueLeaf(authority, { ...subject('admin'), usage: 'client' });
  const server = createHttpsServer({
    handler,
    cert: own.certificate,
    key: own.key,
    clientCa: authority.certificate,
    clock,
    log: silentLogger,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const running = server.run(stop.signal);
  return {
    port,
    get connectionCount() {
      return server.connectionCount;
    },
    client: { cert: person.certificate, key: person.key, ca: authority.certificate },
    async close() {
      stop.abort();
      await running;
    },
  };
}
