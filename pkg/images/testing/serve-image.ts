/** A registry of one image, which a test can make ill. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveForTest } from './http-server.ts';
import type { TestImage } from './image-documents.ts';

/** A registry that has the image; `before` may answer in its place. */
export async function serveImage(
  image: TestImage,
  before: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Promise<{ readonly host: string; readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const host = await serveForTest((request, response) => {
    const { method, url = '', headers } = request;
    asked.push([method, url, headers.range, headers.authorization].filter((one) => one !== undefined).join(' '));
    if (before(request, response)) return;
    const name = url.slice(url.lastIndexOf('/') + 1);
    const bytes = image.contents.get(name === '1' ? image.target.digest : name);
    const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    if (bytes === undefined)
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    else if (start === 0) response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    else
      response
        .writeHead(206, { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` })
        .end(bytes.subarray(start));
  });
  return { host, asked };
}
