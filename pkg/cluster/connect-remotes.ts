/** Connections to API servers behind this one, over HTTPS, with the certificate by which they know it. Code for it is loaded with the first. */
import type { ForwardTransport } from '#pkg/client/forward-transport.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import type { ConnectRemote } from '#pkg/registry/apiregistration/remote-connection.ts';

/** `client` is shown to each of them; without it they cannot tell this server from others, and will not believe what it says of users. */
export function connectRemotes(client: CertificatePair | undefined): ConnectRemote {
  return ({ host, port, serverName, caBundle, insecure }) => {
    let opening: Promise<ForwardTransport> | undefined;
    const open = async (): Promise<ForwardTransport> => {
      const { forwardTransport } = await import('#pkg/client/forward-transport.ts');
      return forwardTransport({
        scheme: 'https',
        host,
        port,
        serverName,
        verifies: !insecure,
        ...(caBundle === undefined ? {} : { ca: caBundle }),
        ...(client === undefined ? {} : { cert: client.certificate, key: client.key }),
      });
    };
    return {
      async request(request, headers) {
        opening ??= open();
        return (await opening).send(request, headers);
      },
      close() {
        opening?.then((transport) => transport.close()).catch(() => {});
      },
    };
  };
}
