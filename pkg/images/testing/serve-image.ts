/** A registry of one image, which a test can make ill. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveForTest } from './http-server.ts';
import type { TestImage } from './image-documents.ts';

/** Whether somebody has answered in its place. */
type Before = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A registry that has the image, for the test that runs; `before` may answer in its place. */
export async function serveImage(
  image: TestImage,
  before: Before = () => false,
): Promise<{ readonly host: string; readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const answer = imageHandler(image, before);
  const host = await serveForTest((request, response) => {
    const { method, url = '', headers } = request;
    asked.push([method, url, headers.range, headers.authorization].filter((one) => one !== undefined).join(' '));
    answer(request, response);
  });
  return { host, asked };
}

/** What such a registry does with a request, by whatever name the image is asked for. */
export function imageHandler(
  image: TestImage,
  before: Before,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    if (before(request, response)) return;
    const { url = '', headers } = request;
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
  };
}
